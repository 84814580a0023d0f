//! Timers are rows, so that what is due outlives the process.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    step::{Effect, Timer},
    transaction::Transaction,
};
use crate::{
    codec::decode,
    config::Times,
    store::{Key, Record, RecordKind, Row, Scan},
    time::Timestamp,
};

/// When a timer is due.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct TimerRow {
    due: Timestamp,
}

impl Record for TimerRow {
    type Name = Timer;
    const KIND: RecordKind = RecordKind::Timer;
}

impl Transaction<'_> {
    /// Has `timer` run at `due`, now and after every restart, until it is [cleared](Self::clear_timer).
    pub(crate) fn schedule(&mut self, timer: Timer, due: Timestamp) {
        self.put(&timer, &TimerRow { due });
        self.effect(Effect::Wake { timer, due });
    }

    /// Ends `timer`.
    pub(crate) fn clear_timer(&mut self, timer: &Timer) {
        self.delete::<TimerRow>(timer);
    }
}

/// Where a node looks for its timers when it starts, and from time to time while others share its store.
pub fn scan(limit: usize) -> Scan {
    Scan::kind(RecordKind::Timer, limit)
}

/// The timer that a row found by [`scan`] at `now` stands for, and when it is due. `None` for any other row.
///
/// A row that says a time further ahead than any timer waits ([`Times::longest_wait`]) was written while a
/// clock was wrong, and its timer is due now: it does not keep anything waiting until the wrong clock would be
/// right.
pub fn from_row(key: &Key, row: &Row, now: Timestamp, times: &Times) -> Option<(Timer, Timestamp)> {
    let (timer, due) = as_noted(key, row)?;
    let is_wrong = due > now + times.longest_wait();
    Some((timer, if is_wrong { now } else { due }))
}

/// As [`from_row`], but with the time that the row says.
pub fn as_noted(key: &Key, row: &Row) -> Option<(Timer, Timestamp)> {
    if key.kind() != RecordKind::Timer {
        return None;
    }
    // Timer rows are plain: one byte of format, then the encoding.
    let row: TimerRow = decode(row.bytes.get(1..)?).ok()?;
    Some((decode(key.name()).ok()?, row.due))
}

/// The timer that runs at every homeserver, from its first start on.
pub const SWEEP: Timer = Timer::Sweep;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{codec::encode, store::Version, time::HOUR};

    #[test]
    fn a_timer_that_a_wrong_clock_has_set_is_due_now() {
        let (now, times) = (Timestamp::from_milliseconds(1_800_000_000_000), Times::default());
        let key = Key::of::<TimerRow>(&Timer::Sweep);
        let found = |due: Timestamp| {
            let bytes = [vec![1], encode(&TimerRow { due })].concat();
            from_row(&key, &Row { version: Version([0; 16]), bytes }, now, &times)
        };
        for due in [now - HOUR, now, now + times.longest_wait()] {
            assert_eq!(found(due), Some((Timer::Sweep, due)));
        }
        let wrong = now + times.longest_wait() + Duration::from_millis(1);
        assert_eq!(found(wrong), Some((Timer::Sweep, now)));
    }
}
