//! PROTOCOL.md §11.1 — the client's records at its own homeserver, its key packages, and as what it signs.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    client::records::{ClientRecordKind, Record},
    codec::{Bytes, List},
    credentials::ClientCredential,
    crypto::{aead::EarKey, hpke::HpkePrivateKey, sign::SigningKey},
    identifiers::{ClientId, QsClientId, QsUserId},
    limits::MAX_CONNECTION_PACKAGES,
    wire::{envelope::Sender, queuing_service::FriendshipToken},
};

/// Who the client is.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Account {
    pub client_id: ClientId,
    pub client_key: SigningKey,
    pub credential: Option<ClientCredential>,
    /// The credential of a registration that may have been finished.
    pub granted: Option<ClientCredential>,
    /// The private keys of its connection packages.
    pub connection_keys: List<HpkePrivateKey, MAX_CONNECTION_PACKAGES>,
    pub friendship_token: FriendshipToken,
    pub friendship_key: EarKey,
    pub queuing: Option<Queuing>,
    /// How many key packages were used since some were last published.
    pub used_packages: u32,
}

impl Record for Account {
    const KIND: ClientRecordKind = ClientRecordKind::Account;
    type Key = ();
}

/// The client's records at its queuing service.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Queuing {
    pub user: QsUserId,
    pub client: QsClientId,
    /// Signs changes of the user record.
    pub user_key: SigningKey,
    pub client_key: SigningKey,
    pub config_key: SigningKey,
    pub list_key: EarKey,
}

/// The private side of a published key package, by its MLS KeyPackageRef.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct OwnPackage {
    pub leaf_key: SigningKey,
    pub last_resort: crate::codec::Flag,
}

impl Record for OwnPackage {
    const KIND: ClientRecordKind = ClientRecordKind::KeyPackage;
    type Key = Bytes<64>;
}

/// The sender of a request, and the key that signs for it.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Identity {
    pub sender: Sender,
    pub key: SigningKey,
}
