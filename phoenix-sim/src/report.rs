//! What came of a world: figures and, if an oracle failed, what it found and what led to it.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::plan::Bound;

/// The figures of one world. Serialized, its field names are stable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The seed of the world.
    pub seed: u64,
    /// Messages received, each counted once for each member that received it.
    pub delivered: u64,
    /// Messages acknowledged to their sender.
    pub acknowledged: u64,
    /// Acknowledged messages that did not reach a member, each counted once for each such member.
    pub lost: u64,
    /// Acknowledged messages of whose epoch no client has reported the members, so that their loss would not
    /// be seen.
    pub unchecked: u64,
    /// Messages that reached a member again.
    pub duplicated: u64,
    /// MLS commits processed, each counted once for each member that processed it.
    pub epochs: u64,
    /// Crashes of homeservers' processes.
    pub crashes: u64,
    /// Crashes of clients.
    pub client_crashes: u64,
    /// What clients were about when they crashed, by kind of intent.
    pub interrupted: BTreeMap<String, u64>,
    /// How often a client was restored from an older copy.
    pub older_copies: u64,
    /// Intents that became impossible because a client was restored from an older copy.
    pub given_up: u64,
    /// Other faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Attempts of the dishonest homeserver and of malicious clients, by kind and outcome.
    pub attempts: BTreeMap<String, u64>,
    /// How often each bound was met.
    pub bounds: BTreeMap<Bound, u64>,
    /// Refused requests of honest callers, by operation and code.
    pub refusals: BTreeMap<String, u64>,
    /// Events of the world.
    pub events: u64,
    /// Operations that homeservers served.
    pub operations: u64,
    /// Virtual seconds until everything had settled.
    pub virtual_seconds: u64,
    /// Virtual seconds from the end of the faults until everything had settled.
    pub settled_after_seconds: u64,
    /// Virtual seconds from the end of the faults in which everything must settle.
    pub rest_bound_seconds: u64,
    /// The hash of the trace (see [`trace`](crate::trace)), in hexadecimal digits.
    pub trace_hash: String,
    /// What an oracle found wrong. `None`: everything holds.
    pub failure: Option<Failure>,
}

/// A property that does not hold, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The name of the oracle that found it.
    pub oracle: String,
    /// What is wrong, in words.
    pub what: String,
    /// What should have happened instead, where it went wrong.
    pub should: String,
    /// The number of events up to then, that of the failure included.
    pub step: u64,
    /// How far the message came that it is about, stage by stage. Empty if it is about none.
    pub journey: Vec<String>,
    /// The command that repeats it. `None` if the world was made by other means.
    pub repeat: Option<String>,
    /// The events that led to it, the first cause first, then the last events of the world. If it contradicts
    /// an earlier event, the causes of that one come before all.
    pub chain: Vec<String>,
}

impl Report {
    /// Counts a fault.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Returns whether no oracle has failed.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        writeln!(formatter, "seed {}: {verdict}", self.seed)?;
        writeln!(
            formatter,
            "  {} messages acknowledged, {} deliveries, {} lost, {} duplicated, {} epoch changes",
            self.acknowledged, self.delivered, self.lost, self.duplicated, self.epochs
        )?;
        let faults: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(formatter, "  {} crashes, {}", self.crashes, faults.join(", "))?;
        writeln!(
            formatter,
            "  {} crashes of clients, {} restored from an older copy, {} intents given up for it",
            self.client_crashes, self.older_copies, self.given_up
        )?;
        let interrupted: Vec<String> =
            self.interrupted.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        writeln!(formatter, "  interrupted: {}", interrupted.join(", "))?;
        let attempts: Vec<String> =
            self.attempts.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        writeln!(formatter, "  attacks: {}", attempts.join(", "))?;
        writeln!(
            formatter,
            "  {} events, {} operations, {} virtual seconds, settled {} s after the faults ended",
            self.events, self.operations, self.virtual_seconds, self.settled_after_seconds
        )?;
        writeln!(formatter, "  trace {}", self.trace_hash)?;
        self.failure.as_ref().map_or(Ok(()), |failure| failure.fmt(formatter))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  oracle {} at step {}: {}", self.oracle, self.step, self.what)?;
        writeln!(formatter, "  What should have happened: {}", self.should)?;
        if !self.journey.is_empty() {
            writeln!(formatter, "  How far the message came:")?;
        }
        self.journey.iter().try_for_each(|line| writeln!(formatter, "    {line}"))?;
        writeln!(formatter, "  What led to it:")?;
        self.chain.iter().try_for_each(|line| writeln!(formatter, "    {line}"))?;
        let Some(repeat) = &self.repeat else { return Ok(()) };
        writeln!(formatter, "  Repeat it by: {repeat}")?;
        if repeat.contains(" --plan ") {
            return Ok(());
        }
        writeln!(formatter, "  Write its plan, to change it, by: {repeat} --write-plan plan.toml")
    }
}
