//! PROTOCOL.md §4, §6.8, §7.5, §7.6 — the chain of credentials, the published sets, and what clients and
//! queuing services sign beside them. All of it stands validation.

use super::{NOW, Vector, check};
use crate::{
    codec::{decode, encode},
    credentials::{
        AsCredential, AsCredentialSet, AsCredentialSetContent, AsIntermediateCredential, ClientCredential,
        ClientCredentialRequest, DsKeySet, DsKeySetContent, KeyId, LeafCredential, PublishedHpkeKey,
        PublishedKey, QsKeySet, QsKeySetContent, Revocation, RevocationContent, RevocationList, Suite,
        validation::{
            validate_as_credential_set, validate_client_credential, validate_client_credential_request,
            validate_ds_key_set, validate_leaf_credential, validate_qs_key_set,
        },
    },
    crypto::{aead::EarKey, hpke::HpkePrivateKey, labels::Label, sign::SigningKey},
    identifiers::{
        ClientId, ClientUuid, Domain, GroupId, GroupUuid, LeafIdentity, QsClientId, UserId, UserUuid,
    },
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
    wire::{
        auth_service::{ConnectionPackage, ConnectionPackageContent},
        fan_out::{Binding, ClientQueueConfig, Notify, QueueConfig, QueueConfigContent},
        queuing_service::{KeyPackageBatch, KeyPackageBatchContent},
    },
};

const ROOT: [u8; 32] = [0x11; 32];
const INTERMEDIATE: [u8; 32] = [0x12; 32];
const CLIENT: [u8; 32] = [0x13; 32];
const LEAF: [u8; 32] = [0x14; 32];
const ATTRIBUTION: [u8; 32] = [0x15; 32];
const QS: [u8; 32] = [0x16; 32];
pub(crate) const CONFIG: [u8; 32] = [0x17; 32];
const STREAM: [u8; 32] = [0x18; 32];
pub(crate) const DS: [u8; 32] = [0x19; 32];
const OWNER: [u8; 32] = [0x1a; 32];

fn domain() -> Domain {
    "example.com".parse().unwrap()
}

fn lasting(days: u32) -> ExpirationData {
    ExpirationData::starting(NOW, DAY * days)
}

/// A chain from root to client.
pub(crate) struct Chain {
    /// The homeserver's root.
    root: AsCredential,
    /// Signed by the root.
    intermediate: AsIntermediateCredential,
    /// What the client asked for.
    request: ClientCredentialRequest,
    /// The key of the client's credential.
    pub client_key: SigningKey,
    /// The client's credential.
    pub client: ClientCredential,
}

impl Chain {
    /// The chain of all vectors.
    pub(crate) fn new() -> Self {
        let [root_key, key, client_key] = [&ROOT, &INTERMEDIATE, &CLIENT].map(SigningKey::from_bytes);
        let root = AsCredential::create(&root_key, domain(), lasting(3650));
        let intermediate = AsIntermediateCredential::create(&key, &root_key, &root, lasting(730)).unwrap();
        let client_id = ClientId {
            user_id: UserId { uuid: UserUuid([1; 16]), domain: domain() },
            uuid: ClientUuid([2; 16]),
        };
        let request = ClientCredentialRequest::create(&client_key, client_id, lasting(365));
        let validated = validate_client_credential_request(&request, &domain(), NOW).unwrap();
        let client = ClientCredential::issue(&validated, &key, &intermediate, &lasting(90)).unwrap();
        Self { root, intermediate, request, client_key, client }
    }

    fn set(&self) -> (Revocation, AsCredentialSet) {
        let key = SigningKey::from_bytes(&INTERMEDIATE);
        let signer = self.intermediate.fingerprint();
        let revocation = Revocation::create(
            &key,
            RevocationContent {
                fingerprint: crate::credentials::Fingerprint([0x99; 32]),
                revoked_at: NOW,
                expires: NOW + 90 * DAY,
                signer,
            },
        );
        let content = AsCredentialSetContent {
            domain: domain(),
            roots: vec![self.root.clone()].try_into().unwrap(),
            intermediates: vec![self.intermediate.clone()].try_into().unwrap(),
            revocations: RevocationList::create(1, vec![revocation.clone()]).unwrap(),
            issued_at: NOW,
            valid_until: NOW + DAY,
            signer,
        };
        (revocation, AsCredentialSet::create(&key, content))
    }

    /// A leaf credential with its attribution key.
    pub(crate) fn leaf(&self) -> (LeafCredential, EarKey) {
        let attribution_key = EarKey::from_bytes(ATTRIBUTION);
        let leaf = LeafCredential::create(
            &mut Random::from_seed([4; 32]),
            &SigningKey::from_bytes(&LEAF),
            &self.client_key,
            &self.client,
            &attribution_key,
            LeafIdentity([3; 16]),
            lasting(365),
        );
        (leaf.unwrap(), attribution_key)
    }
}

#[test]
fn credentials() {
    let chain = Chain::new();
    let (revocation, set) = chain.set();
    let validated = validate_as_credential_set(&set, &domain(), NOW, None).unwrap();
    let client = validate_client_credential(&chain.client, &validated, NOW).unwrap();
    let (leaf, attribution_key) = chain.leaf();
    assert!(validate_leaf_credential(&leaf, &attribution_key, &client, NOW).is_ok());
    let attribution = leaf.attribution(&attribution_key).unwrap();
    let vectors = [
        Vector::new("AsCredential")
            .bytes("private_key", &ROOT)
            .encoded("credential", &chain.root)
            .encoded("fingerprint", &chain.root.fingerprint()),
        Vector::new("AsIntermediateCredential")
            .bytes("private_key", &INTERMEDIATE)
            .encoded("credential", &chain.intermediate)
            .encoded("fingerprint", &chain.intermediate.fingerprint()),
        Vector::new("ClientCredential")
            .bytes("private_key", &CLIENT)
            .encoded("request", &chain.request)
            .encoded("credential", &chain.client)
            .encoded("fingerprint", &chain.client.fingerprint()),
        Vector::new("LeafCredential")
            .bytes("private_key", &LEAF)
            .bytes("attribution_key", &ATTRIBUTION)
            .encoded("leaf", &leaf.leaf)
            .encoded("attribution", &attribution)
            .encoded("credential", &leaf),
        Vector::new("Revocation").encoded("revocation", &revocation),
        Vector::new("AsCredentialSet").number("valid_at", NOW.milliseconds()).encoded("set", &set),
    ];
    check("credentials.json", include_str!("../../../vectors/credentials.json"), &vectors);
}

