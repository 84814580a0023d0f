//! S5 — a store tells nothing of the past: no row holds a key with which an entry can be opened that was
//! made, delivered or accepted before; and ratchets are renewed when it is time.
//!
//! What is delivered or acknowledged is gone, as [`counted`](super::counted) checks. Of the keys, at each
//! commit:
//!
//! * The ratchet key of a queue, or of a stream's end, moves on with each entry and never comes again, and no
//!   later version of the row holds it.
//! * The seed of a stream's epoch is sealed to the peer before an entry of the epoch is delivered.
//! * The ratchet of a stream from another homeserver stands at the entry that comes next.
//! * A queue is rotated, and a stream's epoch is over, when the settings say so.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use phoenix_core::{
    store::{Key, RecordKind},
    time::Timestamp,
};

use super::{
    change::{Both, Change, Fate, LONGEST_OPERATION},
    fields::Fields,
    layout::{Chain, EpochSeed, InboundEnd, QueueHead, Secret, StreamEnd, StreamStart},
    violation::Violation,
};

/// The ratchet keys of the past.
#[derive(Default)]
pub struct Secrecy {
    /// By homeserver.
    past: BTreeMap<usize, HashSet<Secret>>,
}

/// A ratchet key and where it stands.
struct Position {
    at: (u64, u64),
    secret: Secret,
}

impl Secrecy {
    /// Notes that the store of homeserver `server` has lost commits: the keys before them are present ones again.
    pub fn forgets(&mut self, server: usize) {
        self.past.remove(&server);
    }

    /// Checks what a commit does with keys, at the time `now` of its homeserver.
    ///
    /// # Errors
    /// A row will hold a key of the past, or a ratchet is not renewed in time.
    pub fn commits(&mut self, change: &Change<'_>, now: Timestamp) -> Result<(), Violation> {
        for (key, fate) in change.written() {
            match key.kind() {
                RecordKind::FanOutQueue | RecordKind::DirectQueue => self.queue(change, key, now)?,
                RecordKind::OutboundEnd => self.stream_end(change, key, now)?,
                RecordKind::OutboundEntry if fate == Fate::Dropped => delivered(change, key)?,
                RecordKind::InboundStream => accepted(change, key)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn queue(&mut self, change: &Change<'_>, key: &Key, now: Timestamp) -> Result<(), Violation> {
        let Both { before, after } = change.both(key.kind(), key.name(), QueueHead::read);
        let Some(after) = after else { return Ok(()) };
        let is_longer = before.as_ref().is_none_or(|before| before.end < after.end);
        let position =
            |head: QueueHead| Position { at: (u64::from(head.generation), head.end), secret: head.secret };
        let rotated_at = Timestamp::from_milliseconds(after.rotated_at);
        self.moves(change, key, before.map(position), position(after))?;
        let interval = change.rows.config(change.server).map(|config| config.times.queue_rotation);
        if is_longer && interval.is_some_and(|interval| is_late(now, rotated_at, interval)) {
            return violation(key, "has a new entry, and was not rotated in time");
        }
        Ok(())
    }

    fn stream_end(&mut self, change: &Change<'_>, key: &Key, now: Timestamp) -> Result<(), Violation> {
        let Both { before, after } = change.both(key.kind(), key.name(), StreamEnd::read);
        let Some(StreamEnd { next, chain: Some(chain), epoch_started, .. }) = after else { return Ok(()) };
        let is_longer = before.as_ref().is_none_or(|before| before.next < next);
        let position = |chain: Chain| Position { at: (chain.epoch, chain.sequence), secret: chain.secret };
        self.moves(change, key, before.and_then(|before| before.chain).map(position), position(chain))?;
        let began = Timestamp::from_milliseconds(epoch_started);
        let longest = change.rows.config(change.server).map(|config| config.times.stream_epoch);
        if is_longer && longest.is_some_and(|longest| is_late(now, began, longest)) {
            return violation(key, "has a new entry in an epoch that is over");
        }
        Ok(())
    }

    /// Checks that a ratchet has moved on if it has another key, and only then; and that its row holds no key
    /// of the past.
    fn moves(
        &mut self,
        change: &Change<'_>,
        key: &Key,
        before: Option<Position>,
        after: Position,
    ) -> Result<(), Violation> {
        let past = self.past.entry(change.server).or_default();
        if let Some(before) = before {
            if after.at < before.at {
                return violation(key, "goes back");
            }
            if (after.at == before.at) != (after.secret == before.secret) {
                return violation(key, "moves on without its key, or its key without it");
            }
            if after.at != before.at {
                past.insert(before.secret);
            }
        }
        let record = change.after(key.kind(), key.name());
        let record = record.and_then(|bytes| change.rows.open(change.server, key, bytes)).unwrap_or_default();
        if holds_any(&record, past) {
            return violation(key, "holds a key of the past");
        }
        Ok(())
    }
}

/// Returns whether a record holds one of these keys.
fn holds_any(record: &[u8], keys: &HashSet<Secret>) -> bool {
    record.windows(32).any(|window| keys.contains(window))
}

/// Returns whether something that is to be done `interval` after `last` at the latest has not been done.
fn is_late(now: Timestamp, last: Timestamp, interval: Duration) -> bool {
    now.since(last) >= interval + LONGEST_OPERATION
}

/// Checks the seed of the epoch of an entry that is delivered.
fn delivered(change: &Change<'_>, key: &Key) -> Result<(), Violation> {
    let Some((stream, _)) = super::layout::numbered(key.name()) else { return Ok(()) };
    let start = change.both(RecordKind::OutboundStart, stream, StreamStart::read).after.unwrap_or_default();
    // What is passed over is delivered to no one.
    let epoch = change.both(key.kind(), key.name(), |mut fields: Fields<'_>| {
        let (epoch, _appended_at, has_content) = (fields.u64()?, fields.u64()?, fields.u8()? == 1);
        has_content.then_some(epoch)
    });
    let is_delivered = |epoch: &u64| start.skip_from.is_none() && Some(*epoch) > start.lost_epoch;
    let Some(epoch) = epoch.before.filter(is_delivered) else { return Ok(()) };
    let name = [stream, &epoch.to_be_bytes()].concat();
    match change.both(RecordKind::OutboundEpoch, &name, EpochSeed::read).after {
        Some(EpochSeed::Pending) => violation(key, "is delivered, and the seed of its epoch is still there"),
        Some(EpochSeed::Sealed) | None => Ok(()),
    }
}

/// Checks the ratchet of a stream from another homeserver.
fn accepted(change: &Change<'_>, key: &Key) -> Result<(), Violation> {
    let Some(after) = change.both(key.kind(), key.name(), InboundEnd::read).after else { return Ok(()) };
    if after.chain.is_some_and(|chain| chain.sequence != after.next) {
        return violation(key, "holds the key of an entry that was accepted before");
    }
    Ok(())
}

fn violation(key: &Key, what: &str) -> Result<(), Violation> {
    let should = "A key that is not needed any more is overwritten or dropped in the commit that uses it.";
    Err(Violation::now("secrecy", format!("{key:?} {what}"), should))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_is_in_a_record() {
        let keys = HashSet::from([[7; 32], [8; 32]]);
        for before in [0, 1, 45] {
            let record = [vec![1; before], vec![8; 32], vec![2; 3]].concat();
            assert!(holds_any(&record, &keys), "{before}");
        }
        assert!(!holds_any(&[7; 31], &keys) && !holds_any(&[9; 64], &keys));
    }
}
