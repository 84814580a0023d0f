//! PROTOCOL.md §11.15 — the record that names the form of all others.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::client::records::{ClientRecordKind, Record};

/// The form of the records, and the numbers that are given next.
#[derive(Debug, Clone, Copy, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Header {
    /// The version of the records' form.
    pub version: u16,
    pub next_intent: u64,
    pub next_event: u64,
    pub next_ticket: u64,
}

impl Header {
    /// The version that this library writes and reads.
    pub const VERSION: u16 = 1;

    pub const fn first() -> Self {
        Self { version: Self::VERSION, next_intent: 1, next_event: 1, next_ticket: 1 }
    }
}

impl Record for Header {
    const KIND: ClientRecordKind = ClientRecordKind::Header;
    type Key = ();
}
