//! What is to happen, in the order of virtual time and, within one millisecond, of being scheduled.

use std::collections::BTreeMap;

use phoenix_core::time::Timestamp;

/// The number of an event: events are numbered as they are scheduled.
pub type EventNumber = u64;

/// Events to come.
#[derive(Debug)]
pub struct Schedule<E> {
    queue: BTreeMap<(Timestamp, EventNumber), Scheduled<E>>,
    next: EventNumber,
}

/// An event and the one that brought it about.
#[derive(Debug)]
pub struct Scheduled<E> {
    /// When it happens.
    pub due: Timestamp,
    /// Its number.
    pub number: EventNumber,
    /// The event during which it was scheduled; 0 for those that were planned.
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
    /// Has `event` happen at `due`.
    pub fn add(&mut self, due: Timestamp, cause: EventNumber, event: E) -> EventNumber {
        let number = self.next;
        self.next += 1;
        self.queue.insert((due, number), Scheduled { due, number, cause, event });
        number
    }

    /// Takes out what happens next.
    pub fn take(&mut self) -> Option<Scheduled<E>> {
        self.queue.pop_first().map(|(_, scheduled)| scheduled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_then_of_scheduling() {
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
