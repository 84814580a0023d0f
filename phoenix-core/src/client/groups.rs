//! PROTOCOL.md §8, §11 — a group as its member holds it, and creating one.

use std::collections::BTreeMap;

use openmls::prelude::{
    BasicCredential, CredentialType, Extension, ExtensionType, Extensions, ExternalSender, GroupContext,
    MlsGroup, MlsGroupJoinConfig, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProposalType,
    RequiredCapabilitiesExtension, SenderRatchetConfiguration, UnknownExtension,
};
use openmls_traits::OpenMlsProvider;
use tls_codec::Serialize;

use super::{
    ClientError, Event, GroupView, TaskId,
    account::NewLeaf,
    messages::{leaf_credential, seal_credential},
    state::{Identity, Shared, State},
};
use crate::{
    codec::{Flag, encode},
    credentials::MemberCredential,
    crypto::{
        aead::EarKey,
        sign::{SigningKey, VerifyingKey},
    },
    identifiers::{GroupId, LeafIdentity, RequestId, UserId},
    mls::{CIPHERSUITE, LEAF_CREDENTIAL_TYPE, ROLES_EXTENSION, Roles},
    wire::{
        delivery_service::{AddUsers, CreateGroup, GroupAccess, RequestGroupId, UpdateClient},
        envelope::Sender,
    },
};

/// A group that the client is in.
pub(super) struct Group {
    pub id: GroupId,
    pub mls: MlsGroup,
    pub leaf_key: SigningKey,
    pub group_key: EarKey,
    pub credential_key: EarKey,
    /// By leaf.
    pub members: BTreeMap<u32, Member>,
    /// Everybody who ever was a member, by leaf identity.
    pub names: BTreeMap<LeafIdentity, UserId>,
    pub last_position: Option<u64>,
    pub healthy: bool,
    /// A commit of ours that was made and is neither known to be ordered nor to be refused.
    pub pending: Option<PendingCommit>,
    /// Whether the last commit of ours was merged.
    pub merged: bool,
    /// Messages of ours that are not known to be ordered.
    pub unconfirmed: BTreeMap<RequestId, Unconfirmed>,
    /// What the group is for, if it is a connection's.
    pub connection: Option<Connection>,
}

/// Who a connection's group connects with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Connection {
    /// This user was asked, and has not joined yet.
    Asked(UserId),
    /// Both are in.
    Made,
}

/// A member, its chain of credentials verified.
#[derive(Clone)]
pub(super) struct Member {
    pub identity: LeafIdentity,
    pub credential: MemberCredential,
}

impl Member {
    /// Whose leaf it is.
    pub fn user(&self) -> &UserId {
        &self.credential.client_credential.client_id().user_id
    }
}

/// A commit on its way.
pub(super) struct PendingCommit {
    pub request: CommitRequest,
    /// Who joins by it.
    pub added: Vec<Member>,
    /// The requests that it was sent in.
    pub requests: Vec<RequestId>,
}

/// A commit as it is sent.
#[derive(Clone)]
pub(super) enum CommitRequest {
    AddUsers(AddUsers),
    Update(UpdateClient),
}

/// A message on its way.
#[derive(Clone)]
pub(super) struct Unconfirmed {
    pub task: TaskId,
    pub text: Vec<u8>,
}

/// How many epochs back messages are still read: own commits are merged as soon as they are acknowledged, and
/// what was ordered before may follow.
const PAST_EPOCHS: usize = 5;

/// Messages that may come out of order, and be missing, of one sender. The order is the group's own; missing are
/// those that a gap marker stands for.
const OUT_OF_ORDER: u32 = 32;
const MAX_MISSING: u32 = 10_000;

/// The settings of all groups.
pub(super) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, MAX_MISSING))
        .build()
}

impl Group {
    /// A group that was just created or joined.
    pub fn new(access: GroupAccess, credential_key: EarKey, mls: MlsGroup, leaf_key: SigningKey) -> Self {
        Self {
            id: access.group_id,
            mls,
            leaf_key,
            group_key: access.group_key,
            credential_key,
            members: BTreeMap::new(),
            names: BTreeMap::new(),
            last_position: None,
            healthy: true,
            pending: None,
            merged: false,
            unconfirmed: BTreeMap::new(),
            connection: None,
        }
    }

    pub fn access(&self) -> GroupAccess {
        GroupAccess { group_id: self.id.clone(), group_key: self.group_key.clone() }
    }

    /// How the client signs as a member.
    pub fn identity(&self) -> Identity {
        let sender = Sender::Leaf(self.mls.own_leaf_index().u32());
        Identity { sender, key: self.leaf_key.clone() }
    }

    pub fn epoch(&self) -> u64 {
        self.mls.epoch().as_u64()
    }

    /// Whether the delivery service has proposed what must be committed first.
    pub fn has_proposals(&self) -> bool {
        self.mls.has_pending_proposals()
    }

    pub fn is_member(&self, user: &UserId) -> bool {
        self.members.values().any(|member| member.user() == user)
    }

    /// Rebuilds the list of members from the tree, after a commit; `added` are those that are new.
    pub fn refresh_members(&mut self, added: Vec<Member>) {
        let old = std::mem::take(&mut self.members).into_values();
        // Those that are new win over those of the same identity: a credential may have been renewed.
        let known: BTreeMap<LeafIdentity, Member> =
            old.chain(added).map(|member| (member.identity, member)).collect();
        for leaf in self.mls.members() {
            let Ok(credential) = leaf_credential(leaf.credential.serialized_content()) else { continue };
            if let Some(member) = known.get(&credential.leaf.payload.identity) {
                self.names.insert(member.identity, member.user().clone());
                self.members.insert(leaf.index.u32(), member.clone());
            }
        }
    }

