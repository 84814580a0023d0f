//! PROTOCOL.md §11 — how the client is known to its own homeserver, and as what it signs.

use crate::{
    crypto::{aead::EarKey, ratchet::QueueReader, sign::SigningKey},
    identifiers::{QsClientId, QsUserId},
    wire::envelope::Sender,
};

/// The client's records at its queuing service.
pub(crate) struct Queuing {
    pub user: QsUserId,
    pub client: QsClientId,
    /// For changes of the user record.
    #[expect(dead_code, reason = "user records are not changed yet")]
    pub user_key: SigningKey,
    pub client_key: SigningKey,
    pub config_key: SigningKey,
    pub list_key: EarKey,
    pub reader: QueueReader,
}

/// A key package of ours that somebody may use.
#[derive(Clone)]
pub(crate) struct OwnPackage {
    pub leaf_key: SigningKey,
    pub last_resort: bool,
}

/// Under which name and key requests are made.
#[derive(Clone)]
pub(crate) struct Identity {
    pub sender: Sender,
    pub key: SigningKey,
}
