//! Any bytes as what travels inside of requests, answers, frames and queue entries: what is read has no other
//! encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_core::{
    codec::{Codec, decode, encode},
    credentials::{AsCredentialSet, DsKeySet, QsKeySet},
    wire::{
        delivery_service::CommitData,
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::{FanOutMessage, QueueConfig, QueueMessage},
        federation::Frame,
        queues::DequeueReply,
    },
};

fn one_encoding<T: Codec>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        assert_eq!(encode(&value), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    one_encoding::<RequestEnvelope>(bytes);
    one_encoding::<ResponseEnvelope>(bytes);
    one_encoding::<Frame>(bytes);
    one_encoding::<FanOutMessage>(bytes);
    one_encoding::<QueueMessage>(bytes);
    one_encoding::<QueueConfig>(bytes);
    one_encoding::<DequeueReply>(bytes);
    one_encoding::<CommitData>(bytes);
    one_encoding::<AsCredentialSet>(bytes);
    one_encoding::<QsKeySet>(bytes);
    one_encoding::<DsKeySet>(bytes);
    // A refusal that is passed on is the one that the answer carries.
    let read = ResponseEnvelope::read::<DequeueReply>(bytes);
    if let (Some(refusal), Ok(answer)) = (ResponseEnvelope::refusal(bytes), read) {
        assert_eq!(answer, Err(refusal));
    }
});
