//! Groups with real MLS: made, joined and committed to by the fixture's users.

use openmls::prelude::{
    CommitBuilder, CommitMessageBundle, Credential, CredentialType, Extension, ExtensionType, Extensions,
    ExternalSender, GroupContext, Initial, KeyPackage, KeyPackageIn, LeafNodeParameters, MlsGroup,
    MlsGroupJoinConfig, MlsMessageBodyIn, NewSignerBundle, OpenMlsProvider as _,
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProposalType, ProtocolVersion, RatchetTreeIn,
    RequiredCapabilitiesExtension, UnknownExtension,
};
use tls_codec::{Deserialize as _, Serialize as _};

use super::{
    fixtures::{Fixture, Sample},
    people::{Leaf, lifetime},
};
use crate::{
    codec::{Flag, List, encode},
    crypto::{
        aead::{EarCiphertext, EarKey},
        sign::SigningKey,
    },
    identifiers::LeafIdentity,
    mls::{
        CIPHERSUITE, GroupInfoUpdate, LEAF_CREDENTIAL_TYPE, ROLES_EXTENSION, Roles, capabilities,
        parse_message,
    },
    time::{DAY, Timestamp},
    wire::{
        delivery_service::{
            AddUsers, CommitData, CommitReply, CreateGroup, ExternalCommitInfo, ExternalCommitInfoReply,
            GroupAccess, JoinConnectionGroup, RequestGroupId, RequestGroupIdReply, SendMessage, UpdateClient,
        },
        envelope::Sender,
        message::Done,
        queuing_service::{GetKeyPackage, GetKeyPackageReply},
    },
};

/// A group at Alice's homeserver, as Alice has it.
pub struct Group {
    /// The group's id and key.
    pub access: GroupAccess,
    /// The leaf of Alice.
    pub leaf: Leaf,
    /// The MLS state of Alice.
    pub mls: MlsGroup,
    /// The end of the reservation of its id.
    pub reserved_until: Timestamp,
}

/// What a committer sends.
pub struct Committed {
    /// The commit, as MLS has it.
    pub commit: Vec<u8>,
    /// The Welcome, if the commit adds members.
    pub welcome: Option<Vec<u8>>,
    /// The rest of the new group information.
    pub group_info: GroupInfoUpdate,
}

impl Committed {
    fn new(bundle: &CommitMessageBundle) -> Self {
        Self {
            commit: bundle.commit().to_bytes().unwrap(),
            welcome: bundle.to_welcome_msg().map(|welcome| welcome.to_bytes().unwrap()),
            group_info: GroupInfoUpdate::from_group_info(bundle.group_info().unwrap()).unwrap(),
        }
    }
}

/// Returns what a request of the member at `leaf` is signed with.
pub fn as_leaf(leaf: u32, key: &SigningKey) -> Option<(Sender, SigningKey)> {
    Some((Sender::Leaf(leaf), key.clone()))
}

impl Group {
    /// Commits as Alice. The change stays pending until it is [merged](Self::merge).
    pub fn commit(
        &mut self,
        data: &CommitData,
        change: impl FnOnce(CommitBuilder<'_, Initial>) -> CommitBuilder<'_, Initial>,
    ) -> Committed {
        let provider = &self.leaf.provider;
        self.mls.set_aad(encode(data));
        let bundle = change(self.mls.commit_builder())
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), &self.leaf.key, |_| true)
            .unwrap()
            .stage_commit(provider)
            .unwrap();
        Committed::new(&bundle)
    }

    /// As [`commit`](Self::commit), with a leaf of another key and credential from here on.
    pub fn commit_as(&mut self, next: &Leaf, data: &CommitData, adds: Vec<KeyPackage>) -> Committed {
        let provider = &self.leaf.provider;
        self.mls.set_aad(encode(data));
        let signer = NewSignerBundle { signer: &next.key, credential_with_key: next.credential.clone() };
        let parameters = LeafNodeParameters::builder().with_capabilities(capabilities()).build();
        let bundle = self
            .mls
            .commit_builder()
            .leaf_node_parameters(parameters)
            .propose_adds(adds)
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build_with_new_signer(provider.rand(), provider.crypto(), &self.leaf.key, signer, |_| true)
            .unwrap()
            .stage_commit(provider)
            .unwrap();
        Committed::new(&bundle)
    }

    /// Drops the pending commit.
    pub fn drop_commit(&mut self) {
        self.mls.clear_pending_commit(self.leaf.provider.storage()).unwrap();
    }

    /// Merges the pending commit.
    pub fn merge(&mut self) {
        self.mls.merge_pending_commit(&self.leaf.provider).unwrap();
    }

    /// Returns a request that renews Alice's leaf.
    pub fn update(&mut self) -> Sample {
        let data = CommitData { encrypted_credentials: List::default(), friendship_package: None };
        let committed = self.commit(&data, |builder| builder.force_self_update(true));
        let body = UpdateClient {
            group: self.access.clone(),
            commit: committed.commit.try_into().unwrap(),
            group_info: committed.group_info,
        };
        Sample::new(&self.access.group_id.domain, &body, as_leaf(0, &self.leaf.key))
    }

    /// Returns a request that sends an application message of Alice's.
    pub fn message(&mut self, text: &[u8]) -> Sample {
        let message = self.mls.create_message(&self.leaf.provider, &self.leaf.key, text).unwrap();
        let message = message.to_bytes().unwrap().try_into().unwrap();
        let body = SendMessage { group: self.access.clone(), message };
        Sample::new(&self.access.group_id.domain, &body, as_leaf(0, &self.leaf.key))
    }
}

