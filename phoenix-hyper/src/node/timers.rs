//! When timers run: what this node knows of, in memory and bounded; and what rows say, looked at from time to time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use phoenix_core::{
    homeserver::Input,
    operation::Timer,
    store::{Key, Reads},
    time::Timestamp,
    timers,
};
use tokio::sync::{Notify, Semaphore};

use super::{Environment, Node, NodeLimits};
use crate::store::{Store, StoreError};

/// How many timers are held in memory. Those that are due last are left to their rows.
const HELD: usize = 10_000;

/// How many rows are looked at in one reading.
const PAGE: usize = 256;

/// The timers that this node knows of. Those that wait for other homeservers have places of their own: a hundred
/// peers that hang hold up no delivery to a queue here.
pub(super) struct Schedules {
    here: Schedule,
    network: Schedule,
}

/// Timers of one kind, and how many may run at once.
pub(super) struct Schedule {
    held: Mutex<Held>,
    changed: Notify,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Held {
    by_time: BTreeSet<(Timestamp, Timer)>,
    by_timer: BTreeMap<Timer, Timestamp>,
    /// Under way: what is said of them meanwhile is kept until they are over.
    running: BTreeSet<Timer>,
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

    /// The next that is not under way, and when it is due. A timer never takes two places: however much there is to
    /// be delivered to a peer that hangs, it holds up no other.
    fn next(&self) -> Option<&(Timestamp, Timer)> {
        self.by_time.iter().find(|(_, timer)| !self.running.contains(timer))
    }

    fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let (_, timer) = self.next().filter(|(due, _)| *due <= now)?.clone();
        self.remove(&timer);
        self.running.insert(timer.clone());
        Some(timer)
    }
}

impl Schedules {
    pub fn new(limits: &NodeLimits) -> Self {
        Self { here: Schedule::new(limits.timers), network: Schedule::new(limits.deliveries) }
    }

    /// Has `timer` run at `due`, or when it is due already by what was said before, if that is earlier.
    pub fn wake(&self, timer: Timer, due: Timestamp) {
        let schedule = self.of(&timer);
        schedule.held().insert(timer, due);
        schedule.changed.notify_one();
    }

    /// Has the loops look at the node's state.
    pub fn stir(&self) {
        self.here.changed.notify_one();
        self.network.changed.notify_one();
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.here.held().by_time.len() + self.network.held().by_time.len()
    }

    fn of(&self, timer: &Timer) -> &Schedule {
        match timer {
            Timer::Deliver(_) => &self.network,
            Timer::Distribute(_) | Timer::Sweep => &self.here,
        }
    }
}

impl Schedule {
    fn new(places: usize) -> Self {
        Self { held: Mutex::default(), changed: Notify::new(), places: Arc::new(Semaphore::new(places)) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs timers until the node drains.
pub(super) async fn run<S: Store, E: Environment>(node: Node<S, E>) {
    let schedules = &node.0.schedules;
    tokio::join!(
        look_from_time_to_time(&node),
        fire(&node, &schedules.here),
        fire(&node, &schedules.network)
    );
}

async fn look_from_time_to_time<S: Store, E: Environment>(node: &Node<S, E>) {
    while !node.is_draining() {
        if let Err(error) = look_at_rows(node).await {
            tracing::error!(%error, "timers cannot be read");
        }
        tokio::select! {
            () = tokio::time::sleep(node.0.limits.poll) => {}
            () = node.drains() => {}
        }
    }
}

async fn fire<S: Store, E: Environment>(node: &Node<S, E>, schedule: &Schedule) {
    while !node.is_draining() {
        start_due(node, schedule).await;
        let next = schedule.held().next().map(|(due, _)| *due);
        // Without a timer, until there is one.
        let wait = next.map_or(Duration::MAX, |due| due - node.0.environment.now());
        tokio::select! {
            () = schedule.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn start_due<S: Store, E: Environment>(node: &Node<S, E>, schedule: &Schedule) {
    loop {
        let now = node.0.environment.now();
        // What is due while all places are taken stays where newer words on it are heard.
        let Ok(place) = Arc::clone(&schedule.places).acquire_owned().await else { return };
        if node.is_draining() {
            return;
        }
        let Some(timer) = schedule.held().take_due(now) else { return };
        let running = Running { node: node.clone(), timer };
        tokio::spawn(async move {
            running.node.run(Input::Timer(&running.timer)).await;
            drop(place);
        });
    }
}

/// A timer that is under way for as long as this lives, also if serving it panics.
struct Running<S: Store, E: Environment> {
    node: Node<S, E>,
    timer: Timer,
}

impl<S: Store, E: Environment> Drop for Running<S, E> {
    fn drop(&mut self) {
        let schedule = self.node.0.schedules.of(&self.timer);
        schedule.held().running.remove(&self.timer);
        schedule.changed.notify_one();
    }
}

/// Schedules what rows say, page by page.
async fn look_at_rows<S: Store, E: Environment>(node: &Node<S, E>) -> Result<(), StoreError> {
    let mut scan = timers::scan(PAGE);
    loop {
        let found = node.0.store.read(Reads { keys: Vec::new(), scans: vec![scan.clone()] }).await?;
        let keys: Vec<Key> = found.scans.into_iter().flat_map(|(_, keys)| keys).collect();
        let Some(last) = keys.last() else { return Ok(()) };
        // Just behind the last.
        scan.first = [last.to_bytes(), vec![0]].concat();
        let page = keys.len();
        let found = node.0.store.read(Reads { keys, scans: Vec::new() }).await?;
        for (key, row) in found.rows {
            if let Some((timer, due)) = row.and_then(|row| timers::from_row(&key, &row)) {
                node.0.schedules.wake(timer, due);
            }
        }
        if page < PAGE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::{federation::outbox::StreamName, identifiers::Domain};

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
    fn what_is_due_last_is_left_to_its_row() {
        let mut held = Held::default();
        for number in 0..HELD + 10 {
            held.insert(timer(number), at(number));
        }
        assert_eq!(held.by_time.len(), HELD);
        assert_eq!(held.by_timer.len(), HELD);
        assert_eq!(held.by_time.last(), Some(&(at(HELD - 1), timer(HELD - 1))));
    }
}
