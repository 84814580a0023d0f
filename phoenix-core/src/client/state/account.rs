//! PROTOCOL.md §11.1 — the client's records at its own homeserver, its key packages, and as what it signs.

use crate::{
    crypto::{aead::EarKey, ratchet::QueueReader, sign::SigningKey},
    identifiers::{QsClientId, QsUserId},
    wire::envelope::Sender,
};

/// The client's records at its queuing service.
pub(crate) struct Queuing {
    pub user: QsUserId,
    pub client: QsClientId,
    /// Signs changes of the user record.
    #[expect(dead_code, reason = "user records are not changed yet")]
    pub user_key: SigningKey,
    pub client_key: SigningKey,
    pub config_key: SigningKey,
    pub list_key: EarKey,
    pub reader: QueueReader,
}

/// The private side of a published key package.
#[derive(Clone)]
pub(crate) struct OwnPackage {
    pub leaf_key: SigningKey,
    pub last_resort: bool,
}

/// The sender of a request, and the key that signs for it.
#[derive(Clone)]
pub(crate) struct Identity {
    pub sender: Sender,
    pub key: SigningKey,
}
