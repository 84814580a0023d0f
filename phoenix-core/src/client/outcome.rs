//! PROTOCOL.md §11.15 — how the end of an intent is encoded: why it failed, if it did.

use std::io::Write;

use tls_codec::{DeserializeBytes, Error, Serialize, Size};

use super::error::ClientError;

fn failure(outcome: &Result<(), ClientError>) -> Option<&ClientError> {
    outcome.as_ref().err()
}

pub fn tls_serialized_len(outcome: &Result<(), ClientError>) -> usize {
    failure(outcome).tls_serialized_len()
}

pub fn tls_serialize<W: Write>(outcome: &Result<(), ClientError>, writer: &mut W) -> Result<usize, Error> {
    failure(outcome).tls_serialize(writer)
}

pub fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Result<(), ClientError>, &[u8]), Error> {
    let (failure, rest) = Option::<ClientError>::tls_deserialize_bytes(bytes)?;
    Ok((failure.map_or(Ok(()), Err), rest))
}
