//! Reads and commits on their way between processes and stores.

use std::time::Duration;

use phoenix_core::store::{Commit, Reads, Settlement, commit::Rows};

use super::{event::Event, process::Process, state::World};
use crate::{disk::CommitFate, node::OperationId, oracle::Violation};

/// How long a process with the planted bug `AckBeforeCommit` answers for a batch before it makes it durable.
/// Always the same, so that batches become durable in their order.
const FLUSH_DELAY: Duration = Duration::from_millis(400);

impl World {
    pub(super) fn read(&mut self, process: Process, operation: OperationId, reads: Reads) {
        let early = self.servers[self.machines[process.machine].server].disk.rows.read(&reads);
        let delay = self.store_faults.latency(&mut self.randoms.stores);
        self.after(delay, Event::Supply { process, operation, early, reads });
    }

    /// Returns rows to an operation. Each was read either when the store was asked or when it answers: the
    /// rows of one read are no snapshot.
    pub(super) fn supply(
        &mut self,
        process: Process,
        operation: OperationId,
        early: Rows,
        reads: &Reads,
    ) -> Result<(), Violation> {
        let random = &mut self.randoms.stores;
        let fails = self.store_faults.unreadable.happens(random);
        let mut rows = self.servers[self.machines[process.machine].server].disk.rows.read(reads);
        for (late, early) in rows.rows.iter_mut().zip(early.rows) {
            if random.below(2) == 0 {
                *late = early;
            }
        }
        if fails {
            self.report.fault("failed reads");
        }
        let Some(node) = self.node(process) else { return Ok(()) };
        let work = node.supply(operation, (!fails).then_some(rows));
        self.carry_out(process, work)
    }

    pub(super) fn commit(&mut self, process: Process, operation: OperationId, commit: Commit) {
        let delay = self.store_faults.latency(&mut self.randoms.stores);
        let outlives_crash = self.randoms.stores.below(2) == 0;
        self.after(delay, Event::Apply { process, operation, commit, outlives_crash });
    }

    pub(super) fn apply(
        &mut self,
        process: Process,
        operation: OperationId,
        commit: &Commit,
        outlives_crash: bool,
    ) -> Result<(), Violation> {
        let fate = self.store_faults.fate(&mut self.randoms.stores);
        let delay = self.store_faults.latency(&mut self.randoms.stores);
        // Where no one looks again, what outlives a crash is there before the restart, which finds it.
        let is_in_time = self.plan.periodic.is_complete() || !self.has_restarted(process);
        if self.node(process).is_none() && !(outlives_crash && is_in_time) {
            return Ok(());
        }
        match fate {
            CommitFate::Served => {}
            CommitFate::Conflict => self.report.fault("spurious conflicts"),
            CommitFate::AppliedInSilence | CommitFate::LostInSilence => self.report.fault("unknown outcomes"),
        }
        let settlement = self.apply_to_disk(process, commit, fate)?;
        if settlement == Settlement::Committed {
            self.oracles.effects.committed(process.serving(operation), commit);
        }
        self.after(delay, Event::Settle { process, operation, settlement });
        Ok(())
    }

    fn apply_to_disk(
        &mut self,
        process: Process,
        commit: &Commit,
        fate: CommitFate,
    ) -> Result<Settlement, Violation> {
        let server = self.machines[process.machine].server;
        let now = self.machine_time(process.machine);
        let disk = &mut self.servers[server].disk;
        if matches!(fate, CommitFate::Served | CommitFate::AppliedInSilence)
            && disk.rows.holds(&commit.expect)
        {
            for write in &commit.writes {
                self.trace.bytes(&write.key.to_bytes());
                self.trace.bytes(write.bytes.as_deref().unwrap_or_default());
            }
            self.oracles.commits(server, now, disk, commit)?;
        }
        let settlement = fate.carry_out(disk, commit);
        if settlement == Settlement::Conflict && fate == CommitFate::Served {
            self.report.fault("conflicts");
        }
        Ok(settlement)
    }

    pub(super) fn settle(
        &mut self,
        process: Process,
        operation: OperationId,
        settlement: Settlement,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(process) else { return Ok(()) };
        let work = node.settle(operation, settlement);
        self.carry_out(process, work)
    }

    pub(super) fn flush_later(&mut self, process: Process) {
        self.after(FLUSH_DELAY, Event::Flush { process });
    }

    /// Makes the oldest batch durable that was answered for, unless another process has changed what it
    /// expects.
    pub(super) fn flush(&mut self, process: Process) -> Result<(), Violation> {
        let Some(commit) = self.node(process).and_then(|node| node.flush()) else { return Ok(()) };
        self.apply_to_disk(process, &commit, CommitFate::Served).map(|_| ())
    }
}
