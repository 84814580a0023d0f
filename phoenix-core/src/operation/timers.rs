//! Timers are rows, so that what is due outlives the process.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    step::{Effect, Timer},
    transaction::Transaction,
};
use crate::{
    codec::decode,
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

/// The timer that a row found by [`scan`] stands for, and when it is due. `None` for any other row.
pub fn from_row(key: &Key, row: &Row) -> Option<(Timer, Timestamp)> {
    if key.kind() != RecordKind::Timer {
        return None;
    }
    // Timer rows are plain: one byte of format, then the encoding.
    let row: TimerRow = decode(row.bytes.get(1..)?).ok()?;
    Some((decode(key.name()).ok()?, row.due))
}

/// The timer that runs at every homeserver, from its first start on.
pub const SWEEP: Timer = Timer::Sweep;
