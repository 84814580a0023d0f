//! PROTOCOL.md §8 — reserving a group's id, and creating the group.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    commit::pseudonym,
    group::Group,
    sections::{Member, MembersSection, RestSection, Section, check_secret},
};
use crate::{
    codec::{List, encode},
    crypto::provider::MlsCrypto,
    error::Refusal,
    identifiers::{GroupId, GroupUuid, LeafIdentity},
    mls::{self, GroupInfoBytes, LeafView, Roles},
    operation::{Context, Interrupt, Lane, Transaction},
    request::{Call, Serve},
    store::{Expiring, Key, Record, RecordKind},
    time::Timestamp,
    wire::{
        delivery_service::{CreateGroup, LeafProfile, RequestGroupId, RequestGroupIdReply},
        envelope::{RequestEnvelope, Sender},
        message::Done,
    },
};

/// An id that was handed out for a group to be.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct GroupReservation {
    /// The name says the hour only.
    until: Timestamp,
}

impl Record for GroupReservation {
    type Name = Expiring<GroupUuid>;
    const KIND: RecordKind = RecordKind::GroupReservation;
}

/// `request_group_id`: reserves a fresh id for an hour.
impl Serve for RequestGroupId {
    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<RequestGroupIdReply, Interrupt> {
        call.redeem(transaction)?;
        let group_id =
            GroupId { uuid: GroupUuid(transaction.random().array()), domain: transaction.domain().clone() };
        let reserved_until = transaction.now() + transaction.config().times.group_reservation;
        transaction.put(
            &Expiring { hour: reserved_until.hour(), name: group_id.uuid },
            &GroupReservation { until: reserved_until },
        );
        Ok(RequestGroupIdReply { group_id, reserved_until })
    }
}

/// `create_group`: under a reserved id, with the creator as its only member and first admin.
impl Serve for CreateGroup {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let body = call.body;
        let id = &body.group.group_id;
        body.queue_config.check_length()?;
        check_secret(&body.encrypted_credential)?;
        if id.domain != *transaction.domain() {
            return Err(Refusal::NotReserved.into());
        }
        let reservation = Expiring { hour: body.reserved_until.hour(), name: id.uuid };
        let now = transaction.now();
        transaction.load([Key::of::<GroupReservation>(&reservation), Group::row(id)])?;
        let reserved = transaction.get::<GroupReservation>(&reservation)?.is_some_and(|row| row.until >= now);
        if !reserved || Group::exists(transaction, id)? {
            return Err(Refusal::NotReserved.into());
        }
        // The whole state is validated last: it costs many times what a stranger's request may cost.
        authenticate(transaction, call)?;
        call.redeem(transaction)?;
        let (state, group_info, leaf) = validated_state(transaction, body)?;
        transaction.delete::<GroupReservation>(&reservation);
        let identity = check_creator(transaction.context(), body, &state, &leaf)?;
        let mut group = Group::new(&body.group, body.awaiting_connection, transaction.context());
        let member = Member {
            leaf: 0,
            identity,
            key: leaf.signature_key,
            queue_config: body.queue_config.clone(),
            active: transaction.now().month(),
        };
        let profile = LeafProfile { leaf: 0, encrypted_credential: body.encrypted_credential.clone() };
        let members = MembersSection { epoch: 0, roles: roles(&state), members: one(member) };
        let group_info = group_info.into_vec().try_into().map_err(|_| Refusal::InvalidGroupState)?;
        let rest = RestSection { group_info, credentials: one(profile), past: List::default() };
        group.write_tree(transaction, &state)?;
        group.write(transaction, Section::Members, &members)?;
        group.write(transaction, Section::Rest, &rest)?;
        group.save(transaction);
        Ok(Done)
    }
}

/// The creator signs with the key of the tree's only leaf, which it is found to hold by this.
fn authenticate(transaction: &mut Transaction<'_>, call: &Call<'_, CreateGroup>) -> Result<(), Refusal> {
    if call.sender()? != &Sender::Leaf(0) {
        return Err(Refusal::Unauthenticated);
    }
    let key = mls::only_leaf_key(call.body.ratchet_tree.as_slice());
    call.authenticate(transaction, &key.map_err(|_| Refusal::InvalidGroupState)?)
}

/// The MLS state that the creator sent, and its own leaf in it.
fn validated_state(
    transaction: &mut Transaction<'_>,
    body: &CreateGroup,
) -> Result<(mls::GroupState, GroupInfoBytes, LeafView), Refusal> {
    let crypto = MlsCrypto::with_memo(transaction.random().array(), transaction.homeserver().hash_memo());
    let (tree, group_info) = (body.ratchet_tree.as_slice(), body.group_info.as_slice());
    let (state, group_info) =
        mls::GroupState::create(&crypto, tree, group_info).map_err(|_| Refusal::InvalidGroupState)?;
    state.check_fresh().map_err(|_| Refusal::InvalidGroupState)?;
    if state.group_id() != encode(&body.group.group_id) {
        return Err(Refusal::InvalidGroupState);
    }
    let leaf = state.leaf(0).ok_or(Refusal::InvalidGroupState)?;
    Ok((state, group_info, leaf))
}

/// The creator is a client of ours, an admin, and lets this delivery service propose removals.
fn check_creator(
    context: &Context,
    body: &CreateGroup,
    state: &mls::GroupState,
    leaf: &LeafView,
) -> Result<LeafIdentity, Refusal> {
    let identity = pseudonym(context, &leaf.credential, &leaf.signature_key)?;
    if !roles(state).is_admin(&identity) {
        return Err(Refusal::InvalidGroupState);
    }
    let senders = state.external_senders();
    let ours = |key: &[u8]| context.keys().delivery.iter().any(|known| known.key.verifying_key().0 == *key);
    if !senders.first().is_some_and(|sender| ours(&sender.signature_key)) {
        return Err(Refusal::InvalidGroupState);
    }
    if body.queue_config.domain != *context.domain() {
        return Err(Refusal::InvalidQueueConfig);
    }
    Ok(identity)
}

fn roles(state: &mls::GroupState) -> Roles {
    Roles::read(state.roles().as_deref())
}

fn one<T, const MAX: usize>(value: T) -> List<T, MAX> {
    let mut list = List::default();
    let _ = list.push(value);
    list
}
