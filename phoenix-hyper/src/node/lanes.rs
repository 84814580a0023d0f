//! Lanes: operations that contend for the same rows take turns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoenix_core::operation::Lane;
use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

/// The lanes that are not empty.
pub(super) struct Lanes {
    queues: Mutex<BTreeMap<Vec<u8>, Queue>>,
    limit: usize,
}

/// A lane, and the number of places taken in it.
#[derive(Default)]
struct Queue {
    turn: Arc<FairMutex<()>>,
    places: usize,
}

/// A place in a lane.
pub(super) struct Place<'a> {
    lanes: &'a Lanes,
    /// `None` for an operation without a lane.
    lane: Option<(Vec<u8>, Arc<FairMutex<()>>)>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Lanes {
    pub fn new(limit: usize) -> Self {
        Self { queues: Mutex::default(), limit }
    }

    /// Takes the last place of a lane; `None` if the lane is full and `bounded`.
    pub fn enter(&self, lane: &Lane, bounded: bool) -> Option<Place<'_>> {
        let Lane::Of(name) = lane else { return Some(Place { lanes: self, lane: None, turn: None }) };
        let mut queues = self.queues();
        let places = queues.get(name).map_or(0, |queue| queue.places);
        if bounded && places >= self.limit {
            return None;
        }
        let queue = queues.entry(name.clone()).or_default();
        queue.places += 1;
        Some(Place { lanes: self, lane: Some((name.clone(), Arc::clone(&queue.turn))), turn: None })
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits until all places before are free.
    pub async fn turn(mut self) -> Self {
        if let Some((_, queue)) = &self.lane {
            self.turn = Some(Arc::clone(queue).lock_owned().await);
        }
        self
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let Some((name, _)) = self.lane.take() else { return };
        let mut queues = self.lanes.queues();
        let Some(queue) = queues.get_mut(&name) else { return };
        queue.places -= 1;
        if queue.places == 0 {
            queues.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_is_first_in_first_out_and_forgotten_when_empty() {
        let lanes = Lanes::new(10);
        let lane = Lane::Of(vec![1]);
        let order = Mutex::new(Vec::new());
        let first = lanes.enter(&lane, true).unwrap().turn().await;
        let turn = async |number: u8| {
            let _turn = lanes.enter(&lane, true).unwrap().turn().await;
            order.lock().unwrap().push(number);
        };
        let leave = async {
            tokio::task::yield_now().await;
            assert!(order.lock().unwrap().is_empty(), "no place is overtaken");
            drop(first);
        };
        tokio::join!(turn(1), turn(2), turn(3), leave);
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert!(lanes.queues().is_empty());
    }

    #[tokio::test]
    async fn other_lanes_are_not_held_up() {
        let lanes = Lanes::new(10);
        let _first = lanes.enter(&Lane::Of(vec![1]), true).unwrap().turn().await;
        let _second = lanes.enter(&Lane::Of(vec![2]), true).unwrap().turn().await;
        let _free = lanes.enter(&Lane::Free, true).unwrap().turn().await;
        let _free_too = lanes.enter(&Lane::Free, true).unwrap().turn().await;
    }

    #[tokio::test]
    async fn a_full_lane_takes_no_more() {
        let lanes = Lanes::new(2);
        let lane = Lane::Of(vec![1]);
        let first = lanes.enter(&lane, true).unwrap().turn().await;
        let _second = lanes.enter(&lane, true).unwrap();
        assert!(lanes.enter(&lane, true).is_none());
        assert!(lanes.enter(&lane, false).is_some(), "timers are not turned away");
        drop(first);
        assert!(lanes.enter(&lane, true).is_some());
    }
}
