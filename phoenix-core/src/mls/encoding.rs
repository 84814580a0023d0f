//! PROTOCOL.md §2, Encoding — the one strict way to read what MLS encodes.

use openmls::prelude::{MlsMessageBodyIn, MlsMessageIn};
use tls_codec::{Deserialize, Serialize};

/// The bytes are not the one encoding of an MLS object of the expected kind. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed MLS message of the expected kind")]
pub struct MalformedMessage;

/// Reads exactly one `T`, in the one encoding that it would be written in.
///
/// Reads through a reader, since reading from a slice makes openmls panic on short input in debug builds.
pub(super) fn read<T: Deserialize + Serialize>(mut bytes: &[u8]) -> Result<T, MalformedMessage> {
    let whole = bytes;
    let value = T::tls_deserialize(&mut bytes).map_err(|_| MalformedMessage)?;
    let canonical = value.tls_serialize_detached().map_err(|_| MalformedMessage)?;
    if bytes.is_empty() && canonical == whole { Ok(value) } else { Err(MalformedMessage) }
}

/// Reads an `MLSMessage` (RFC 9420 §6), refusing trailing bytes and every encoding but the shortest.
///
/// # Errors
/// [`MalformedMessage`]: the sender is at fault.
pub fn parse_message(bytes: &[u8]) -> Result<MlsMessageIn, MalformedMessage> {
    read(bytes)
}

/// As [`parse_message`]; returns the message's content, for a `match` on its kind.
pub(super) fn parse_body(bytes: &[u8]) -> Result<MlsMessageBodyIn, MalformedMessage> {
    parse_message(bytes).map(MlsMessageIn::extract)
}
