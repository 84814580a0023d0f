//! R1, R3 — heads agree with the rows that they count: a queue has the entries from its first to its end, a
//! pool the packages that its head names, a log the messages behind its progress, a stream what lies between
//! its start and its end. It is checked at each commit, by what that changes. A log may lack a message that damage
//! has taken, and that of a group whose head is damaged goes on wherever the head says now.

use std::{collections::BTreeSet, ops::Range};

use phoenix_core::{
    codec::decode,
    identifiers::LogId,
    store::{Key, RecordKind},
};

use super::{
    change::{Both, Change, Fate},
    layout::{self, PoolHead, QueueHead, StreamEnd, StreamStart},
    repaired::Repaired,
    violation::Violation,
};

const SHOULD: &str = "A head and the numbered rows behind it change together, in one commit.";

/// Checks all heads, and rows that heads count, that a commit changes.
///
/// # Errors
/// A head and the rows that it counts will not agree.
pub fn commits(change: &Change<'_>, repaired: &Repaired) -> Result<(), Violation> {
    let mut counted = BTreeSet::new();
    for (key, _) in change.written() {
        let (kind, name) = (key.kind(), key.name());
        let of = || layout::numbered(name).map(|(of, _)| of);
        let collection = match kind {
            RecordKind::FanOutQueue
            | RecordKind::DirectQueue
            | RecordKind::KeyPackagePool
            | RecordKind::ConnectionPackagePool
            | RecordKind::FanOutProgress => Some((kind, name)),
            RecordKind::OutboundEnd | RecordKind::OutboundStart => Some((RecordKind::OutboundEnd, name)),
            RecordKind::FanOutQueueEntry => of().map(|of| (RecordKind::FanOutQueue, of)),
            RecordKind::DirectQueueEntry => of().map(|of| (RecordKind::DirectQueue, of)),
            RecordKind::KeyPackage => of().map(|of| (RecordKind::KeyPackagePool, of)),
            RecordKind::ConnectionPackage => of().map(|of| (RecordKind::ConnectionPackagePool, of)),
            RecordKind::FanOutRow => of().map(|of| (RecordKind::FanOutProgress, of)),
            RecordKind::OutboundEntry | RecordKind::OutboundEpoch => {
                of().map(|of| (RecordKind::OutboundEnd, of))
            }
            _ => None,
        };
        counted.extend(collection);
    }
    counted.into_iter().try_for_each(|(head, name)| check(change, repaired, head, name))
}

fn check(change: &Change<'_>, repaired: &Repaired, head: RecordKind, name: &[u8]) -> Result<(), Violation> {
    match head {
        RecordKind::FanOutQueue => queue(change, head, RecordKind::FanOutQueueEntry, name),
        RecordKind::DirectQueue => queue(change, head, RecordKind::DirectQueueEntry, name),
        RecordKind::KeyPackagePool => pool(change, head, RecordKind::KeyPackage, name),
        RecordKind::ConnectionPackagePool => pool(change, head, RecordKind::ConnectionPackage, name),
        RecordKind::OutboundEnd => stream(change, name),
        _ => log(change, repaired, name),
    }
}

/// The rows of one kind and name that a head counts.
struct Counted<'a> {
    change: &'a Change<'a>,
    kind: RecordKind,
    name: &'a [u8],
}

impl Counted<'_> {
    /// Checks that just the rows come that the head counts after the commit and not before, and just those
    /// go that it counted before and not after.
    fn moves(&self, from: &Range<u64>, to: &Range<u64>) -> Result<(), Violation> {
        let (change, kind) = (self.change, self.kind);
        for (number, fate) in change.numbered(kind, self.name) {
            let is_right = match fate {
                Fate::Made => to.contains(&number) && !from.contains(&number),
                Fate::Rewritten => to.contains(&number),
                Fate::Dropped => from.contains(&number) && !to.contains(&number),
                Fate::Absent => true,
            };
            if !is_right {
                return self.violation(number, fate, from, to);
            }
        }
        let row = |number: u64| [self.name, &number.to_be_bytes()].concat();
        let went = from.clone().filter(|number| !to.contains(number));
        if let Some(number) = went.into_iter().find(|number| change.after(kind, &row(*number)).is_some()) {
            return self.violation(number, Fate::Rewritten, from, to);
        }
        let mut came = to.clone().filter(|number| !from.contains(number));
        match came.find(|number| change.after(kind, &row(*number)).is_none()) {
            Some(number) => self.violation(number, Fate::Absent, from, to),
            None => Ok(()),
        }
    }

    fn violation(
        &self,
        number: u64,
        fate: Fate,
        from: &Range<u64>,
        to: &Range<u64>,
    ) -> Result<(), Violation> {
        let kind = self.kind;
        let what = format!("{kind:?} {number} is {fate:?}, while its head moves from {from:?} to {to:?}");
        Err(Violation::now("counted", what, SHOULD))
    }
}

