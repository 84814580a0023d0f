//! PROTOCOL.md §8, Joining from a Welcome — what a joiner picks up: tree and credentials as of the epoch that
//! it joined.

use super::{
    group::Group,
    sections::{Joiner, MAX_PAST_EPOCHS, PastEpoch, PastSection, RestSection, Section},
};
use crate::{
    crypto::kdf::Hash,
    error::Refusal,
    mls::{self, AddView},
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    wire::{
        delivery_service::{WelcomeInfo, WelcomeInfoReply},
        envelope::{RequestEnvelope, Sender},
    },
};

/// For the owner of a key package that was added in the epoch. It signs with the leaf key of that key
/// package.
impl Serve for WelcomeInfo {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<WelcomeInfoReply, Interrupt> {
        let (group, _) = Group::open(transaction, &call.body.group)?;
        let past: PastSection = group.read(transaction, Section::Past(call.body.epoch))?;
        let Sender::KeyPackage(reference) = call.sender()? else {
            return Err(Refusal::Unauthenticated.into());
        };
        let joiner = past.joiners.iter().find(|joiner| joiner.reference == reference.as_slice());
        let joiner = joiner.ok_or(Refusal::Unauthenticated)?;
        call.authenticate(transaction, &joiner.key)?;
        call.redeem(transaction)?;
        Ok(WelcomeInfoReply { ratchet_tree: past.ratchet_tree, credentials: past.credentials })
    }
}

/// Keeps the tree and the credentials of the new epoch, which `state` and `rest` hold, until the joiners have
/// picked them up. Where too many epochs wait, the oldest goes: its joiners have to resync.
pub(super) fn keep_for_joiners(
    transaction: &mut Transaction<'_>,
    group: &mut Group,
    state: &mls::GroupState,
    rest: &mut RestSection,
    adds: &[AddView],
) -> Result<(), Refusal> {
    let joiners = adds.iter().filter_map(|add| {
        let reference: Hash = add.view.reference.as_slice().try_into().ok()?;
        Some(Joiner { reference, key: add.view.signature_key })
    });
    let past = PastSection {
        ratchet_tree: state.export_tree().try_into().map_err(|_| Refusal::GroupFull)?,
        credentials: rest.credentials.clone(),
        joiners: joiners.collect::<Vec<_>>().try_into().map_err(|_| Refusal::Malformed)?,
    };
    if rest.past.len() == MAX_PAST_EPOCHS {
        let oldest = rest.past.remove(0);
        group.delete(transaction, Section::Past(oldest.epoch));
    }
    let epoch = state.epoch();
    let leaves: Vec<u32> = adds.iter().map(|add| add.leaf).collect();
    let _ = rest.past.push(PastEpoch { epoch, leaves: leaves.try_into().unwrap_or_default() });
    group.write(transaction, Section::Past(epoch), &past)
}

/// Notes that the joiner at `leaf` has picked up what was kept for it, and returns whether anything was. What
/// the last joiner of an epoch has picked up goes.
pub(super) fn mark_picked_up(
    transaction: &mut Transaction<'_>,
    group: &Group,
    rest: &mut RestSection,
    leaf: u32,
) -> bool {
    let mut waited = false;
    for past in rest.past.iter_mut() {
        waited |= past.leaves.contains(&leaf);
        past.leaves.retain(|waiting| *waiting != leaf);
        if past.leaves.is_empty() {
            group.delete(transaction, Section::Past(past.epoch));
        }
    }
    rest.past.retain(|past| !past.leaves.is_empty());
    waited
}
