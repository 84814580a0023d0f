//! PROTOCOL.md §11.6 — the stock of tokens, for each homeserver.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    client::records::{ClientRecordKind, Record},
    crypto::tokens::Token,
    identifiers::Domain,
    time::Timestamp,
};

/// A token, and until when its key is in force. By homeserver and nonce.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct StockedToken {
    pub token: Token,
    pub not_after: Timestamp,
}

impl Record for StockedToken {
    const KIND: ClientRecordKind = ClientRecordKind::Token;
    type Key = (Domain, [u8; 32]);
}
