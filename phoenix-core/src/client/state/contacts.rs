//! PROTOCOL.md §11.10 — the users that the client is connected with.

use crate::{client::messages::FriendshipPackage, credentials::ClientCredential};

/// A user that the client is connected with.
#[derive(Clone)]
pub(crate) struct Contact {
    pub credential: ClientCredential,
    pub friendship: FriendshipPackage,
}
