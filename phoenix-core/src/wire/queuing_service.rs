//! PROTOCOL.md §7 — requests to and replies of the queuing service.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{message::message, queues::DequeueRange};
use crate::{
    codec::{Bytes, List},
    credentials::{KeyId, PublishedHpkeKey, QsKeySet},
    crypto::{
        aead::{EarCiphertext, EarKey},
        hpke::HpkePublicKey,
        kdf::Hash,
        labels::Label,
        sign::{Signable, Signature, VerifyingKey},
    },
    identifiers::{Domain, QsClientId, QsUserId},
    limits::{MAX_CLIENTS, MAX_KEY_PACKAGES},
    time::Timestamp,
};

message! {
    /// Asks for the key that queue configurations are sealed to.
    pub struct GetConfigKey {}

    /// Answer to [`GetConfigKey`].
    pub struct GetConfigKeyReply {
        /// The newest of them.
        pub key: PublishedHpkeKey,
    }

    /// Asks for the keys of the queuing service.
    pub struct GetQsKeys {}

    /// Answer to [`GetQsKeys`].
    pub struct GetQsKeysReply {
        /// Verifying keys, and keys to seal configurations and streams to.
        pub keys: QsKeySet,
    }

    /// Creates a pseudonymous user with its first client.
    pub struct CreateUserRecord {
        /// Authenticates the user record's owner.
        pub user_key: VerifyingKey,
        /// The hash of the friendship token ([`FriendshipToken::hash`]).
        pub friendship_hash: Hash,
        /// Authenticates the client.
        pub client_key: VerifyingKey,
        /// Verifies the client's queue configurations; outlives `client_key`.
        pub config_key: VerifyingKey,
        /// The key that the queue is encrypted to.
        pub queue_key: HpkePublicKey,
    }

    /// Answer to [`CreateUserRecord`].
    pub struct CreateUserRecordReply {
        /// The user's pseudonym.
        pub user: QsUserId,
        /// The client's pseudonym.
        pub client: QsClientId,
    }

    /// Replaces the client's key packages.
    pub struct PublishKeyPackages {
        /// Encrypts them at rest: whoever fetches them brings the same token.
        pub friendship_token: FriendshipToken,
        /// One of them must be a last resort.
        pub packages: List<AddPackage, MAX_KEY_PACKAGES>,
    }

    /// What it takes to add a client to a group.
    pub struct AddPackage {
        /// An MLS key package with a queue configuration.
        pub key_package: Bytes<4096>,
        /// The client's credential and the key to its leaf's attribution, for friends.
        pub encrypted_credential: EarCiphertext,
    }

    /// Asks for one key package of each client of a user.
    pub struct GetKeyPackage {
        /// Whose.
        pub user: QsUserId,
        /// Proves that the user is a friend.
        pub friendship_token: FriendshipToken,
    }

    /// Answer to [`GetKeyPackage`].
    pub struct GetKeyPackageReply {
        /// One for each client.
        pub packages: List<AddPackage, MAX_CLIENTS>,
        /// What the delivery service wants to see when they are added.
        pub batch: KeyPackageBatch,
    }

    /// Which key packages were handed out together, and when.
    pub struct KeyPackageBatchContent {
        /// The queuing service's domain.
        pub domain: Domain,
        /// The key packages, by their MLS references.
        pub references: List<Hash, MAX_CLIENTS>,
        /// When they were handed out.
        pub issued_at: Timestamp,
        /// The key that signs.
        pub key_id: KeyId,
    }

    /// [`KeyPackageBatchContent`], signed by the queuing service.
    pub struct KeyPackageBatch {
        /// What is signed.
        pub content: KeyPackageBatchContent,
        /// With the queuing service's key.
        pub signature: Signature,
    }

    /// Reads the client's fan-out queue. Whose it is, its authentication says.
    pub struct Dequeue {
        /// What to read.
        pub range: DequeueRange,
    }

    /// Asks to be told when the client's fan-out queue grows, for as long as the connection lasts that this comes
    /// through. Whose queue it is, its authentication says.
    pub struct Listen {}
}

impl Signable for KeyPackageBatchContent {
    const LABEL: Label = Label::KEY_PACKAGE_BATCH;
}

/// What friends know of each other: who has it may fetch key packages.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct FriendshipToken(pub EarKey);

impl std::fmt::Debug for FriendshipToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FriendshipToken(…)")
    }
}

impl FriendshipToken {
    /// What the queuing service knows the token by.
    pub fn hash(&self) -> Hash {
        crate::crypto::kdf::hash(Label::FRIENDSHIP_TOKEN, &[self.0.as_bytes()])
    }

    /// The key that add packages are encrypted under at rest.
    pub fn add_package_key(&self) -> EarKey {
        EarKey::from_bytes(*crate::crypto::kdf::derive(self.0.as_bytes(), Label::ADD_PACKAGES, &[]))
    }
}