impl Fixture {
    /// Returns a group of Alice's that is not created yet, and the request that creates it.
    pub fn group_request(&mut self, awaiting_connection: Flag) -> (Group, Sample) {
        let home = self.home.clone();
        let RequestGroupIdReply { group_id, reserved_until } =
            self.answer(&Sample::new(&home, &RequestGroupId {}, None)).unwrap();
        let leaf = Leaf::new(&mut self.random, &self.alice, self.world.now);
        let mls = MlsGroup::builder()
            .ciphersuite(CIPHERSUITE)
            .with_group_id(openmls::prelude::GroupId::from_slice(&encode(&group_id)))
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .with_group_context_extensions(self.group_extensions(leaf.identity))
            .with_capabilities(capabilities())
            .lifetime(lifetime())
            .build(&leaf.provider, &leaf.key, leaf.credential.clone())
            .unwrap();
        let tree = mls.export_ratchet_tree().tls_serialize_detached().unwrap();
        let info = mls.export_group_info(leaf.provider.crypto(), &leaf.key, false).unwrap();
        let queue_config = self.alice.bound(&mut self.random, &group_id, self.world.now + 60 * DAY);
        let access = GroupAccess { group_id, group_key: EarKey::random(&mut self.random) };
        let body = CreateGroup {
            group: access.clone(),
            reserved_until,
            ratchet_tree: tree.try_into().unwrap(),
            group_info: info.to_bytes().unwrap().try_into().unwrap(),
            encrypted_credential: self.sealed(),
            queue_config,
            awaiting_connection,
        };
        let sample = Sample::new(&home, &body, as_leaf(0, &leaf.key));
        (Group { access, leaf, mls, reserved_until }, sample)
    }