fn queue(change: &Change<'_>, head: RecordKind, entries: RecordKind, name: &[u8]) -> Result<(), Violation> {
    let Both { before, after } = change.both(head, name, QueueHead::read);
    let range = |head: Option<QueueHead>| head.map_or(0..0, |head| head.first..head.end);
    Counted { change, kind: entries, name }.moves(&range(before), &range(after))
}

fn pool(change: &Change<'_>, head: RecordKind, packages: RecordKind, name: &[u8]) -> Result<(), Violation> {
    let Both { before, after } = change.both(head, name, PoolHead::read);
    let range = |head: Option<PoolHead>| head.map_or(0..0, |head| head.next..head.last + 1);
    Counted { change, kind: packages, name }.moves(&range(before), &range(after))
}

fn stream(change: &Change<'_>, name: &[u8]) -> Result<(), Violation> {
    let end = change.both(RecordKind::OutboundEnd, name, StreamEnd::read);
    let start = change.both(RecordKind::OutboundStart, name, StreamStart::read);
    let entries = |end: &Option<StreamEnd>, start: &Option<StreamStart>| {
        let first = start.map_or(0, |start| start.first);
        end.as_ref().map_or(0..0, |end| first.max(end.present)..end.next)
    };
    let epochs = |end: &Option<StreamEnd>, start: &Option<StreamStart>| {
        let oldest = start.map_or(0, |start| start.oldest_epoch);
        let chain = end.as_ref().and_then(|end| end.chain.as_ref());
        chain.map_or(0..0, |chain| oldest..chain.epoch + 1)
    };
    let (from, to) = (entries(&end.before, &start.before), entries(&end.after, &start.after));
    Counted { change, kind: RecordKind::OutboundEntry, name }.moves(&from, &to)?;
    let (from, to) = (epochs(&end.before, &start.before), epochs(&end.after, &start.after));
    Counted { change, kind: RecordKind::OutboundEpoch, name }.moves(&from, &to)
}

/// A log has no head that says where it ends: its messages follow each other from its progress on.
fn log(change: &Change<'_>, repaired: &Repaired, name: &[u8]) -> Result<(), Violation> {
    let Both { before, after } = change.both(RecordKind::FanOutProgress, name, layout::progress);
    let (from, to) = (before.unwrap_or(0), after.unwrap_or(0));
    let row = |number: u64| [name, &number.to_be_bytes()].concat();
    let is_there = |number: u64| change.after(RecordKind::FanOutRow, &row(number)).is_some();
    let was_there = |number: u64| {
        let key = Key::from_bytes(&[&[RecordKind::FanOutRow as u8], &row(number)[..]].concat());
        key.is_some_and(|key| repaired.has_taken(change.server, &key))
    };
    if decode::<LogId>(name).is_ok_and(|log| repaired.is_log_of_damaged(&log)) {
        return Ok(());
    }
    let wrong = |what: String| Err(Violation::now("counted", what, SHOULD));
    if to < from {
        return wrong(format!("the progress of a log goes back from {from} to {to}"));
    }
    if let Some(number) = (from..to).find(|number| is_there(*number)) {
        return wrong(format!("message {number} of a log is still there at progress {to}"));
    }
    for (number, fate) in change.numbered(RecordKind::FanOutRow, name) {
        let is_right = match fate {
            Fate::Made => number == to || (number > to && (is_there(number - 1) || was_there(number - 1))),
            Fate::Dropped => (from..to).contains(&number),
            Fate::Rewritten | Fate::Absent => true,
        };
        if !is_right {
            return wrong(format!("message {number} of a log is {fate:?} at progress {from} to {to}"));
        }
    }
    Ok(())
}
