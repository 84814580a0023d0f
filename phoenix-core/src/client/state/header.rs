//! PROTOCOL.md §11.15 — the record that names the form of all others.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::client::records::{ClientRecordKind, Record};

/// The form of the records.
#[derive(Debug, Clone, Copy, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Header {
    /// The version of the records' form.
    pub version: u16,
    /// How many saves there were: for the planted bug of a generator that is saved.
    pub saves: u64,
    /// The first id that could be given since the last start.
    pub first_id: u64,
}

impl Header {
    /// The version that this library writes and reads.
    pub const VERSION: u16 = 1;

    pub const fn first() -> Self {
        Self { version: Self::VERSION, saves: 0, first_id: 1 }
    }
}

impl Record for Header {
    const KIND: ClientRecordKind = ClientRecordKind::Header;
    type Key = ();
}
