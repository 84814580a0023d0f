//! R3 — no row is forgotten: what goes with another row has that one, and what goes at a time is found then.
//! It is checked at each commit, by what that changes.
//!
//! * A set of another homeserver's keys has a row that says when it expires.
//! * A stream from another homeserver is listed with its source.
//! * A client has its queue, and a queue its client.
//! * What is named by the hour of its end is not over yet when it is written.

use phoenix_core::{
    store::{Key, RecordKind},
    time::Timestamp,
};

use super::{
    change::{Change, Fate, LONGEST_OPERATION},
    fields::Fields,
    violation::Violation,
};

/// What every violation here lacks.
const SHOULD: &str = "A row that is kept for a time is named where the sweep looks for what is over.";

/// The kinds of rows whose names begin with the hour in which they go.
const EXPIRING: [RecordKind; 6] = [
    RecordKind::RememberedAnswer,
    RecordKind::Nullifier,
    RecordKind::PendingRegistration,
    RecordKind::GroupReservation,
    RecordKind::PeerKeysExpiry,
    RecordKind::FailedFetch,
];

/// Pairs of kinds of rows that come and go together, under one name.
const PAIRS: [(RecordKind, RecordKind); 3] = [
    (RecordKind::QsClient, RecordKind::FanOutQueue),
    (RecordKind::Client, RecordKind::DirectQueue),
    (RecordKind::Client, RecordKind::ConnectionPackagePool),
];

/// Checks a commit, at the time `now` of its homeserver.
///
/// # Errors
/// It leaves a row that nothing will drop.
pub fn commits(change: &Change<'_>, now: Timestamp) -> Result<(), Violation> {
    for (key, fate) in change.written() {
        let kind = key.kind();
        let is_forgotten = match kind {
            RecordKind::PeerKeys => change.after(kind, key.name()).is_some() && !expires(change, key.name()),
            RecordKind::PeerKeysExpiry if fate == Fate::Dropped => {
                let set = key.name().get(HOUR..).unwrap_or_default();
                change.after(RecordKind::PeerKeys, set).is_some() && !expires(change, set)
            }
            RecordKind::InboundStream => {
                change.after(kind, key.name()).is_some() && !is_listed(change, key.name())
            }
            _ => false,
        };
        if is_forgotten || is_over(key, fate, now) || is_alone(change, key) {
            return Err(Violation::now("kept", format!("nothing will drop {key:?}"), SHOULD));
        }
    }
    Ok(())
}

/// The length of an hour in a name.
const HOUR: usize = 4;

/// Returns whether there will be a row that says when a set of keys expires.
fn expires(change: &Change<'_>, set: &[u8]) -> bool {
    change.keys_after(RecordKind::PeerKeysExpiry).any(|key| key.name().get(HOUR..) == Some(set))
}

/// Returns whether the source of a stream lists it.
fn is_listed(change: &Change<'_>, name: &[u8]) -> bool {
    let Some((source, stream)) = name.split_last_chunk::<16>() else { return false };
    let source = change.after(RecordKind::InboundSource, source);
    source.is_some_and(|source| source.windows(16).any(|id| id == stream))
}

/// Returns whether a row is written whose hour had passed when its operation began.
fn is_over(key: &Key, fate: Fate, now: Timestamp) -> bool {
    let (hour, began) = (Fields::of(key.name()).u32(), now - LONGEST_OPERATION);
    EXPIRING.contains(&key.kind()) && fate == Fate::Made && hour.is_none_or(|hour| hour < began.hour().0)
}

/// Returns whether one row of a pair will be there without the other.
fn is_alone(change: &Change<'_>, key: &Key) -> bool {
    let is_there = |kind| change.after(kind, key.name()).is_some();
    let of_kind = |(one, other): &&(_, _)| [*one, *other].contains(&key.kind());
    PAIRS.iter().filter(of_kind).any(|(one, other)| is_there(*one) != is_there(*other))
}
