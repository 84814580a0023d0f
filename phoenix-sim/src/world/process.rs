//! The name of a process.

use std::fmt;

/// One start of the process of one machine. After a crash the machine runs another `Process`, so that events
/// meant for the one before find no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// The index of the machine that it runs on.
    pub machine: usize,
    /// How many times the machine has been started, this start included.
    pub start: u32,
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "machine {}", self.machine)?;
        if self.start == 1 { Ok(()) } else { write!(formatter, " (start {})", self.start) }
    }
}
