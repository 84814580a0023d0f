//! The name of a process.

use std::fmt;

use crate::{node::OperationId, oracle::effects::Served};

/// One start of the process of one machine. After a crash the machine runs another `Process`, so that events
/// meant for the one before find no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// The index of the machine that it runs on.
    pub machine: usize,
    /// How many times the machine has been started, this start included.
    pub start: u32,
}

impl Process {
    /// Returns the name that oracles give an operation of this process.
    pub const fn serving(self, operation: OperationId) -> Served {
        Served { machine: self.machine, start: self.start, operation }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "machine {}", self.machine)?;
        if self.start == 1 { Ok(()) } else { write!(formatter, " (start {})", self.start) }
    }
}
