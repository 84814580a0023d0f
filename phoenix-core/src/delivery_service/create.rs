//! PROTOCOL.md §8, Creating a group — reserving its id, and creating it with its creator as the only member
//! and first admin.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    group::Group,
    roster::{Leaf, Roster},
    sections::{Member, MembersSection, RestSection, check_secret_length},
};
use crate::{
    codec::{List, encode},
    config::Plant,
    crypto::provider::MlsCrypto,
    error::Refusal,
    identifiers::{GroupId, GroupUuid, LeafIdentity},
    mls::{self, GroupInfoBytes, LeafView, Roles},
    operation::{Context, Interrupt, Lane, Transaction},
    request::{Call, Serve},
    store::{Expiring, Key, Record, RecordKind},
    time::{Month, Timestamp},
    wire::{
        delivery_service::{CreateGroup, LeafProfile, RequestGroupId, RequestGroupIdReply},
        envelope::{RequestEnvelope, Sender},
        message::Done,
    },
};

/// An id that was drawn for a group that does not exist yet.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct GroupReservation {
    /// The end of the reservation, to the millisecond: the row's name gives the hour only.
    until: Timestamp,
}

impl Record for GroupReservation {
    type Name = Expiring<GroupUuid>;
    const KIND: RecordKind = RecordKind::GroupReservation;
}

/// Draws an id of this domain and reserves it for the time that the settings say (an hour).
impl Serve for RequestGroupId {
    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<RequestGroupIdReply, Interrupt> {
        call.redeem(transaction)?;
        let group_id =
            GroupId { uuid: GroupUuid::random(transaction.random()), domain: transaction.domain().clone() };
        let reserved_until = transaction.now() + transaction.config().times.group_reservation;
        transaction.put(
            &Expiring { hour: reserved_until.hour(), name: group_id.uuid },
            &GroupReservation { until: reserved_until },
        );
        Ok(RequestGroupIdReply { group_id, reserved_until })
    }
}

impl Serve for CreateGroup {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let body = call.body;
        let id = &body.group.group_id;
        body.queue_config.check_length()?;
        check_secret_length(&body.encrypted_credential)?;
        if id.domain != *transaction.domain() {
            return Err(Refusal::NotReserved.into());
        }
        let reservation = Expiring { hour: body.reserved_until.hour(), name: id.uuid };
        let now = transaction.now();
        transaction.load([Key::of::<GroupReservation>(&reservation), Group::row(id)])?;
        let reserved = transaction.get::<GroupReservation>(&reservation)?.is_some_and(|row| row.until >= now);
        let is_free = reserved && !Group::exists(transaction, id)?;
        if !is_free && !transaction.planted(Plant::IgnoreReservation) {
            return Err(Refusal::NotReserved.into());
        }
        // The whole state is validated last: it costs many times what a stranger's request may cost.
        authenticate(transaction, call)?;
        call.redeem(transaction)?;
        let first = FirstState::validate(transaction, body)?;
        transaction.delete::<GroupReservation>(&reservation);
        let identity = first.check_creator(transaction.context(), body)?;
        let mut group = Group::new(&body.group, body.awaiting_connection, transaction.context());
        group.write_tree(transaction, &first.state)?;
        let roster = first.into_roster(identity, body, now.month())?;
        roster.write(transaction, &mut group)?;
        group.save(transaction);
        Ok(Done)
    }
}

/// The creator signs with the key of the tree's only leaf. The signature proves that it holds that key.
fn authenticate(transaction: &mut Transaction<'_>, call: &Call<'_, CreateGroup>) -> Result<(), Refusal> {
    if call.sender()? != &Sender::Leaf(0) {
        return Err(Refusal::Unauthenticated);
    }
    let key = mls::only_leaf_key(call.body.ratchet_tree.as_slice());
    call.authenticate(transaction, &key.map_err(|_| Refusal::InvalidGroupState)?)
}

/// The MLS state that the creator sent.
struct FirstState {
    state: mls::GroupState,
    group_info: GroupInfoBytes,
    creator: LeafView,
}

impl FirstState {
    /// Validates tree and group information of the new group.
    ///
    /// # Errors
    /// [`Refusal::InvalidGroupState`] if they are not those of a group of this id, at epoch 0, with one
    /// member.
    fn validate(transaction: &mut Transaction<'_>, body: &CreateGroup) -> Result<Self, Refusal> {
        let crypto = MlsCrypto::with_memo(transaction.random().array(), transaction.homeserver().hash_memo());
        let (tree, group_info) = (body.ratchet_tree.as_slice(), body.group_info.as_slice());
        let (state, group_info) =
            mls::GroupState::create(&crypto, tree, group_info).map_err(|_| Refusal::InvalidGroupState)?;
        state.check_fresh().map_err(|_| Refusal::InvalidGroupState)?;
        if state.group_id() != encode(&body.group.group_id) {
            return Err(Refusal::InvalidGroupState);
        }
        let creator = state.leaf(0).ok_or(Refusal::InvalidGroupState)?;
        Ok(Self { state, group_info, creator })
    }

    /// Makes sure that the creator is an admin and a client of this homeserver, and lets this delivery
    /// service propose removals. Returns the creator's identity.
    fn check_creator(&self, context: &Context, body: &CreateGroup) -> Result<LeafIdentity, Refusal> {
        let identity = Leaf::from(&self.creator).identity(context)?;
        if !self.roles().is_admin(&identity) {
            return Err(Refusal::InvalidGroupState);
        }
        let senders = self.state.external_senders();
        let ours =
            |key: &[u8]| context.keys().delivery.iter().any(|known| known.key.verifying_key().0 == *key);
        if !senders.first().is_some_and(|sender| ours(&sender.signature_key)) {
            return Err(Refusal::InvalidGroupState);
        }
        if body.queue_config.domain != *context.domain() {
            return Err(Refusal::InvalidQueueConfig);
        }
        Ok(identity)
    }

    fn roles(&self) -> Roles {
        Roles::read(self.state.roles().as_deref())
    }

    /// Returns the roster of a group whose only member is its creator.
    fn into_roster(
        self,
        identity: LeafIdentity,
        body: &CreateGroup,
        active: Month,
    ) -> Result<Roster, Refusal> {
        let roles = self.roles();
        let queue_config = body.queue_config.clone();
        let member = Member { leaf: 0, identity, key: self.creator.signature_key, queue_config, active };
        let profile = LeafProfile { leaf: 0, encrypted_credential: body.encrypted_credential.clone() };
        let group_info = self.group_info.into_vec().try_into().map_err(|_| Refusal::InvalidGroupState)?;
        Ok(Roster {
            members: MembersSection { epoch: 0, roles, members: list_of_one(member) },
            rest: RestSection { group_info, credentials: list_of_one(profile), past: List::default() },
        })
    }
}

/// One value is within the limit of every list that is used here.
fn list_of_one<T, const MAX: usize>(value: T) -> List<T, MAX> {
    let mut list = List::default();
    let _ = list.push(value);
    list
}
