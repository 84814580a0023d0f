//! The output of the demonstration, while it runs and at its end.

use std::{
    collections::BTreeMap,
    future::Future,
    io::{self, IsTerminal, Write},
    pin::pin,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::time::{self, MissedTickBehavior};

use crate::local::Failure;

/// A step that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {failure}")]
pub struct StepFailed {
    /// The name of the step.
    pub step: String,
    /// What was observed.
    pub failure: Failure,
}

/// The figures at the end of the demonstration.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// Messages that reached a recipient, counted once for each.
    pub delivered: u64,
    /// Acknowledged messages that did not reach a recipient.
    pub lost: u64,
    /// Messages that arrived again, and superfluous entries of queues.
    pub duplicated: u64,
    /// The attacks, by name, with the victim's answer.
    pub refused: BTreeMap<String, String>,
    /// The duration of the demonstration.
    pub seconds: f64,
    /// The step that failed, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedStep>,
}

/// The step that failed, in the figures.
#[derive(Debug, Serialize)]
pub struct FailedStep {
    /// The name of the step.
    pub step: String,
    /// What was observed.
    pub seen: String,
}

/// Prints the steps: on standard output, unless that is for the JSON object; and progress on standard error,
/// if that is a terminal or a step takes long.
pub struct Report {
    json: bool,
    watched: bool,
    begun: Instant,
    /// The figures so far.
    pub figures: Figures,
}

/// Between two lines about the progress of a step.
const TICK: Duration = Duration::from_secs(1);

impl Report {
    /// Begins a report. With `json`, only the figures are printed, as one JSON object.
    pub fn new(json: bool) -> Self {
        let watched = io::stderr().is_terminal();
        Self { json, watched, begun: Instant::now(), figures: Figures::default() }
    }

    /// Runs a step and prints its result.
    ///
    /// # Errors
    /// [`StepFailed`] if the step does not hold.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<(T, String), Failure>>,
    ) -> Result<T, StepFailed> {
        let begun = Instant::now();
        let mut work = pin!(work);
        let mut tick = time::interval_at(time::Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if self.watched {
            self.progress(name, begun);
        }
        let result = loop {
            tokio::select! {
                result = work.as_mut() => break result,
                _ = tick.tick() => self.progress(name, begun),
            }
        };
        self.clear_progress();
        match result {
            Ok((value, result)) => {
                let seconds = begun.elapsed().as_secs_f64();
                self.tell(&format!("{seconds:>7.3} s  {name}\n{:>11}{result}", ""));
                Ok(value)
            }
            Err(failure) => Err(StepFailed { step: name.to_owned(), failure }),
        }
    }

    /// Prints a line, unless the output is JSON.
    pub fn tell(&self, line: &str) {
        if !self.json {
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
    }

    fn progress(&self, name: &str, begun: Instant) {
        let seconds = begun.elapsed().as_secs();
        let mut output = io::stderr().lock();
        let _ = match self.watched {
            true => write!(output, "\r\x1b[K{name} … {seconds} s"),
            false => writeln!(output, "{name} … {seconds} s"),
        };
        let _ = output.flush();
    }

    fn clear_progress(&self) {
        if self.watched {
            let mut output = io::stderr().lock();
            let _ = write!(output, "\r\x1b[K");
            let _ = output.flush();
        }
    }

    /// Prints the end. Returns whether every step held.
    pub fn end(mut self, result: Result<(), StepFailed>) -> bool {
        self.figures.seconds = (self.begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let failed = result.err().map(|StepFailed { step, failure }| FailedStep { step, seen: failure.0 });
        let Self { json, figures, .. } = &mut self;
        figures.failed = failed;
        let mut output = io::stdout().lock();
        if *json {
            let line = serde_json::to_string(figures).unwrap_or_default();
            let _ = writeln!(output, "{line}");
        } else {
            let Figures { delivered, lost, duplicated, refused, seconds, failed } = &*figures;
            let _ = match failed {
                None => writeln!(
                    output,
                    "\n{delivered} deliveries, {lost} lost, {duplicated} duplicated; {} of 5 attacks came to nothing; {seconds} s",
                    refused.len()
                ),
                Some(FailedStep { step, seen }) => {
                    writeln!(output, "\nFAILED after {seconds} s, at “{step}”\n{seen}")
                }
            };
        }
        figures.failed.is_none()
    }
}
