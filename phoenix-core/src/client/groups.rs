//! PROTOCOL.md §8.4, §11.11 — creating a group, and the MLS settings of all groups.

use openmls::prelude::{
    BasicCredential, CredentialType, Extension, ExtensionType, Extensions, ExternalSender, GroupContext,
    MlsGroup, MlsGroupJoinConfig, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProposalType,
    RequiredCapabilitiesExtension, SenderRatchetConfiguration, UnknownExtension,
};
use openmls_traits::OpenMlsProvider;
use tls_codec::{Serialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    error::ClientError,
    event::Event,
    exchange::{Body, Patience},
    leaves::NewLeaf,
    messages::seal_credential,
    pass::{Interrupt, Pass},
    state::{Connection, Group, Identity, Intent, Member, Note, State, mls_group_id},
};
use crate::{
    codec::{Flag, decode, encode},
    crypto::{aead::EarKey, sign::VerifyingKey},
    identifiers::{GroupId, UserId},
    mls::{CIPHERSUITE, LEAF_CREDENTIAL_TYPE, ROLES_EXTENSION, Roles},
    time::Timestamp,
    wire::{
        delivery_service::{CreateGroup, GroupAccess, RequestGroupId},
        envelope::Sender,
    },
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

/// A group that is made and not created yet: its MLS state is stored.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct NewGroup {
    group: Group,
    /// This client, as its only member.
    own: Member,
}

/// Creates a group with this client as its only member. `asked` is the user whom the connection is asked of
/// that the group is for.
pub(super) fn create(pass: &mut Pass<'_>, asked: Option<&UserId>) -> Result<GroupId, Interrupt> {
    let domain = pass.state().config.domain.clone();
    let delivery_key = pass.delivery_key(&domain)?;
    if !pass.is_repeated() {
        pass.config_key()?;
    }
    let reserved = pass.call(&domain, Patience::Window, |_, _| Ok(Body::unsigned(RequestGroupId {})))?;
    if reserved.group_id.domain != domain {
        return Err(ClientError::dishonest("a group id of another homeserver").into());
    }
    let id = reserved.group_id;
    let (new, body) = pass.once(NEW_GROUP, |state| {
        let reserved_until = reserved.reserved_until;
        state.new_group(&id, reserved_until, &delivery_key, asked)
    })?;
    let creator = Identity { sender: Sender::Leaf(0), key: new.group.leaf_key.clone() };
    pass.call(&domain, Patience::Window, |_, _| Ok(Body::signed(body, creator)))?;
    pass.once(CREATED, |state| {
        state.enter_group(&id, new.group, vec![new.own], None)?;
        state.enter_epoch(&id)
    })?;
    Ok(id)
}

/// The note of an intent that has made a group, and not entered it.
const NEW_GROUP: &str = "new group";

/// The note of an intent that has entered the group that it made.
const CREATED: &str = "created";

/// Forgets the MLS state of a group that an intent made and did not enter.
pub(super) fn forget_unfinished(state: &mut State, intent: &Intent) {
    let noted = |wanted: &str| {
        intent.notes.iter().find_map(|note| match note {
            Note::Made { label, value } if label.as_slice() == wanted.as_bytes() => Some(value),
            Note::Made { .. } | Note::Call(_) | Note::Answered { .. } => None,
        })
    };
    let Some(value) = noted(NEW_GROUP).filter(|_| noted(CREATED).is_none()) else { return };
    let Ok((_, body)) = decode::<(NewGroup, CreateGroup)>(value.as_slice()) else { return };
    // Nothing else can be done if the state is damaged.
    let _ = state.forget_group(&body.group.group_id);
}

/// Creates a group for the user.
pub(super) fn create_group(pass: &mut Pass<'_>) -> Result<(), Interrupt> {
    let (intent, group) = (pass.id(), create(pass, None)?);
    pass.once("told", |state| {
        state.emit(Event::GroupCreated { intent, group });
        Ok(())
    })
}

impl State {
    /// Makes an MLS group with fresh keys, and what creates it at the delivery service.
    fn new_group(
        &mut self,
        id: &GroupId,
        reserved_until: Timestamp,
        delivery_key: &VerifyingKey,
        asked: Option<&UserId>,
    ) -> Result<(NewGroup, CreateGroup), ClientError> {
        let leaf = self.new_leaf()?;
        let identity = leaf.credential.leaf.payload.identity;
        let mls = self.new_mls_group(id, &leaf, delivery_key)?;
        let group = Group {
            leaf_key: leaf.key.clone(),
            group_key: EarKey::random(&mut self.random),
            credential_key: EarKey::random(&mut self.random),
            connection: asked.cloned().map(Connection::Asked),
        };
        let credential = self.member_credential(leaf.attribution_key.clone())?;
        let group_info = mls.export_group_info(self.provider.crypto(), &leaf.key, false);
        let group_info = message_bytes(&group_info.map_err(ClientError::mls)?)?;
        let tree = mls.export_ratchet_tree().tls_serialize_detached().map_err(ClientError::mls)?;
        let to = self.own_config_key()?;
        let body = CreateGroup {
            group: GroupAccess { group_id: id.clone(), group_key: group.group_key.clone() },
            reserved_until,
            ratchet_tree: tree.try_into()?,
            group_info: group_info.try_into()?,
            encrypted_credential: seal_credential(
                &mut self.random,
                &group.credential_key,
                id,
                &identity,
                &credential,
            )?,
            queue_config: self.bound_config(&to, id)?,
            awaiting_connection: Flag::from(asked.is_some()),
        };
        self.mls_groups.insert(id.clone(), mls);
        Ok((NewGroup { group, own: Member { identity, credential } }, body))
    }

    fn new_mls_group(
        &mut self,
        id: &GroupId,
        leaf: &NewLeaf,
        delivery_key: &VerifyingKey,
    ) -> Result<MlsGroup, ClientError> {
        let roles = Roles { admins: vec![leaf.credential.leaf.payload.identity].try_into()? };
        MlsGroup::builder()
            .ciphersuite(CIPHERSUITE)
            .with_group_id(mls_group_id(id))
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .max_past_epochs(PAST_EPOCHS)
            .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, MAX_MISSING))
            .with_group_context_extensions(context_extensions(id, &roles, delivery_key)?)
            .with_capabilities(Self::capabilities())
            .lifetime(self.lifetime())
            .build(&self.provider, &leaf.key, leaf.for_mls())
            .map_err(ClientError::mls)
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
