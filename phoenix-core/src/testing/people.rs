//! Users with all that a client of theirs holds: credential, records of the queuing service, keys.

use std::time::Duration;

use openmls::prelude::{
    Credential, CredentialType, CredentialWithKey, Extension, Extensions, KeyPackage, Lifetime,
    UnknownExtension,
};

use crate::{
    codec::encode,
    credentials::{ClientCredential, LeafCredential, PublishedHpkeKey},
    crypto::{aead::EarKey, hpke::HpkePrivateKey, provider::MlsCrypto, sign::SigningKey},
    identifiers::{
        ClientId, ClientUuid, Domain, GroupId, LeafIdentity, QsClientId, QsUserId, UserId, UserUuid,
    },
    mls::{self, CIPHERSUITE, LEAF_CREDENTIAL_TYPE, MlsProvider, MlsRecords, QUEUE_CONFIG_EXTENSION},
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
    wire::{
        auth_service::{ConnectionPackage, ConnectionPackageContent},
        envelope::Sender,
        fan_out::{Binding, ClientQueueConfig, Notify, QueueConfigContent},
        queuing_service::FriendshipToken,
    },
};

/// Returns half past noon on the first day of this token period: close enough to the real time for openmls,
/// which reads the clock, and always at the same place in its hour, day and week.
pub fn noon() -> Timestamp {
    const WEEK: u64 = 7 * 24 * 3600;
    let real = Lifetime::new(2 * 3600).not_before() + 3600;
    Timestamp::from_milliseconds((real / WEEK * WEEK + 12 * 3600 + 1800) * 1000)
}

/// Returns a lifetime around the time that openmls reads, on any day of the week.
pub fn lifetime() -> Lifetime {
    let week = noon().seconds() - 12 * 3600 - 1800;
    Lifetime::init(week - 24 * 3600, week + 60 * 24 * 3600)
}

/// A client and its pseudonyms.
pub struct Person {
    /// The client's name.
    pub client_id: ClientId,
    /// The key of its credential.
    pub key: SigningKey,
    /// Its credential; in force once it is registered.
    pub credential: Option<ClientCredential>,
    /// The key that opens the direct queue.
    pub direct_queue: HpkePrivateKey,
    /// Its user's pseudonym.
    pub user: QsUserId,
    /// Its own pseudonym.
    pub client: QsClientId,
    /// The key of the user record.
    pub user_key: SigningKey,
    /// The key of the client record.
    pub client_key: SigningKey,
    /// The key that signs queue configurations.
    pub config_key: SigningKey,
    /// The key that opens the fan-out queue.
    pub queue: HpkePrivateKey,
    /// The token that friends fetch key packages with.
    pub friendship: FriendshipToken,
    /// The key that names groups in its record.
    pub list_key: EarKey,
    /// The key that its queuing service opens configurations with.
    pub config_to: PublishedHpkeKey,
}

impl Person {
    /// Makes a person at `domain` who is not registered yet.
    pub fn new(random: &mut Random, domain: &Domain, config_to: PublishedHpkeKey) -> Self {
        let user_id = UserId { uuid: UserUuid(random.array()), domain: domain.clone() };
        Self {
            client_id: ClientId { user_id, uuid: ClientUuid(random.array()) },
            key: SigningKey::generate(random),
            credential: None,
            direct_queue: HpkePrivateKey::generate(random),
            user: QsUserId([0; 16]),
            client: QsClientId([0; 16]),
            user_key: SigningKey::generate(random),
            client_key: SigningKey::generate(random),
            config_key: SigningKey::generate(random),
            queue: HpkePrivateKey::generate(random),
            friendship: FriendshipToken(EarKey::random(random)),
            list_key: EarKey::random(random),
            config_to,
        }
    }

    /// Returns the domain of its homeserver.
    pub fn domain(&self) -> &Domain {
        &self.client_id.user_id.domain
    }

    /// Returns its credential; it must be registered.
    pub fn credential(&self) -> &ClientCredential {
        self.credential.as_ref().unwrap()
    }

