//! PROTOCOL.md §8.4, §11.11 — creating a group, and the MLS settings of all groups.

use openmls::prelude::{
    BasicCredential, CredentialType, Extension, ExtensionType, Extensions, ExternalSender, GroupContext,
    MlsGroup, MlsGroupJoinConfig, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProposalType,
    RequiredCapabilitiesExtension, SenderRatchetConfiguration, UnknownExtension,
};
use openmls_traits::OpenMlsProvider;
use tls_codec::Serialize;

use super::{
    error::ClientError,
    event::Event,
    leaves::NewLeaf,
    messages::seal_credential,
    shared::Shared,
    state::{Connection, Group, Member, State},
};
use crate::{
    codec::{Flag, encode},
    crypto::{aead::EarKey, sign::VerifyingKey},
    identifiers::GroupId,
    mls::{CIPHERSUITE, LEAF_CREDENTIAL_TYPE, ROLES_EXTENSION, Roles},
    wire::delivery_service::{CreateGroup, GroupAccess, RequestGroupId},
};

/// From how many past epochs messages are still decrypted: an own commit is merged as soon as its answer
/// comes, and messages that were ordered before it may arrive afterwards.
const PAST_EPOCHS: usize = 5;

/// How many messages of one sender may come out of order. The delivery service orders them, so few do.
const OUT_OF_ORDER: u32 = 32;
/// How many messages of one sender may be missing in a row: those that a gap marker stands for.
const MAX_MISSING: u32 = 10_000;

/// Returns the MLS settings with which groups are joined; [`create`] uses the same.
pub(super) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, MAX_MISSING))
        .build()
}

/// Creates a group with this client as its only member.
pub(super) async fn create(shared: &Shared, connection: Option<Connection>) -> Result<GroupId, ClientError> {
    let domain = shared.with(|state| state.config.domain.clone());
    let delivery_key = shared.delivery_key(&domain).await?;
    let to = shared.config_key().await?;
    let reserved = shared.call(&domain, &RequestGroupId {}, None).await?;
    if reserved.group_id.domain != domain {
        return Err(ClientError::Dishonest("a group id of another homeserver"));
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

/// Creates a group for the user.
pub(super) async fn create_group(shared: Shared) -> Result<(), ClientError> {
    let id = create(&shared, None).await?;
    shared.emit(Event::GroupCreated(id));
    Ok(())
}

impl State {
    /// Makes an MLS group with fresh keys.
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

/// Returns the group context's extensions: required capabilities, roles, and the delivery service as external
/// sender.
pub(super) fn context_extensions(
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

/// Encodes an MLS message.
pub(super) fn message_bytes(message: &MlsMessageOut) -> Result<Vec<u8>, ClientError> {
    message.to_bytes().map_err(ClientError::mls)
}
