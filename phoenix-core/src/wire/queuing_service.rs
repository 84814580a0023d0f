//! PROTOCOL.md §7 — requests to the queuing service, and its replies.
//!
//! Clients send all of them; other homeservers send [`GetQsKeys`] too, and the frames of
//! [`federation`](super::federation). The service knows users and clients by pseudonyms only.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{message::message, queues::DequeueRange};
use crate::{
    codec::{Bytes, List},
    credentials::{KeyId, PublishedHpkeKey, QsKeySet},
    crypto::{
        aead::{EarCiphertext, EarKey},
        hpke::HpkePublicKey,
        kdf::{self, Hash},
        labels::Label,
        sign::{Signable, Signature, VerifyingKey},
    },
    identifiers::{Domain, QsClientId, QsUserId},
    limits::{MAX_CLIENTS, MAX_KEY_PACKAGES},
    time::Timestamp,
};

message! {
    /// Asks for the key to seal queue configurations to, which is public (§7, Published keys). The answer is not
    /// signed; clients take the key from [`GetQsKeysReply`].
    pub struct GetConfigKey {}

    /// Answer to [`GetConfigKey`].
    pub struct GetConfigKeyReply {
        /// The newest key that is valid now.
        pub key: PublishedHpkeKey,
    }

    /// Asks for the keys of the queuing service: a question that is open to every client and homeserver (§7,
    /// Published keys).
    pub struct GetQsKeys {}

    /// Answer to [`GetQsKeys`].
    pub struct GetQsKeysReply {
        /// Verifying keys, and the keys that configurations and streams are sealed to, signed.
        pub keys: QsKeySet,
    }

    /// Creates a pseudonymous user with its first client and that client's queue (§7, Records). The service
    /// does not learn which user of the authentication service sends it.
    pub struct CreateUserRecord {
        /// Authenticates the user record's owner.
        pub user_key: VerifyingKey,
        /// What the service knows the friendship token by: [`FriendshipToken::hash`].
        pub friendship_hash: Hash,
        /// Authenticates the client.
        pub client_key: VerifyingKey,
        /// Verifies the client's queue configurations. It outlives `client_key`.
        pub config_key: VerifyingKey,
        /// The public key that the entries of the client's queue are encrypted to.
        pub queue_key: HpkePublicKey,
    }

    /// Answer to [`CreateUserRecord`].
    pub struct CreateUserRecordReply {
        /// The user's pseudonym, drawn by the service.
        pub user: QsUserId,
        /// The client's pseudonym, drawn by the service; it names the client's queue.
        pub client: QsClientId,
    }

    /// Replaces all key packages of the client that sends it (§7, Key packages).
    pub struct PublishKeyPackages {
        /// The user's token. It encrypts the packages at rest; friends bring the same one when they fetch.
        pub friendship_token: FriendshipToken,
        /// The packages. Exactly one of them is a last resort.
        pub packages: List<AddPackage, MAX_KEY_PACKAGES>,
    }

    /// What it takes to add a client to a group (§7, Key packages).
    pub struct AddPackage {
        /// A bare MLS KeyPackage, with an unbound queue configuration as an extension.
        pub key_package: Bytes<4096>,
        /// The client's credential and the key to its leaf's attribution, which friends can open.
        pub encrypted_credential: EarCiphertext,
    }

    /// Asks for one key package of each client of a user, from a friend (§7, Key packages).
    pub struct GetKeyPackage {
        /// The user's pseudonym.
        pub user: QsUserId,
        /// The user's token, which proves that the caller is a friend.
        pub friendship_token: FriendshipToken,
    }

    /// Answer to [`GetKeyPackage`].
    pub struct GetKeyPackageReply {
        /// One package for each client that has one.
        pub packages: List<AddPackage, MAX_CLIENTS>,
        /// What the delivery service wants to see when they are added.
        pub batch: KeyPackageBatch,
    }

    /// Which key packages were handed out together, and when (§7, Key packages).
    pub struct KeyPackageBatchContent {
        /// The homeserver whose queuing service handed them out.
        pub domain: Domain,
        /// The KeyPackageRef of each.
        pub references: List<Hash, MAX_CLIENTS>,
        /// When they were handed out.
        pub issued_at: Timestamp,
        /// The published key of the queuing service that signs.
        pub key_id: KeyId,
    }

    /// A batch, signed by the queuing service that handed it out. Clients pass it on in
    /// [`AddUsers`](super::delivery_service::AddUsers).
    pub struct KeyPackageBatch {
        /// What is signed.
        pub content: KeyPackageBatchContent,
        /// The signature over the content, by the key that it names.
        pub signature: Signature,
    }

    /// Reads the fan-out queue of the client that sends it (§7, Reading and listening), which is answered
    /// with a [`DequeueReply`](super::queues::DequeueReply).
    pub struct Dequeue {
        /// What to read, and what to drop.
        pub range: DequeueRange,
    }

    /// Asks to be told when the fan-out queue of the client that sends it grows, for as long as the
    /// connection lasts that this comes through (§7, Reading and listening).
    pub struct Listen {}
}

impl Signable for KeyPackageBatchContent {
    const LABEL: Label = Label::KEY_PACKAGE_BATCH;
}

/// What a user shares with its contacts: who has it may fetch the user's key packages (§7, Key packages).
///
/// Encoded as its 32 bytes. `Debug` does not print them.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct FriendshipToken(pub EarKey);

impl std::fmt::Debug for FriendshipToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FriendshipToken(…)")
    }
}

impl FriendshipToken {
    /// Returns what the queuing service knows the token by. The token cannot be learnt from it.
    pub fn hash(&self) -> Hash {
        kdf::hash(Label::FRIENDSHIP_TOKEN, &[self.0.as_bytes()])
    }

    /// Returns the key that the user's add packages are encrypted under at rest.
    pub fn add_package_key(&self) -> EarKey {
        EarKey::from_bytes(*kdf::derive(self.0.as_bytes(), Label::ADD_PACKAGES, &[]))
    }
}