/// The configuration key that queue configurations are sealed to.
pub(crate) fn config_key() -> PublishedHpkeKey {
    PublishedHpkeKey::new(HpkePrivateKey::from_bytes(&CONFIG).unwrap().public_key(), lasting(365))
}

fn key_sets() -> [Vector; 2] {
    let [qs, ds] = [&QS, &DS].map(SigningKey::from_bytes);
    let stream = HpkePrivateKey::from_bytes(&STREAM).unwrap().public_key();
    let (issued_at, valid_until): (Timestamp, Timestamp) = (NOW, NOW + DAY);
    let qs_content = QsKeySetContent {
        domain: domain(),
        keys: vec![PublishedKey::new(qs.verifying_key(), lasting(365))].try_into().unwrap(),
        config_keys: vec![config_key()].try_into().unwrap(),
        stream_keys: vec![PublishedHpkeKey::new(stream, lasting(365))].try_into().unwrap(),
        issued_at,
        valid_until,
    };
    let ds_content = DsKeySetContent {
        domain: domain(),
        keys: vec![PublishedKey::new(ds.verifying_key(), lasting(365))].try_into().unwrap(),
        issued_at,
        valid_until,
    };
    let qs_set = QsKeySet::create(&qs, qs_content).unwrap();
    let ds_set = DsKeySet::create(&ds, ds_content).unwrap();
    assert!(validate_qs_key_set(&qs_set, &domain(), NOW).is_ok());
    assert!(validate_ds_key_set(&ds_set, &domain(), NOW).is_ok());
    [
        Vector::new("QsKeySet")
            .number("valid_at", NOW.milliseconds())
            .bytes("private_key", &QS)
            .bytes("config_private_key", &CONFIG)
            .bytes("stream_private_key", &STREAM)
            .encoded("set", &qs_set),
        Vector::new("DsKeySet")
            .number("valid_at", NOW.milliseconds())
            .bytes("private_key", &DS)
            .encoded("set", &ds_set),
    ]
}

/// A queue configuration of a client of `domain`, sealed with what is drawn from `seed`.
pub(crate) fn sealed_config(seed: [u8; 32], domain: Domain, binding: Binding) -> ClientQueueConfig {
    let content = QueueConfigContent {
        client: QsClientId([6; 16]),
        push_token_key: None,
        list_key: EarKey::from_bytes([7; 32]),
        notify: Notify::Always,
        not_after: NOW + DAY * if binding == Binding::Unbound { 60 + 90 } else { 90 },
        binding,
    };
    let owner = SigningKey::from_bytes(&OWNER);
    ClientQueueConfig::seal(&mut Random::from_seed(seed), domain, &config_key(), content, &owner).unwrap()
}

fn queue_config() -> Vector {
    let group_id = GroupId { uuid: GroupUuid([5; 16]), domain: domain() };
    let (seed, owner) = ([5; 32], SigningKey::from_bytes(&OWNER));
    let ephemeral: [u8; 32] = Random::from_seed(seed).array();
    let config = sealed_config(seed, domain(), Binding::Bound { ds_domain: domain(), group_id });
    let private = HpkePrivateKey::from_bytes(&CONFIG).unwrap();
    let plain = private.open(Label::SEAL_QUEUE_CONFIG, &encode(&domain()), &config.sealed).unwrap();
    let opened: QueueConfig = decode(&plain).unwrap();
    assert_eq!(owner.verifying_key().verify(&opened.content, &opened.signature), Ok(()));
    Vector::new("QueueConfig")
        .bytes("private_key", &OWNER)
        .bytes("config_private_key", &CONFIG)
        .bytes("queue_config", &plain)
        .bytes("ephemeral_input", &ephemeral)
        .encoded("client_queue_config", &config)
}

#[test]
fn services() {
    let chain = Chain::new();
    let qs = SigningKey::from_bytes(&QS);
    let content = KeyPackageBatchContent {
        domain: domain(),
        references: vec![[8; 32]].try_into().unwrap(),
        issued_at: NOW,
        key_id: KeyId::of(Suite::Ed25519Sha256Aes128GcmX25519, &qs.verifying_key().0),
    };
    let batch = KeyPackageBatch { signature: qs.sign(&content), content };
    let content = ConnectionPackageContent {
        credential: chain.client.clone(),
        encryption_key: HpkePrivateKey::from_bytes(&[9; 32]).unwrap().public_key(),
        expiration: lasting(30),
    };
    let package = ConnectionPackage { signature: chain.client_key.sign(&content), content };
    let [qs_set, ds_set] = key_sets();
    let vectors = [
        qs_set,
        ds_set,
        queue_config(),
        Vector::new("KeyPackageBatch").bytes("private_key", &QS).encoded("batch", &batch),
        Vector::new("ConnectionPackage").bytes("private_key", &CLIENT).encoded("package", &package),
    ];
    check("services.json", include_str!("../../../vectors/services.json"), &vectors);
}
