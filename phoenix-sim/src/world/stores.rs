//! Reads and commits on their way between processes and stores.

use std::time::Duration;

use phoenix_core::store::{Commit, Reads, Settlement, commit::Rows};

use super::{World, events::Event, machines::Process};
use crate::{disk::Fate, node::OperationId, oracle::Violation};

/// The longest that a process keeps what it has answered for without making it durable.
const LONGEST_BUFFERED: u64 = 400;

impl World {
    pub(super) fn read(&mut self, at: Process, operation: OperationId, reads: Reads) {
        let early = self.servers[self.machines[at.machine].server].disk.read(&reads);
        let delay = self.trouble.latency(&mut self.randoms.stores);
        self.after(delay, Event::Supply { at, operation, early, reads });
    }

    /// Each row was read either when the store was asked or when it answered: reads are no snapshot.
    pub(super) fn supply(
        &mut self,
        at: Process,
        operation: OperationId,
        early: Rows,
        reads: &Reads,
    ) -> Result<(), Violation> {
        let random = &mut self.randoms.stores;
        let fails = self.trouble.unreadable.happens(random);
        let mut rows = self.servers[self.machines[at.machine].server].disk.read(reads);
        for (late, early) in rows.rows.iter_mut().zip(early.rows) {
            if random.below(2) == 0 {
                *late = early;
            }
        }
        if fails {
            self.report.fault("failed reads");
        }
        let Some(node) = self.node(at) else { return Ok(()) };
        let work = node.supply(operation, (!fails).then_some(rows));
        self.carry_out(at, work)
    }

    pub(super) fn commit(&mut self, at: Process, operation: OperationId, commit: Commit) {
        let delay = self.trouble.latency(&mut self.randoms.stores);
        let outlives_crash = self.randoms.stores.below(2) == 0;
        self.after(delay, Event::Apply { at, operation, commit, outlives_crash });
    }

    pub(super) fn apply(
        &mut self,
        at: Process,
        operation: OperationId,
        commit: &Commit,
        outlives_crash: bool,
    ) -> Result<(), Violation> {
        let fate = self.trouble.fate(&mut self.randoms.stores);
        let delay = self.trouble.latency(&mut self.randoms.stores);
        if self.node(at).is_none() && !outlives_crash {
            return Ok(());
        }
        match fate {
            Fate::Served => {}
            Fate::Conflict => self.report.fault("spurious conflicts"),
            Fate::AppliedInSilence | Fate::LostInSilence => self.report.fault("unknown outcomes"),
        }
        let settlement = self.apply_to_disk(at, commit, fate)?;
        self.after(delay, Event::Settle { at, operation, settlement });
        Ok(())
    }

    fn apply_to_disk(&mut self, at: Process, commit: &Commit, fate: Fate) -> Result<Settlement, Violation> {
        let server = self.machines[at.machine].server;
        let disk = &mut self.servers[server].disk;
        if matches!(fate, Fate::Served | Fate::AppliedInSilence) && disk.holds(commit) {
            for write in &commit.writes {
                self.trace.bytes(&write.key.to_bytes());
                self.trace.bytes(write.bytes.as_deref().unwrap_or_default());
            }
            self.oracles.commits(server, disk, commit)?;
        }
        let settlement = fate.carry_out(disk, commit);
        if settlement == Settlement::Conflict && fate == Fate::Served {
            self.report.fault("conflicts");
        }
        Ok(settlement)
    }

    pub(super) fn settle(
        &mut self,
        at: Process,
        operation: OperationId,
        settlement: Settlement,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(at) else { return Ok(()) };
        let work = node.settle(operation, settlement);
        self.carry_out(at, work)
    }

    pub(super) fn flush_later(&mut self, at: Process) {
        // Always as late, so that batches become durable in their order.
        self.after(Duration::from_millis(LONGEST_BUFFERED), Event::Flush { at });
    }

    /// A batch that was answered for becomes durable, unless another process was faster.
    pub(super) fn flush(&mut self, at: Process) -> Result<(), Violation> {
        let Some(commit) = self.node(at).and_then(|node| node.flush()) else { return Ok(()) };
        self.apply_to_disk(at, &commit, Fate::Served).map(|_| ())
    }
}
