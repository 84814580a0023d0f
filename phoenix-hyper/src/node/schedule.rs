//! The timers in a node's memory, ordered by time and bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoenix_core::{operation::Timer, time::Timestamp};
use tokio::sync::{Notify, Semaphore};

use super::limits::NodeLimits;

/// The most timers in memory. The ones due last are left to their rows.
const HELD: usize = 10_000;

/// The timers that this node knows of. Timers that wait for other homeservers have places of their own: a
/// hundred peers that hang delay no delivery to a queue here.
pub(super) struct Schedules {
    /// Timers that concern this homeserver alone.
    pub local: Schedule,
    /// Timers that wait for other homeservers.
    pub network: Schedule,
}

/// Timers of one kind, with a place for each that may run at once.
pub(super) struct Schedule {
    held: Mutex<Held>,
    /// Notified when the next timer may be another one.
    pub changed: Notify,
    pub places: Arc<Semaphore>,
}

/// The timers of a schedule, by time and by name.
#[derive(Default)]
pub(super) struct Held {
    by_time: BTreeSet<(Timestamp, Timer)>,
    by_timer: BTreeMap<Timer, Timestamp>,
    /// Timers under way. One that is woken meanwhile runs again after it has ended.
    pub running: BTreeSet<Timer>,
}

impl Held {
    fn remove(&mut self, timer: &Timer) {
        if let Some(due) = self.by_timer.remove(timer) {
            self.by_time.remove(&(due, timer.clone()));
        }
    }

    fn insert(&mut self, timer: Timer, due: Timestamp) {
        if self.by_timer.get(&timer).is_some_and(|known| *known <= due) {
            return;
        }
        self.remove(&timer);
        self.by_timer.insert(timer.clone(), due);
        self.by_time.insert((due, timer));
        if self.by_time.len() > HELD
            && let Some((_, last)) = self.by_time.pop_last()
        {
            self.by_timer.remove(&last);
        }
    }

    /// The next timer that is not under way, and when it is due. A timer never takes two places: a peer that
    /// hangs delays no other, however much waits for it.
    pub fn next(&self) -> Option<&(Timestamp, Timer)> {
        self.by_time.iter().find(|(_, timer)| !self.running.contains(timer))
    }

    /// Takes the next timer that is due at `now`, which is under way from then on.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let (_, timer) = self.next().filter(|(due, _)| *due <= now)?.clone();
        self.remove(&timer);
        self.running.insert(timer.clone());
        Some(timer)
    }
}

impl Schedules {
    pub fn new(limits: &NodeLimits) -> Self {
        Self { local: Schedule::new(limits.timers), network: Schedule::new(limits.deliveries) }
    }

    /// Runs `timer` at `due`, or at the time it was woken for before, if that is earlier.
    pub fn wake(&self, timer: Timer, due: Timestamp) {
        let schedule = self.of(&timer);
        schedule.held().insert(timer, due);
        schedule.changed.notify_one();
    }

    /// Wakes the loops, which then check whether the node drains.
    pub fn wake_loops(&self) {
        self.local.changed.notify_one();
        self.network.changed.notify_one();
    }

    /// Returns the number of timers in memory.
    pub fn count(&self) -> usize {
        self.local.held().by_time.len() + self.network.held().by_time.len()
    }

    /// The schedule that a timer belongs to.
    pub fn of(&self, timer: &Timer) -> &Schedule {
        match timer {
            Timer::Deliver(_) => &self.network,
            Timer::Distribute(_) | Timer::Sweep => &self.local,
        }
    }
}

impl Schedule {
    fn new(places: usize) -> Self {
        Self { held: Mutex::default(), changed: Notify::new(), places: Arc::new(Semaphore::new(places)) }
    }

    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::identifiers::{Domain, StreamName};

    use super::*;

    fn timer(number: usize) -> Timer {
        let destination: Domain = format!("d{number}.example").parse().unwrap();
        Timer::Deliver(StreamName { destination, shard: 0 })
    }

    fn at(milliseconds: usize) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds as u64)
    }

    #[test]
    fn the_earliest_word_counts_and_each_timer_is_held_once() {
        let mut held = Held::default();
        held.insert(timer(1), at(30));
        held.insert(timer(1), at(10));
        held.insert(timer(1), at(20));
        held.insert(timer(2), at(15));
        assert_eq!(held.take_due(at(9)), None);
        assert_eq!(held.take_due(at(40)), Some(timer(1)));
        assert_eq!(held.take_due(at(40)), Some(timer(2)));
        assert_eq!(held.take_due(at(40)), None);
    }

    #[test]
    fn a_timer_under_way_takes_no_second_place_and_comes_again_after() {
        let mut held = Held::default();
        held.insert(timer(1), at(10));
        assert_eq!(held.take_due(at(20)), Some(timer(1)));
        held.insert(timer(1), at(11));
        held.insert(timer(2), at(12));
        assert_eq!(held.next(), Some(&(at(12), timer(2))));
        assert_eq!(held.take_due(at(20)), Some(timer(2)));
        assert_eq!(held.take_due(at(20)), None);
        held.running.remove(&timer(1));
        assert_eq!(held.take_due(at(20)), Some(timer(1)), "what was said meanwhile is not forgotten");
    }

    #[test]
    fn the_timer_due_last_is_left_to_its_row() {
        let mut held = Held::default();
        for number in 0..HELD + 10 {
            held.insert(timer(number), at(number));
        }
        assert_eq!(held.by_time.len(), HELD);
        assert_eq!(held.by_timer.len(), HELD);
        assert_eq!(held.by_time.last(), Some(&(at(HELD - 1), timer(HELD - 1))));
    }
}
