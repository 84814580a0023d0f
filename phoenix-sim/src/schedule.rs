//! The events to come, in the order of virtual time and, within one millisecond, in that of being scheduled.

use std::collections::BTreeMap;

use phoenix_core::time::Timestamp;

/// The number of an event. Events are numbered from 1 as they are scheduled.
pub type EventNumber = u64;

/// A queue of events `E`.
#[derive(Debug)]
pub struct Schedule<E> {
    queue: BTreeMap<(Timestamp, EventNumber), Scheduled<E>>,
    next: EventNumber,
}

/// A scheduled event.
#[derive(Debug)]
pub struct Scheduled<E> {
    /// When it happens.
    pub due: Timestamp,
    /// Its number.
    pub number: EventNumber,
    /// The event during which it was scheduled; 0 if the plan scheduled it.
    pub cause: EventNumber,
    /// What happens.
    pub event: E,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), next: 1 }
    }
}

impl<E> Schedule<E> {
    /// Schedules `event` for `due` and returns its number.
    pub fn add(&mut self, due: Timestamp, cause: EventNumber, event: E) -> EventNumber {
        let number = self.next;
        self.next += 1;
        self.queue.insert((due, number), Scheduled { due, number, cause, event });
        number
    }

    /// Removes and returns the next event. `None` if none is scheduled.
    pub fn take(&mut self) -> Option<Scheduled<E>> {
        self.queue.pop_first().map(|(_, scheduled)| scheduled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_in_the_order_of_time_then_of_scheduling() {
        let mut schedule = Schedule::default();
        let at = Timestamp::from_milliseconds;
        for (due, event) in [(5, 'b'), (1, 'a'), (5, 'c')] {
            schedule.add(at(due), 0, event);
        }
        let order: Vec<char> =
            std::iter::from_fn(|| schedule.take()).map(|scheduled| scheduled.event).collect();
        assert_eq!(order, ['a', 'b', 'c']);
    }
}
