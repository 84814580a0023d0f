//! The figures, and word of what is under way.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use serde::Serialize;

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// By the number of recipients of a message.
    pub deliveries: Vec<Deliveries>,
    /// Of single messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// After a homeserver was away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// Resident memory of each homeserver before anybody came.
    pub idle_memory_mebibytes: Vec<f64>,
    /// Resident memory of each homeserver after the work.
    pub memory_mebibytes: Vec<f64>,
}

/// Deliveries from one homeserver to others, as many at once as they can take. Every one was checked: where a message
/// is missing, comes twice or out of order, there are no figures but a failure.
#[derive(Debug, Serialize)]
pub struct Deliveries {
    /// Recipients of each message.
    pub recipients: usize,
    /// Groups written to at the same time, each by a sender of its own.
    pub groups: usize,
    /// Messages sent.
    pub messages: usize,
    /// Deliveries: each message, once for each recipient.
    pub deliveries: usize,
    /// From the first sending until everything is read and acknowledged.
    pub seconds: f64,
    /// Deliveries in each of them.
    pub deliveries_per_second: f64,
    /// Processor time of all homeservers together.
    pub cpu_seconds_per_1000_deliveries: f64,
}

/// How long single messages take, from sending to being read in the clear.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// Messages sent.
    pub messages: usize,
    /// How many a second.
    pub per_second: u32,
    /// Half of them were faster.
    pub p50_milliseconds: f64,
    /// All but one in a hundred were faster.
    pub p99_milliseconds: f64,
}

/// How soon everything is there when a homeserver comes back.
#[derive(Debug, Serialize)]
pub struct Outage {
    /// Messages sent while it was away, all of which came, in order, once.
    pub messages: usize,
    /// From its first answer until the last message is read in the clear.
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

/// Three digits behind the point: more is not measured.
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Tells people what happens; machines read the figures at the end.
pub struct Story {
    told: bool,
    watched: bool,
}

impl Story {
    /// `told`: whether lines are told on standard output.
    pub fn new(told: bool) -> Self {
        Self { told, watched: io::stderr().is_terminal() }
    }

    /// A line.
    pub fn tell(&self, line: &str) {
        if self.told {
            // Whoever closes the output does not want to know.
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
    }

    /// Begins something of `total` steps that takes its time.
    pub fn progress(&self, what: &'static str, total: usize) -> Progress {
        let (done, shown) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Progress { what, total, done, shown, begun: Instant::now(), watched: self.watched }
    }
}

/// Something that takes its time: shown on standard error, where somebody watches.
pub struct Progress {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
    /// Tenths of a second at which it was last shown.
    shown: AtomicUsize,
    begun: Instant,
    watched: bool,
}

impl Progress {
    /// One step is done.
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
