//! PROTOCOL.md §9, Key distribution — equal questions under way at the same time are one.
//!
//! A driver's part: operations that wait for the same answer of another homeserver share one exchange.

use std::collections::BTreeMap;

use super::step::Ask;

/// Who waits for which answer.
///
/// ```
/// use phoenix_core::{federation::single_flight::SingleFlight, operation::{Ask, Service}};
/// let ask = Ask { domain: "example.com".parse().unwrap(), service: Service::Queuing, request: vec![1] };
/// let mut flights = SingleFlight::new();
/// assert!(flights.join(ask.clone(), "first"), "the first one asks");
/// assert!(!flights.join(ask.clone(), "second"), "the second one waits with it");
/// assert_eq!(flights.complete(&ask), ["first", "second"]);
/// ```
#[derive(Debug)]
pub struct SingleFlight<W> {
    waiting: BTreeMap<Ask, Vec<W>>,
}

impl<W> SingleFlight<W> {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self { waiting: BTreeMap::new() }
    }

    /// `waiter` waits for the answer to `ask`. Whether it is the first to, and so the one to ask.
    pub fn join(&mut self, ask: Ask, waiter: W) -> bool {
        let waiting = self.waiting.entry(ask).or_default();
        waiting.push(waiter);
        waiting.len() == 1
    }

    /// The answer to `ask` is there, or there will be none: gives all who waited, in the order that they came.
    pub fn complete(&mut self, ask: &Ask) -> Vec<W> {
        self.waiting.remove(ask).unwrap_or_default()
    }

    /// How many answers are waited for.
    pub fn under_way(&self) -> usize {
        self.waiting.len()
    }
}

impl<W> Default for SingleFlight<W> {
    fn default() -> Self {
        Self::new()
    }
}
