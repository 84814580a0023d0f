//! PROTOCOL.md §8.4 — test vectors of MLS objects as groups here have them (`phoenix-core/vectors`): key
//! packages, a group that is created, a commit of its member, an external commit.
//!
//! openmls compares lifetimes with the system's clock. The group's creator has a leaf without an end, so that
//! all of the group stands validation at any time. Key packages cannot have that: those of the vectors are
//! checked up to the lifetime, which openmls looks at last, and the same with another lifetime in full.

use openmls::prelude::{
    CommitMessageBundle, Credential, Extension, Extensions, KeyPackage, LeafNodeParameters, Lifetime,
    MlsGroup, MlsMessageBodyIn, OpenMlsProvider as _, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
    ProcessedMessageContent, RatchetTreeIn, UnknownExtension,
};
use tls_codec::{Deserialize as _, Serialize as _};

use super::super::{
    groups::{context_extensions, join_config},
    leaves::NewLeaf,
    messages::{FriendshipPackage, friendship_package_binding, seal_credential},
};
use crate::{
    codec::{List, encode},
    credentials::{LeafCredential, MemberCredential},
    crypto::{
        aead::{EarCiphertext, EarKey},
        provider::MlsCrypto,
        sign::SigningKey,
    },
    identifiers::{GroupId, GroupUuid, LeafIdentity, QsUserId},
    mls::{
        CIPHERSUITE, GroupInfoUpdate, GroupInfoView, GroupState, KeyPackageError, KeyPackageView,
        MlsProvider, MlsRecords, QUEUE_CONFIG_EXTENSION, RatchetTree, Roles, capabilities,
        key_package_reference, parse_message, validate_key_package,
    },
    rng::Random,
    testing::{
        people::lifetime,
        vectors::{
            NOW, Vector, check,
            credentials::{Chain, DS, sealed_config},
        },
    },
    time::{DAY, ExpirationData, HOUR},
    wire::{
        delivery_service::CommitData,
        fan_out::{Binding, ClientQueueConfig},
        queuing_service::FriendshipToken,
    },
};

const FRIENDSHIP: EarKey = EarKey::from_bytes([0x31; 32]);
const CREDENTIAL: EarKey = EarKey::from_bytes([0x33; 32]);

fn group_id() -> GroupId {
    GroupId { uuid: GroupUuid([5; 16]), domain: "example.com".parse().unwrap() }
}

/// A leaf of the one client of all vectors, whose keys and identity are `number`.
fn leaf(chain: &Chain, number: u8) -> NewLeaf {
    let (key, attribution_key) = (SigningKey::from_bytes(&[number; 32]), EarKey::from_bytes([number; 32]));
    let credential = LeafCredential::create(
        &mut Random::from_seed([number; 32]),
        &key,
        &chain.client_key,
        &chain.client,
        &attribution_key,
        LeafIdentity([number; 16]),
        ExpirationData::starting(NOW, 365 * DAY),
    );
    NewLeaf { key, credential: credential.unwrap(), attribution_key }
}

fn provider(leaf: &NewLeaf) -> MlsProvider {
    MlsProvider::new(MlsCrypto::new(*leaf.key.to_bytes()), MlsRecords::default())
}

/// What members say to each other about a leaf.
fn encrypted_credential(chain: &Chain, leaf: &NewLeaf) -> EarCiphertext {
    let member = MemberCredential {
        client_credential: chain.client.clone(),
        attribution_key: leaf.attribution_key.clone(),
    };
    let identity = &leaf.credential.leaf.payload.identity;
    seal_credential(&mut Random::from_seed([1; 32]), &CREDENTIAL, &group_id(), identity, &member).unwrap()
}

fn key_package(leaf: &NewLeaf, config: &ClientQueueConfig, lifetime: Lifetime, last_resort: bool) -> Vec<u8> {
    let extension = Extension::Unknown(QUEUE_CONFIG_EXTENSION, UnknownExtension(encode(config)));
    let mut builder = KeyPackage::builder()
        .leaf_node_capabilities(capabilities())
        .key_package_lifetime(lifetime)
        .key_package_extensions(Extensions::single(extension).unwrap());
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let bundle = builder.build(CIPHERSUITE, &provider(leaf), &leaf.key, leaf.for_mls()).unwrap();
    bundle.key_package().tls_serialize_detached().unwrap()
}

