//! PROTOCOL.md §9, Key distribution — equal questions under way at the same time are one. A driver's part:
//! operations that wait for the same answer of another homeserver share one exchange.

use std::collections::BTreeMap;

use super::step::Ask;

/// The operations that wait for each answer of another homeserver. `W` is what the driver knows one by.
///
/// ```
/// use phoenix_core::{operation::{Ask, single_flight::SingleFlight}, wire::operations::Service};
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
    /// No operation waits.
    pub const fn new() -> Self {
        Self { waiting: BTreeMap::new() }
    }

    /// Has `waiter` wait for the answer to `ask`. Returns whether it is the first to wait, and so the one to
    /// ask.
    pub fn join(&mut self, ask: Ask, waiter: W) -> bool {
        let waiting = self.waiting.entry(ask).or_default();
        waiting.push(waiter);
        waiting.len() == 1
    }

    /// Ends the waiting for `ask`: the answer is there, or there will be none. Returns all that waited, in
    /// the order in which they came.
    pub fn complete(&mut self, ask: &Ask) -> Vec<W> {
        self.waiting.remove(ask).unwrap_or_default()
    }

    /// How many answers are waited for just now.
    pub fn under_way(&self) -> usize {
        self.waiting.len()
    }
}

impl<W> Default for SingleFlight<W> {
    fn default() -> Self {
        Self::new()
    }
}