    fn group_extensions(&self, admin: LeafIdentity) -> Extensions<GroupContext> {
        let service = &self.world.servers[&self.home].homeserver.keys().delivery[0].key;
        let credential = Credential::new(CredentialType::Other(LEAF_CREDENTIAL_TYPE), b"DS".to_vec());
        let sender = ExternalSender::new(service.verifying_key().0.as_slice().into(), credential);
        let roles = encode(&Roles { admins: vec![admin].try_into().unwrap() });
        Extensions::from_vec(vec![
            Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
                &[ExtensionType::Unknown(ROLES_EXTENSION)],
                &[ProposalType::SelfRemove],
                &[CredentialType::Other(LEAF_CREDENTIAL_TYPE)],
            )),
            Extension::Unknown(ROLES_EXTENSION, UnknownExtension(roles)),
            Extension::ExternalSenders(vec![sender]),
        ])
        .unwrap()
    }

    /// Returns something encrypted that only clients decrypt.
    pub fn sealed(&mut self) -> EarCiphertext {
        EarKey::random(&mut self.random).seal(&mut self.random, b"", b"for members").unwrap()
    }

    /// Creates a group with Alice as its only member.
    pub fn group(&mut self, awaiting_connection: Flag) -> Group {
        let (group, sample) = self.group_request(awaiting_connection);
        self.answer::<Done>(&sample).unwrap();
        group
    }

    /// Returns a request that adds Bob to `group`, Bob's leaf and the reference of its key package.
    pub fn add_bob(&mut self, group: &mut Group) -> (Sample, Leaf, Vec<u8>) {
        self.add_bob_with(group, |group, data, package| {
            group.commit(data, |builder| builder.force_self_update(true).propose_adds([package]))
        })
    }

    /// As [`add_bob`](Self::add_bob), with the commit that `commit` makes.
    pub fn add_bob_with(
        &mut self,
        group: &mut Group,
        commit: impl FnOnce(&mut Group, &CommitData, KeyPackage) -> Committed,
    ) -> (Sample, Leaf, Vec<u8>) {
        let bob = Leaf::new(&mut self.random, &self.bob, self.world.now);
        let (publish, _) = self.key_packages(true, &bob, 1);
        self.answer::<Done>(&publish).unwrap();
        let fetch = GetKeyPackage { user: self.bob.user, friendship_token: self.bob.friendship.clone() };
        let away = self.away.clone();
        let fetched: GetKeyPackageReply = self.answer(&Sample::new(&away, &fetch, None)).unwrap();
        let package = read_key_package(&group.leaf, fetched.packages[0].key_package.as_slice());
        let data = CommitData {
            encrypted_credentials: vec![self.sealed()].try_into().unwrap(),
            friendship_package: None,
        };
        let committed = commit(group, &data, package);
        let body = AddUsers {
            group: group.access.clone(),
            commit: committed.commit.try_into().unwrap(),
            group_info: committed.group_info,
            welcome: committed.welcome.unwrap().try_into().unwrap(),
            attributions: vec![self.sealed()].try_into().unwrap(),
            batches: vec![fetched.batch.clone()].try_into().unwrap(),
        };
        let reference = fetched.batch.content.references[0].to_vec();
        (Sample::new(&self.home, &body, as_leaf(0, &group.leaf.key)), bob, reference)
    }

    /// Creates a group of Alice and Bob. Returns it with Bob's leaf and the reference of its key package.
    pub fn shared_group(&mut self) -> (Group, Leaf, Vec<u8>) {
        let mut group = self.group(Flag::No);
        let (add, bob, reference) = self.add_bob(&mut group);
        self.answer::<CommitReply>(&add).unwrap();
        group.merge();
        (group, bob, reference)
    }

    /// Returns a request by which Bob joins `group` from outside, with nothing but its key.
    pub fn external_join(&mut self, group: &Group) -> Sample {
        let home = self.home.clone();
        let ask = ExternalCommitInfo { group: group.access.clone() };
        let info: ExternalCommitInfoReply = self.answer(&Sample::new(&home, &ask, None)).unwrap();
        let leaf = Leaf::new(&mut self.random, &self.bob, self.world.now);
        let data = CommitData {
            encrypted_credentials: vec![self.sealed()].try_into().unwrap(),
            friendship_package: None,
        };
        let MlsMessageBodyIn::GroupInfo(group_info) =
            parse_message(info.group_info.as_slice()).unwrap().extract()
        else {
            panic!("not a GroupInfo");
        };
        let mut tree = info.ratchet_tree.as_slice();
        let (_, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(RatchetTreeIn::tls_deserialize(&mut tree).unwrap())
            .with_config(
                MlsGroupJoinConfig::builder()
                    .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
                    .use_ratchet_tree_extension(false)
                    .build(),
            )
            .with_aad(encode(&data))
            .build_group(&leaf.provider, group_info, leaf.credential.clone())
            .unwrap()
            .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
            .load_psks(leaf.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(leaf.provider.rand(), leaf.provider.crypto(), &leaf.key, |_| true)
            .unwrap()
            .finalize(&leaf.provider)
            .unwrap();
        let not_after = self.world.now + 60 * DAY;
        let body = JoinConnectionGroup {
            group: group.access.clone(),
            commit: bundle.commit().to_bytes().unwrap().try_into().unwrap(),
            group_info: GroupInfoUpdate::from_group_info(bundle.group_info().unwrap()).unwrap(),
            queue_config: self.bob.bound(&mut self.random, &group.access.group_id, not_after),
        };
        Sample::new(&home, &body, None)
    }
}

/// Returns a key package as MLS has it.
fn read_key_package(leaf: &Leaf, mut bytes: &[u8]) -> KeyPackage {
    let package = KeyPackageIn::tls_deserialize(&mut bytes).unwrap();
    package.validate(leaf.provider.crypto(), ProtocolVersion::Mls10).unwrap()
}