fn validated(package: &[u8], seconds: u64) -> Result<KeyPackageView, KeyPackageError> {
    validate_key_package(&MlsCrypto::new([0xD5; 32]), package, seconds)
}

fn key_package_vector(chain: &Chain, name: &str, number: u8, last_resort: bool) -> Vector {
    let leaf = leaf(chain, number);
    let config = sealed_config([number; 32], group_id().domain, Binding::Unbound);
    let now = lifetime();
    let view = validated(&key_package(&leaf, &config, now, last_resort), now.not_before()).unwrap();
    assert_eq!((view.queue_config, view.last_resort), (encode(&config), last_resort));
    assert_eq!(view.credential, encode(&leaf.credential));

    let times = Lifetime::init((NOW - HOUR).seconds(), (NOW + 60 * DAY).seconds());
    let package = key_package(&leaf, &config, times, last_resort);
    let reference = key_package_reference(&MlsCrypto::new([0xD5; 32]), &package).unwrap();
    match validated(&package, NOW.seconds()) {
        Ok(view) => assert_eq!(view.reference, reference),
        Err(KeyPackageError::Invalid(reason)) => assert!(reason.starts_with("Lifetime "), "{reason}"),
        Err(error) => panic!("{error}"),
    }
    let credential: Credential = leaf.for_mls().credential;
    Vector::new(name)
        .bytes("leaf_private_key", leaf.key.to_bytes().as_slice())
        .bytes("mls_credential", &credential.tls_serialize_detached().unwrap())
        .encoded("queue_config", &config)
        .bytes("key_package", &package)
        .bytes("reference", &reference)
}

/// The delivery service's view of the group.
struct Service {
    crypto: MlsCrypto,
    state: GroupState,
}

impl Service {
    fn tree(&self) -> Vec<u8> {
        self.state.export_tree()
    }

    /// Accepts a commit: what was sent, and the group after it.
    fn accept(&mut self, name: &str, data: &CommitData, bundle: &CommitMessageBundle) -> Vector {
        let commit = bundle.commit().to_bytes().unwrap();
        let update = GroupInfoUpdate::from_group_info(bundle.group_info().unwrap()).unwrap();
        let change = self.state.stage_commit(&self.crypto, &commit, &update).unwrap();
        let group_info = change.summary().group_info.as_slice().to_vec();
        assert_eq!(change.summary().authenticated_data, encode(data));
        self.state.merge(change).unwrap();
        assert_eq!(GroupInfoUpdate::from_bytes(&group_info).as_ref(), Ok(&update));
        let vector = Vector::new(name).encoded("commit_data", data).bytes("commit", &commit);
        self.group(vector.encoded("group_info_update", &update), &group_info)
    }

    fn group(&self, vector: Vector, group_info: &[u8]) -> Vector {
        let tree_hash = RatchetTree::from_bytes(&self.tree()).unwrap().tree_hash();
        let view = GroupInfoView::from_bytes(group_info).unwrap();
        assert_eq!((view.tree_hash.as_slice(), view.epoch), (tree_hash.as_slice(), self.state.epoch()));
        vector
            .bytes("group_info", group_info)
            .bytes("ratchet_tree", &self.tree())
            .bytes("tree_hash", &tree_hash)
    }
}

/// Commits a new path, with nothing in it that the members do not know.
fn update(mls: &mut MlsGroup, provider: &MlsProvider, key: &SigningKey) -> (CommitData, CommitMessageBundle) {
    let data = CommitData { encrypted_credentials: List::default(), friendship_package: None };
    mls.set_aad(encode(&data));
    let builder = mls.commit_builder().force_self_update(true);
    let bundle = builder
        .load_psks(provider.storage())
        .unwrap()
        .create_group_info(true)
        .use_ratchet_tree_extension(false)
        .build(provider.rand(), provider.crypto(), key, |_| true)
        .unwrap()
        .stage_commit(provider)
        .unwrap();
    (data, bundle)
}

