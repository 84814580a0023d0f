//! What looks again from time to time, and so hides what was forgotten.

use serde::{Deserialize, Serialize};

/// Whether processes and users look again by themselves.
///
/// A world without one of these has no faults that may lose an effect: no commit has an unknown outcome, and
/// none that outlives a crash is applied after the restart. So all that happens there, happens because
/// someone was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Periodic {
    /// Whether each process looks for timers every few seconds, not only when it starts.
    pub scans: bool,
    /// Whether users read their queues every few seconds. If not, a client listens: it reads when it is
    /// signalled, which is then never lost, and when its connection comes back, after its own start or that
    /// of a process of its homeserver. A user looks for a connection request when the other one says that it
    /// is there.
    pub polls: bool,
}

impl Default for Periodic {
    fn default() -> Self {
        Self { scans: true, polls: true }
    }
}

impl Periodic {
    /// Returns whether nothing is hidden for long by looking again, so that nothing may be lost.
    pub const fn is_complete(self) -> bool {
        self.scans && self.polls
    }
}
