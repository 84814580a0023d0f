//! R6 — no nonce meets one key twice, whatever was rolled back or restored.
//!
//! A queue or stream whose store has gone back has the keys again that it has used already. What it encrypts under
//! them then is another message, which the random nonce of each entry keeps apart from the first.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::{decode, encode},
    crypto::ratchet::{QueueEntry, QueueEntryContent, RatchetCiphertext},
    error::Refusal,
    store::{RecordKind, Write},
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        federation::{EnqueueFederated, EnqueueFederatedReply, FramePayload},
        operations::OperationKind,
    },
};
use sha2::{Digest, Sha256};

use super::violation::Violation;

/// The ciphertext under each key and nonce.
#[derive(Debug, Default)]
pub struct Reuse {
    /// The hash of the ciphertext, by what names the key and by the nonce.
    ciphertexts: BTreeMap<(Vec<u8>, [u8; 12]), [u8; 32]>,
}

impl Reuse {
    /// Notes a new row of homeserver `server`, if it is an entry of a queue.
    ///
    /// # Errors
    /// Another entry of its place and generation had the same nonce.
    pub fn entered(&mut self, server: usize, write: &Write) -> Result<(), Violation> {
        let is_entry =
            matches!(write.key.kind(), RecordKind::FanOutQueueEntry | RecordKind::DirectQueueEntry);
        // One byte for the format, then the entry.
        let bytes = write.bytes.as_ref().and_then(|bytes| bytes.get(1..)).filter(|_| is_entry);
        let Some(Ok(QueueEntry { generation, content, .. })) = bytes.map(decode) else { return Ok(()) };
        let QueueEntryContent::Message(message) = content else { return Ok(()) };
        let key = [&[server as u8][..], &write.key.to_bytes(), &generation.to_be_bytes()].concat();
        self.note(key, &message)
    }

    /// Notes a request, if it is a frame that its receiver takes for one of its source.
    ///
    /// # Errors
    /// Another entry of its place and epoch had the same nonce.
    pub fn answered(&mut self, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        let Ok((OperationKind::EnqueueFederated, envelope)) = RequestEnvelope::read(request) else {
            return Ok(());
        };
        let reply = ResponseEnvelope::read::<EnqueueFederatedReply>(reply);
        if !matches!(reply, Ok(Ok(_) | Err(Refusal::StreamDiverged))) {
            return Ok(());
        }
        let Ok(EnqueueFederated { frame }) = decode(envelope.body.as_slice()) else { return Ok(()) };
        let FramePayload::Batch(batch) = &frame.content.payload else { return Ok(()) };
        let epoch = [encode(&frame.content.stream_id), batch.epoch.to_be_bytes().to_vec()].concat();
        let mut entries = (batch.first_sequence..).zip(batch.entries.iter());
        entries.try_for_each(|(place, entry)| {
            self.note([epoch.clone(), place.to_be_bytes().to_vec()].concat(), entry)
        })
    }

    fn note(&mut self, key: Vec<u8>, message: &RatchetCiphertext) -> Result<(), Violation> {
        let hash: [u8; 32] = Sha256::digest(message.ciphertext.as_slice()).into();
        if *self.ciphertexts.entry((key, message.nonce)).or_insert(hash) == hash {
            return Ok(());
        }
        let what = "two messages were encrypted under one key with one nonce".to_owned();
        let should = "Each entry has a nonce of its own, drawn when it is made.";
        Err(Violation::now("reuse", what, should))
    }
}