/// Joins by external commit.
fn join(
    chain: &Chain,
    leaf: &NewLeaf,
    group_info: &[u8],
    mut tree: &[u8],
) -> (MlsGroup, CommitData, CommitMessageBundle) {
    let token = FriendshipToken(EarKey::from_bytes([0x34; 32]));
    let friendship = encode(&FriendshipPackage { user: QsUserId([6; 16]), token, key: FRIENDSHIP });
    let binding = friendship_package_binding(&group_id());
    let friendship = CREDENTIAL.seal(&mut Random::from_seed([2; 32]), &binding, &friendship).unwrap();
    let data = CommitData {
        encrypted_credentials: vec![encrypted_credential(chain, leaf)].try_into().unwrap(),
        friendship_package: Some(friendship),
    };
    let MlsMessageBodyIn::GroupInfo(group_info) = parse_message(group_info).unwrap().extract() else {
        panic!("not a GroupInfo");
    };
    let provider = provider(leaf);
    let (mls, bundle) = MlsGroup::external_commit_builder()
        .with_ratchet_tree(RatchetTreeIn::tls_deserialize(&mut tree).unwrap())
        .with_config(join_config())
        .with_aad(encode(&data))
        .build_group(&provider, group_info, leaf.for_mls())
        .unwrap()
        .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
        .load_psks(provider.storage())
        .unwrap()
        .create_group_info(true)
        .use_ratchet_tree_extension(false)
        .build(provider.rand(), provider.crypto(), &leaf.key, |_| true)
        .unwrap()
        .finalize(&provider)
        .unwrap();
    (mls, data, bundle)
}

/// A group from its creation to its second member.
fn group(chain: &Chain) -> [Vector; 4] {
    let (creator, joiner) = (leaf(chain, 0x43), leaf(chain, 0x44));
    let roles = Roles { admins: vec![creator.credential.leaf.payload.identity].try_into().unwrap() };
    let delivery_key = SigningKey::from_bytes(&DS).verifying_key();
    let extensions = context_extensions(&group_id(), &roles, &delivery_key).unwrap();
    let senders = extensions.external_senders().unwrap();
    let context = Vector::new("group context extensions")
        .encoded("roles", &roles)
        .bytes("external_senders", &senders.tls_serialize_detached().unwrap())
        .bytes("extensions", &extensions.tls_serialize_detached().unwrap());
    let at_creator = provider(&creator);
    let mut mls = MlsGroup::builder()
        .ciphersuite(CIPHERSUITE)
        .with_group_id(openmls::group::GroupId::from_slice(&encode(&group_id())))
        .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .with_group_context_extensions(extensions)
        .with_capabilities(capabilities())
        .lifetime(Lifetime::init(0, u64::MAX))
        .build(&at_creator, &creator.key, creator.for_mls())
        .unwrap();
    let tree = mls.export_ratchet_tree().tls_serialize_detached().unwrap();
    let group_info = mls.export_group_info(at_creator.crypto(), &creator.key, false).unwrap();
    let group_info = group_info.to_bytes().unwrap();
    let crypto = MlsCrypto::new([0xD5; 32]);
    let (state, _) = GroupState::create(&crypto, &tree, &group_info).unwrap();
    state.check_fresh().unwrap();
    let mut service = Service { crypto, state };
    let created = Vector::new("new group").bytes("leaf_private_key", creator.key.to_bytes().as_slice());
    let created = service.group(created, &group_info);

    let (data, bundle) = update(&mut mls, &at_creator, &creator.key);
    let updated = service.accept("update_client", &data, &bundle);
    mls.merge_pending_commit(&at_creator).unwrap();

    let group_info = mls.export_group_info(at_creator.crypto(), &creator.key, false).unwrap();
    let (joined, data, bundle) = join(chain, &joiner, &group_info.to_bytes().unwrap(), &service.tree());
    let commit = parse_message(&bundle.commit().to_bytes().unwrap()).unwrap();
    let processed = mls.process_message(&at_creator, commit.try_into_protocol_message().unwrap()).unwrap();
    let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
        panic!("not a commit");
    };
    mls.merge_staged_commit(&at_creator, *staged).unwrap();
    assert_eq!(mls.epoch_authenticator().as_slice(), joined.epoch_authenticator().as_slice());
    let joined = service
        .accept("join_connection_group", &data, &bundle)
        .bytes("leaf_private_key", joiner.key.to_bytes().as_slice())
        .encoded("credential_key", &CREDENTIAL)
        .bytes("epoch_authenticator", mls.epoch_authenticator().as_slice());
    [context, created, updated, joined]
}

#[test]
fn key_packages_and_a_group() {
    let chain = Chain::new();
    let packages = [
        key_package_vector(&chain, "key package", 0x41, false),
        key_package_vector(&chain, "key package, last resort", 0x42, true),
    ];
    let vectors: Vec<_> = packages.into_iter().chain(group(&chain)).collect();
    check("mls.json", include_str!("../../../vectors/mls.json"), &vectors);
}
