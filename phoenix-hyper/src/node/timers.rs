//! The loops that run timers: those in memory when they are due, and those in rows, found from time to time.

use std::{sync::Arc, time::Duration};

use phoenix_core::{
    dispatch::Input,
    operation::{Timer, timers},
    store::{Key, Reads},
};

use super::{environment::Environment, schedule::Schedule, state::Node};
use crate::store::{Store, StoreError};

/// Rows read at once.
const PAGE: usize = 256;

/// Runs timers until the node drains.
pub(super) async fn run<S: Store, E: Environment>(node: Node<S, E>) {
    let schedules = &node.0.schedules;
    tokio::join!(poll_rows(&node), fire(&node, &schedules.local), fire(&node, &schedules.network));
}

async fn poll_rows<S: Store, E: Environment>(node: &Node<S, E>) {
    while !node.is_draining() {
        if let Err(error) = load_rows(node).await {
            tracing::error!(%error, "timers cannot be read");
        }
        tokio::select! {
            () = tokio::time::sleep(node.0.limits.poll) => {}
            () = node.drain_begun() => {}
        }
    }
}

async fn fire<S: Store, E: Environment>(node: &Node<S, E>, schedule: &Schedule) {
    while !node.is_draining() {
        start_due(node, schedule).await;
        let next = schedule.held().next().map(|(due, _)| *due);
        // Without a timer, until one is scheduled.
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
        // A timer that is due while all places are taken stays in the schedule, where it can be woken again.
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

/// A timer that is under way for as long as this lives, even if running it panics.
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

/// Schedules the timers in rows, page by page.
async fn load_rows<S: Store, E: Environment>(node: &Node<S, E>) -> Result<(), StoreError> {
    let mut scan = timers::scan(PAGE);
    let (now, times) = (node.0.environment.now(), &node.0.homeserver.config().times);
    loop {
        let found = node.0.store.read(Reads { keys: Vec::new(), scans: vec![scan.clone()] }).await?;
        let keys: Vec<Key> = found.scans.into_iter().flat_map(|(_, keys)| keys).collect();
        let Some(last) = keys.last() else { return Ok(()) };
        // The first key after the last one found.
        scan.first = [last.to_bytes(), vec![0]].concat();
        let page = keys.len();
        let found = node.0.store.read(Reads { keys, scans: Vec::new() }).await?;
        for (key, row) in found.rows {
            if let Some((timer, due)) = row.and_then(|row| timers::from_row(&key, &row, now, times)) {
                node.0.schedules.wake(timer, due);
            }
        }
        if page < PAGE {
            return Ok(());
        }
    }
}
