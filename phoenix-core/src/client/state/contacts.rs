//! PROTOCOL.md §11.10 — the users that the client is connected with, and those that ask for it.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    client::{
        messages::{ConnectionRequest, FriendshipPackage},
        records::{ClientRecordKind, Record},
    },
    credentials::ClientCredential,
    identifiers::UserId,
};

/// A user that the client is connected with.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Contact {
    pub credential: ClientCredential,
    pub friendship: FriendshipPackage,
}

impl Record for Contact {
    const KIND: ClientRecordKind = ClientRecordKind::Contact;
    type Key = UserId;
}

/// A request that waits for the user's decision, by requester.
impl Record for ConnectionRequest {
    const KIND: ClientRecordKind = ClientRecordKind::ConnectionRequest;
    type Key = UserId;
}
