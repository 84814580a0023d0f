//! A node: drives a homeserver's operations over a store.
//!
//! Operations of one lane run first in, first out; everything else runs at once. Timers are found in the store
//! when the node starts, and wake themselves from then on.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use phoenix_core::{
    error::PeerFailure,
    homeserver::{Homeserver, Input},
    operation::{Ask, Effect, Lane, Operation, Outcome, Step, Timer},
    store::{Reads, Settlement},
    time::Timestamp,
    timers,
};
use tokio::sync::Mutex as FairMutex;

use crate::store::{Store, StoreError};

/// What a node is given besides a store: the world around it.
pub trait Surroundings: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// 32 bytes that no other call gets, from the system's generator.
    fn seed(&self) -> [u8; 32];

    /// Asks another homeserver. The request may be sent any number of times.
    fn ask(&self, ask: Ask) -> impl Future<Output = Result<Vec<u8>, PeerFailure>> + Send;

    /// Something happened that concerns the node's operator or a connected client.
    fn effect(&self, effect: Effect);
}

/// A homeserver at work. Cheap to clone.
pub struct Node<S, W>(Arc<Inner<S, W>>);

impl<S, W> Clone for Node<S, W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<S, W> {
    homeserver: Homeserver,
    store: S,
    surroundings: W,
    lanes: Mutex<BTreeMap<Lane, Weak<FairMutex<()>>>>,
}

impl<S: Store, W: Surroundings> Node<S, W> {
    /// A node of `homeserver` on `store`. Call [`Node::start`] to have its timers run.
    pub fn new(homeserver: Homeserver, store: S, surroundings: W) -> Self {
        Self(Arc::new(Inner { homeserver, store, surroundings, lanes: Mutex::default() }))
    }

    /// Finds what is due in the store, and has it run: to be called once, inside of a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn start(&self) -> Result<(), StoreError> {
        let scans = vec![timers::scan(usize::MAX)];
        let found = self.0.store.read(Reads { keys: Vec::new(), scans }).await?;
        let keys = found.scans.into_iter().flat_map(|(_, keys)| keys).collect();
        let found = self.0.store.read(Reads { keys, scans: Vec::new() }).await?;
        for (key, row) in found.rows {
            if let Some((timer, due)) = row.and_then(|row| timers::from_row(&key, &row)) {
                self.wake(timer, due);
            }
        }
        self.wake(timers::SWEEP, self.0.surroundings.now());
        Ok(())
    }

    /// Serves the bytes of a request. The answer is there once all that it says is durable.
    pub async fn serve(&self, request: &[u8]) -> Vec<u8> {
        self.run(Input::Request(request)).await.unwrap_or_default()
    }

    async fn run(&self, input: Input<'_>) -> Option<Vec<u8>> {
        let inner = &self.0;
        let mut operation =
            inner.homeserver.accept(input, inner.surroundings.now(), inner.surroundings.seed());
        let lane = self.lane(operation.lane());
        let _turn = match &lane {
            Some(lane) => Some(lane.lock().await),
            None => None,
        };
        let Outcome { reply, effects } = self.drive(&mut operation).await;
        for effect in effects {
            match effect {
                Effect::Wake { timer, due } => self.wake(timer, due),
                other => inner.surroundings.effect(other),
            }
        }
        reply
    }

    /// Takes an operation to its end.
    async fn drive(&self, operation: &mut Operation) -> Outcome {
        let inner = &self.0;
        loop {
            match operation.poll() {
                Step::Read(reads) => match inner.store.read(reads).await {
                    Ok(rows) => operation.supply(rows),
                    Err(_) => operation.give_up(),
                },
                Step::Ask(ask) => operation.answer(inner.surroundings.ask(ask).await),
                Step::Commit(commit) => {
                    let settlement = inner.store.commit(commit).await;
                    if settlement != Settlement::Committed {
                        // Whoever was faster is done soon.
                        tokio::task::yield_now().await;
                    }
                    operation.settle(settlement);
                }
                Step::Done(outcome) => return outcome,
            }
        }
    }

    /// Has `timer` run when it is due.
    fn wake(&self, timer: Timer, due: Timestamp) {
        let node = self.clone();
        let wait: Duration = due - self.0.surroundings.now();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            Box::pin(node.run(Input::Timer(&timer))).await;
        });
    }

    /// The lock of a lane; it lives as long as somebody holds or waits for it.
    fn lane(&self, lane: &Lane) -> Option<Arc<FairMutex<()>>> {
        if *lane == Lane::Free {
            return None;
        }
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = lanes.get(lane).and_then(Weak::upgrade) {
            return Some(lock);
        }
        lanes.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(FairMutex::new(()));
        lanes.insert(lane.clone(), Arc::downgrade(&lock));
        Some(lock)
    }
}
