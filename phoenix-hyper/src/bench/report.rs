//! The figures, and the progress on the way to them.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use serde::Serialize;

/// The figures of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Throughput, one entry for each size of group.
    pub deliveries: Vec<Deliveries>,
    /// Latency of single messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Recovery after a homeserver was down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// Resident memory of each homeserver before the first user registered.
    pub idle_memory_mebibytes: Vec<f64>,
    /// Resident memory of each homeserver after throughput and latency were measured.
    pub memory_mebibytes: Vec<f64>,
}

/// Throughput of deliveries from one homeserver to others. Every delivery was checked: a message that is
/// missing, duplicated or out of order fails the bench.
#[derive(Debug, Serialize)]
pub struct Deliveries {
    /// Recipients of each message.
    pub recipients: usize,
    /// Groups written to at the same time, each by a sender of its own.
    pub groups: usize,
    /// Messages sent.
    pub messages: usize,
    /// Deliveries: messages times recipients.
    pub deliveries: usize,
    /// Time from the first sending until every message is read and acknowledged.
    pub seconds: f64,
    /// Deliveries per second.
    pub deliveries_per_second: f64,
    /// Processor time of all homeservers together, for 1000 deliveries.
    pub cpu_seconds_per_1000_deliveries: f64,
}

/// Latency of single messages, from sending to decryption.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// Messages sent.
    pub messages: usize,
    /// Messages sent each second.
    pub per_second: u32,
    /// The median.
    pub p50_milliseconds: f64,
    /// The 99th percentile.
    pub p99_milliseconds: f64,
}

/// Recovery after a homeserver was down.
#[derive(Debug, Serialize)]
pub struct Outage {
    /// Messages sent while it was down. All came, in order, once.
    pub messages: usize,
    /// Time from its first answer until the last message is decrypted.
    pub seconds_after_return: f64,
}

impl fmt::Display for Deliveries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "to {:>3} recipients: {:>8.0} deliveries/s, {:.3} CPU seconds per 1000 ({} deliveries in {} s)",
            self.recipients,
            self.deliveries_per_second,
            self.cpu_seconds_per_1000_deliveries,
            self.deliveries,
            self.seconds
        )
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, p50_milliseconds, p99_milliseconds, .. } = self;
        write!(formatter, "at {per_second} messages/s: p50 {p50_milliseconds} ms, p99 {p99_milliseconds} ms")
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, seconds_after_return } = self;
        write!(
            formatter,
            "after an outage: {messages} messages all there {seconds_after_return} s after the return"
        )
    }
}

/// Rounds to three decimals: the measurement has no more.
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// What the bench prints for people while it runs. Machines read the figures at the end.
pub struct Story {
    printed: bool,
    watched: bool,
}

impl Story {
    /// With `printed`, lines appear on standard output.
    pub fn new(printed: bool) -> Self {
        Self { printed, watched: io::stderr().is_terminal() }
    }

    /// Prints a line.
    pub fn tell(&self, line: &str) {
        if self.printed {
            // Fails only if the output is closed.
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
    }

    /// Begins a phase of `total` steps.
    pub fn progress(&self, what: &'static str, total: usize) -> Progress {
        let (done, shown) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Progress { what, total, done, shown, begun: Instant::now(), watched: self.watched }
    }
}

/// The progress of a phase, shown on standard error if that is a terminal.
pub struct Progress {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
    /// When it was last shown, in tenths of a second since the beginning.
    shown: AtomicUsize,
    begun: Instant,
    watched: bool,
}

impl Progress {
    /// Counts one step as done.
    pub fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let now = (self.begun.elapsed().as_millis() / 100) as usize;
        if self.watched && self.shown.swap(now, Ordering::Relaxed) != now {
            let mut output = io::stderr().lock();
            let _ = write!(output, "\r\x1b[K{}: {done} of {}", self.what, self.total);
            let _ = output.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.watched {
            let mut output = io::stderr().lock();
            let _ = write!(output, "\r\x1b[K");
            let _ = output.flush();
        }
    }
}
