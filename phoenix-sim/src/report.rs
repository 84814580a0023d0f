//! What came of a world, in figures and, where an oracle fails, in causes.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// The figures of one world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Messages that reached a member, each counted once for each member.
    pub delivered: u64,
    /// Messages that were acknowledged to their sender.
    pub acknowledged: u64,
    /// Messages that were acknowledged and did not reach a member.
    pub lost: u64,
    /// Messages that were acknowledged, and nobody knows who was to get them.
    pub unchecked: u64,
    /// Messages that reached a member more than once.
    pub duplicated: u64,
    /// Commits of groups that members have processed, each counted once for each member.
    pub epochs: u64,
    /// Processes that were killed.
    pub crashes: u64,
    /// What else went wrong, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What the dishonest homeserver tried and what came of it.
    pub attempts: BTreeMap<String, u64>,
    /// Refusals of requests, by code.
    pub refusals: BTreeMap<u16, u64>,
    /// Events in the world.
    pub events: u64,
    /// Operations that homeservers served.
    pub operations: u64,
    /// Virtual seconds until all had come to rest.
    pub virtual_seconds: u64,
    /// Virtual seconds from the end of faults until all had come to rest.
    pub settled_after_seconds: u64,
    /// The hash over all events and bytes.
    pub trace_hash: String,
    /// What an oracle found.
    pub failure: Option<Failure>,
}

/// What an oracle found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which oracle.
    pub oracle: String,
    /// What is wrong.
    pub what: String,
    /// The number of events up to then.
    pub step: u64,
    /// What led to it, the first cause first.
    pub chain: Vec<String>,
}

impl Report {
    /// Counts something that went wrong.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Whether all oracles were content.
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
        let attempts: Vec<String> =
            self.attempts.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        writeln!(formatter, "  dishonest homeserver: {}", attempts.join(", "))?;
        writeln!(
            formatter,
            "  {} events, {} operations, {} virtual seconds, at rest {} s after faults ended",
            self.events, self.operations, self.virtual_seconds, self.settled_after_seconds
        )?;
        writeln!(formatter, "  trace {}", self.trace_hash)?;
        self.failure.as_ref().map_or(Ok(()), |failure| failure.fmt(formatter))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  oracle {} at step {}: {}", self.oracle, self.step, self.what)?;
        self.chain.iter().try_for_each(|line| writeln!(formatter, "    {line}"))
    }
}
