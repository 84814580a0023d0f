//! Reads and commits on their way between processes and stores.

use std::time::Duration;

use phoenix_core::store::{Commit, Reads, RecordKind, Settlement, Version, Write, commit::Rows};

use super::{event::Event, process::Process, state::World};
use crate::{
    disk::CommitFate,
    node::OperationId,
    oracle::{Moment, Violation},
    server::Server,
};

/// How long a process with the planted bug `AckBeforeCommit` answers for a batch before it makes it durable.
/// Always the same, so that batches become durable in their order.
const FLUSH_DELAY: Duration = Duration::from_millis(400);

impl World {
    pub(super) fn read(&mut self, process: Process, operation: OperationId, reads: Reads) {
        let server = &mut self.servers[self.machines[process.machine].server];
        server.journal.read(&reads);
        let early = server.disk.rows.read(&reads);
        let delay = self.store_faults.latency(&mut self.randoms.stores);
        self.after(delay, Event::Supply { process, operation, early, reads });
    }

    /// Returns rows to an operation.
    pub(super) fn supply(
        &mut self,
        process: Process,
        operation: OperationId,
        early: Rows,
        reads: &Reads,
    ) -> Result<(), Violation> {
        let rows = self.answer_read(process, early, reads);
        self.supplied(process, operation, rows)
    }

    /// Returns the rows of a read. Each is as it was either when the store was asked or when it answers: the
    /// rows of one read are no snapshot. `None`: the read fails.
    pub(super) fn answer_read(&mut self, process: Process, early: Rows, reads: &Reads) -> Option<Rows> {
        let random = &mut self.randoms.stores;
        let fails = self.store_faults.unreadable.happens(random);
        let server = &mut self.servers[self.machines[process.machine].server];
        server.journal.read(reads);
        let mut rows = server.disk.rows.read(reads);
        for (late, early) in rows.rows.iter_mut().zip(early.rows) {
            if random.below(2) == 0 {
                *late = early;
            }
        }
        if fails {
            self.report.fault("failed reads");
            self.trace.note("the read fails".to_owned());
        }
        (!fails).then_some(rows)
    }

    pub(super) fn supplied(
        &mut self,
        process: Process,
        operation: OperationId,
        rows: Option<Rows>,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(process) else { return Ok(()) };
        let work = node.supply(operation, rows);
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
        let is_cut_off = process.start <= self.machines[process.machine].cut_off;
        // Where no one looks again, what outlives a crash is there before the restart, which finds it.
        let is_in_time = self.plan.periodic.is_complete() || !self.has_restarted(process);
        if is_cut_off || (self.node(process).is_none() && !(outlives_crash && is_in_time)) {
            return Ok(());
        }
        match fate {
            CommitFate::Served => {}
            CommitFate::Conflict => {
                self.report.fault("spurious conflicts");
                self.trace.note("the store does not apply it and reports a conflict".to_owned());
            }
            CommitFate::AppliedInSilence => {
                self.report.fault("unknown outcomes");
                self.trace.note("the store takes it and does not say so".to_owned());
            }
            CommitFate::LostInSilence => {
                self.report.fault("unknown outcomes");
                self.trace.note("the store loses it and does not say so".to_owned());
            }
        }
        let settlement = self.apply_to_disk(process, commit, fate)?;
        if settlement == Settlement::Committed {
            self.oracles.effects.committed(process.serving(operation), commit);
        }
        self.after(delay, Event::Settle { process, operation, settlement, version: commit.version });
        Ok(())
    }

    fn apply_to_disk(
        &mut self,
        process: Process,
        commit: &Commit,
        fate: CommitFate,
    ) -> Result<Settlement, Violation> {
        let server = self.machines[process.machine].server;
        let moment = Moment { now: self.machine_time(process.machine), number: self.trace.current() };
        let Server { disk, journal, .. } = &mut self.servers[server];
        if matches!(fate, CommitFate::Served | CommitFate::AppliedInSilence)
            && disk.rows.holds(&commit.expect)
        {
            if commit.writes.iter().any(matters) {
                self.trace.tells();
            }
            for write in &commit.writes {
                self.trace.bytes(&write.key.to_bytes());
                self.trace.bytes(write.bytes.as_deref().unwrap_or_default());
            }
            self.oracles.commits(server, moment, disk, commit)?;
            journal.applies(&disk.rows, commit);
            self.mark_commit(server, commit);
            self.step_to_power_failure(server);
        }
        let disk = &mut self.servers[server].disk;
        let settlement = fate.carry_out(disk, commit);
        if settlement == Settlement::Conflict && fate == CommitFate::Served {
            self.report.fault("conflicts");
            self.trace.note("a row has changed since it was read: a conflict".to_owned());
        }
        Ok(settlement)
    }

    pub(super) fn settle(
        &mut self,
        process: Process,
        operation: OperationId,
        settlement: Settlement,
        version: Version,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(process) else { return Ok(()) };
        let work = node.settle(operation, settlement);
        let server = self.machines[process.machine].server;
        if settlement == Settlement::Committed {
            self.servers[server].journal.settled(version);
        }
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

/// Returns whether a write changes more than what a homeserver keeps for itself, or for those who only read.
fn matters(write: &Write) -> bool {
    const OWN: [RecordKind; 6] = [
        RecordKind::Timer,
        RecordKind::Lease,
        RecordKind::SweepCursor,
        RecordKind::RememberedAnswer,
        RecordKind::FanOutQueue,
        RecordKind::DirectQueue,
    ];
    write.bytes.is_some() && !OWN.contains(&write.key.kind())
}