    /// Returns what a request of the client is signed with.
    pub fn as_client(&self) -> (Sender, SigningKey) {
        (Sender::Client(self.credential().fingerprint()), self.key.clone())
    }

    /// Returns what a request of the pseudonymous client is signed with.
    pub fn as_queue_owner(&self) -> (Sender, SigningKey) {
        (Sender::QsClient(self.client), self.client_key.clone())
    }

    /// Makes a connection package.
    pub fn connection_package(&self, random: &mut Random, now: Timestamp) -> ConnectionPackage {
        let content = ConnectionPackageContent {
            credential: self.credential().clone(),
            encryption_key: HpkePrivateKey::generate(random).public_key(),
            expiration: ExpirationData::starting(now, 30 * DAY),
        };
        let signature = self.key.sign(&content);
        ConnectionPackage { content, signature }
    }

    /// Makes a configuration that authorises Welcomes and the groups that they pin.
    pub fn unbound(&self, random: &mut Random, not_after: Timestamp) -> ClientQueueConfig {
        self.config(random, Binding::Unbound, not_after)
    }

    /// Makes a configuration that authorises the messages of `group`.
    pub fn bound(&self, random: &mut Random, group: &GroupId, not_after: Timestamp) -> ClientQueueConfig {
        let binding = Binding::Bound { ds_domain: group.domain.clone(), group_id: group.clone() };
        self.config(random, binding, not_after)
    }

    fn config(&self, random: &mut Random, binding: Binding, not_after: Timestamp) -> ClientQueueConfig {
        let content = QueueConfigContent {
            client: self.client,
            push_token_key: None,
            list_key: self.list_key.clone(),
            notify: Notify::Always,
            binding,
            not_after,
        };
        let domain = self.domain().clone();
        ClientQueueConfig::seal(random, domain, &self.config_to, content, &self.config_key).unwrap()
    }
}

/// A leaf of a person: a pseudonym with the MLS state that goes with it.
pub struct Leaf {
    /// MLS's cryptography and secrets.
    pub provider: MlsProvider,
    /// The leaf's key.
    pub key: SigningKey,
    /// The leaf's name in its group.
    pub identity: LeafIdentity,
    /// The leaf's credential, as MLS has it.
    pub credential: CredentialWithKey,
}

impl Leaf {
    /// Makes a fresh leaf.
    pub fn new(random: &mut Random, person: &Person, now: Timestamp) -> Self {
        let key = SigningKey::generate(random);
        Self::with_key(random, person, now, key)
    }

    /// Makes a fresh leaf with this key.
    pub fn with_key(random: &mut Random, person: &Person, now: Timestamp, key: SigningKey) -> Self {
        let identity = LeafIdentity::random(random);
        let attribution = EarKey::random(random);
        let expiration = ExpirationData::starting(now, Duration::from_secs(80 * 24 * 3600));
        let credential = LeafCredential::create(
            random,
            &key,
            &person.key,
            person.credential(),
            &attribution,
            identity,
            expiration,
        );
        let content = encode(&credential.unwrap());
        let credential = Credential::new(CredentialType::Other(LEAF_CREDENTIAL_TYPE), content);
        let signature_key = key.verifying_key().0.as_slice().into();
        Self {
            provider: MlsProvider::new(MlsCrypto::new(random.array()), MlsRecords::default()),
            key,
            identity,
            credential: CredentialWithKey { credential, signature_key },
        }
    }

    /// Makes a key package of this leaf.
    pub fn key_package(&self, config: &ClientQueueConfig, last_resort: bool) -> KeyPackage {
        let config = Extension::Unknown(QUEUE_CONFIG_EXTENSION, UnknownExtension(encode(config)));
        let builder = KeyPackage::builder()
            .leaf_node_capabilities(mls::capabilities())
            .key_package_lifetime(lifetime())
            .key_package_extensions(Extensions::single(config).unwrap());
        let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
        let bundle = builder.build(CIPHERSUITE, &self.provider, &self.key, self.credential.clone());
        bundle.unwrap().into_key_package()
    }
}
