//! R3 — what waits has its timer: a log with messages to distribute, a stream with entries to deliver or to
//! pass over. It is checked at each commit, so that no scan and no later message hides that a timer was
//! forgotten. Where the head of a group is damaged, its log may go on where nothing looks for it: that is excepted.

use std::collections::BTreeSet;

use phoenix_core::{
    codec::{decode, encode},
    identifiers::{LogId, StreamName},
    operation::Timer,
    store::{Key, RecordKind},
};

use super::{
    change::Change,
    layout::{self, StreamEnd, StreamStart},
    repaired::Repaired,
    violation::Violation,
};
use crate::names;

/// Checks the logs and streams whose rows a commit changes.
///
/// # Errors
/// Something will wait in one of them that has no timer.
pub fn commits(change: &Change<'_>, repaired: &Repaired) -> Result<(), Violation> {
    let timers: BTreeSet<Timer> = change.written().filter_map(|(key, _)| timer_of(key)).collect();
    let is_excepted =
        |timer: &Timer| matches!(timer, Timer::Distribute(log) if repaired.is_log_of_damaged(log));
    let forgotten = |timer: &Timer| {
        let is_set = change.after(RecordKind::Timer, &encode(timer)).is_some();
        !is_set && waits(change, timer) && !is_excepted(timer)
    };
    match timers.into_iter().find(forgotten) {
        Some(timer) => {
            let what = format!("what waits for the timer {} has no such timer", names::timer(&timer));
            let should = "The commit that leaves something to do sets the timer for it.";
            Err(Violation::now("waiting", what, should))
        }
        None => Ok(()),
    }
}

/// Returns the timer that serves the log or stream that a row is of.
fn timer_of(key: &Key) -> Option<Timer> {
    let name = key.name();
    let log = |name| decode::<LogId>(name).ok().map(Timer::Distribute);
    let stream = |name| decode::<StreamName>(name).ok().map(Timer::Deliver);
    match key.kind() {
        RecordKind::Timer => decode(name).ok(),
        RecordKind::FanOutRow => log(layout::numbered(name)?.0),
        RecordKind::OutboundEnd | RecordKind::OutboundStart => stream(name),
        RecordKind::OutboundEntry => stream(layout::numbered(name)?.0),
        _ => None,
    }
}

/// Returns whether there will be something to do for a timer.
fn waits(change: &Change<'_>, timer: &Timer) -> bool {
    match timer {
        Timer::Distribute(log) => change.any_after(RecordKind::FanOutRow, &encode(log)),
        Timer::Deliver(stream) => {
            let name = encode(stream);
            let end = change.both(RecordKind::OutboundEnd, &name, StreamEnd::read).after;
            let start = change.both(RecordKind::OutboundStart, &name, StreamStart::read).after;
            end.is_some_and(|end| start.unwrap_or_default().waits(&end))
        }
        Timer::Sweep => false,
    }
}