    pub fn epoch_changed(&self) -> Event {
        Event::EpochChanged {
            group: self.id.clone(),
            epoch: self.epoch(),
            authenticator: self.mls.epoch_authenticator().as_slice().to_vec(),
        }
    }

    pub fn view(&self) -> GroupView {
        GroupView {
            group_id: self.id.clone(),
            epoch: self.epoch(),
            members: self.members.values().map(|member| member.user().clone()).collect(),
            epoch_authenticator: self.mls.epoch_authenticator().as_slice().to_vec(),
            healthy: self.healthy,
            last_position: self.last_position,
            connection: self.connection.is_some(),
        }
    }
}

/// Creates a group with this client as its only member.
pub(super) async fn create(shared: &Shared, connection: Option<Connection>) -> Result<GroupId, ClientError> {
    let domain = shared.with(|state| state.config.domain.clone());
    let delivery_key = shared.delivery_key(&domain).await?;
    let to = shared.config_key().await?;
    let reserved = shared.call(&domain, &RequestGroupId {}, None).await?;
    if reserved.group_id.domain != domain {
        return Err(ClientError::Dishonest("a group of another homeserver"));
    }
    let id = reserved.group_id;
    let (group, leaf) = shared.with(|state| state.new_group(&id, &delivery_key))?;
    let identity = group.identity();
    let body = shared.with(|state| {
        let identity = leaf.credential.leaf.payload.identity;
        let credential = state.member_credential(leaf.attribution_key.clone())?;
        let group_info = group.mls.export_group_info(state.provider.crypto(), &leaf.key, false);
        let group_info = message_bytes(&group_info.map_err(ClientError::mls)?)?;
        let tree = group.mls.export_ratchet_tree().tls_serialize_detached().map_err(ClientError::mls)?;
        Ok::<_, ClientError>(CreateGroup {
            group: group.access(),
            reserved_until: reserved.reserved_until,
            ratchet_tree: tree.try_into()?,
            group_info: group_info.try_into()?,
            encrypted_credential: seal_credential(
                &mut state.random,
                &group.credential_key,
                &id,
                &identity,
                &credential,
            )?,
            queue_config: state.bound_config(&to, &id)?,
            awaiting_connection: Flag::from(connection.is_some()),
        })
    })?;
    shared.call(&domain, &body, Some(&identity)).await?;
    shared.with(|state| {
        let credential = state.member_credential(leaf.attribution_key.clone())?;
        let mut group = group;
        group.refresh_members(vec![Member { identity: leaf.credential.leaf.payload.identity, credential }]);
        group.connection = connection;
        state.inboxes.entry(id.clone()).or_default();
        let changed = group.epoch_changed();
        state.groups.insert(id.clone(), group);
        state.emit(changed);
        Ok(id)
    })
}

/// The user's wish for a group.
pub(super) async fn create_group(shared: Shared) -> Result<(), ClientError> {
    let id = create(&shared, None).await?;
    shared.emit(Event::GroupCreated(id));
    Ok(())
}

impl State {
    /// A new MLS group with fresh keys.
    fn new_group(
        &mut self,
        id: &GroupId,
        delivery_key: &VerifyingKey,
    ) -> Result<(Group, NewLeaf), ClientError> {
        let leaf = self.new_leaf()?;
        let roles = Roles { admins: vec![leaf.credential.leaf.payload.identity].try_into()? };
        let mls = MlsGroup::builder()
            .ciphersuite(CIPHERSUITE)
            .with_group_id(openmls::group::GroupId::from_slice(&encode(id)))
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .max_past_epochs(PAST_EPOCHS)
            .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, MAX_MISSING))
            .with_group_context_extensions(context_extensions(id, &roles, delivery_key)?)
            .with_capabilities(Self::capabilities())
            .lifetime(self.lifetime())
            .build(&self.provider, &leaf.key, leaf.for_mls())
            .map_err(ClientError::mls)?;
        let access = GroupAccess { group_id: id.clone(), group_key: EarKey::random(&mut self.random) };
        let group = Group::new(access, EarKey::random(&mut self.random), mls, leaf.key.clone());
        Ok((group, leaf))
    }
}

/// What holds for all members: required capabilities, roles, and the delivery service as external sender.
fn context_extensions(
    id: &GroupId,
    roles: &Roles,
    delivery_key: &VerifyingKey,
) -> Result<Extensions<GroupContext>, ClientError> {
    let sender = BasicCredential::new(id.domain.as_str().as_bytes().to_vec());
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(ROLES_EXTENSION)],
        &[ProposalType::SelfRemove],
        &[CredentialType::Other(LEAF_CREDENTIAL_TYPE)],
    );
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        Extension::Unknown(ROLES_EXTENSION, UnknownExtension(encode(roles))),
        Extension::ExternalSenders(vec![ExternalSender::new(
            delivery_key.0.as_slice().into(),
            sender.into(),
        )]),
    ])
    .map_err(ClientError::mls)
}

/// The encoding of an MLS message.
pub(super) fn message_bytes(message: &MlsMessageOut) -> Result<Vec<u8>, ClientError> {
    message.to_bytes().map_err(ClientError::mls)
}
