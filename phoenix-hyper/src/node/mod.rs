//! A node: drives a homeserver's operations over a store.
//!
//! * [`lanes`](self): operations of one lane run first in, first out; everything else runs at once, up to a bound.
//! * Timers are rows: found in the store when the node starts, and from time to time; what this node schedules, it
//!   wakes for by itself.
//! * Operations run on a runtime of their own, so that cryptography never holds up the threads that serve sockets.

mod asking;
mod drive;
mod lanes;
mod listeners;
mod timers;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use phoenix_core::{
    error::{PeerFailure, Refusal},
    homeserver::{Homeserver, Input},
    operation::{Ask, Effect, Report},
    time::Timestamp,
    timers::SWEEP,
    wire::{envelope::ResponseEnvelope, operations::OperationKind},
};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, broadcast::error::RecvError, watch},
};

pub use self::listeners::Listener;
use self::{asking::Asking, drive::Commits, lanes::Lanes, listeners::Listeners, timers::Schedules};
use crate::store::{News, Notice, Store};

/// What a node is given besides a store: the world around it.
pub trait Environment: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// 32 bytes that no other call gets, from the system's generator.
    fn seed(&self) -> [u8; 32];

    /// Asks another homeserver. The request may be sent any number of times.
    fn ask(&self, ask: Ask) -> impl Future<Output = Result<Vec<u8>, PeerFailure>> + Send;

    /// Something that the operator should know.
    fn report(&self, report: Report);

    /// An operation is over. For measurements.
    fn observe(&self, _: &Observation) {}
}

/// How an operation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Whether it served a request, rather than a timer.
    pub request: bool,
    /// What the request asked for; `None` for a timer, and where no operation has the request's code.
    pub operation: Option<OperationKind>,
    /// The code of the refusal, where it ended in one.
    pub refusal: Option<u16>,
    /// Whether it committed anything.
    pub committed: bool,
    /// From its acceptance to its end, waiting for its turn included.
    pub elapsed: Duration,
    /// How often its commit met a conflict or an unknown outcome.
    pub retries: u32,
}

/// How much a node does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeLimits {
    /// Operations under way at once: enough that commits come in groups.
    pub operations: usize,
    /// Requests that are under way or wait for their turn; whoever comes on top is told to come back.
    pub requests: usize,
    /// Requests that wait for one lane, a group for example.
    pub requests_per_lane: usize,
    /// Timers under way at once, of those that concern this homeserver alone.
    pub timers: usize,
    /// Streams delivered at once, each waiting for another homeserver.
    pub deliveries: usize,
    /// Clients connected for signals.
    pub listeners: usize,
    /// How often rows are looked at for timers that this node has not heard of.
    pub poll: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            operations: 512,
            requests: 8192,
            requests_per_lane: 1024,
            timers: 64,
            deliveries: 256,
            listeners: 50_000,
            poll: Duration::from_secs(15),
        }
    }
}

/// A homeserver at work. Cheap to clone.
pub struct Node<S, E>(Arc<Inner<S, E>>);

impl<S, E> Clone for Node<S, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<S, E> {
    homeserver: Homeserver,
    store: S,
    environment: E,
    limits: NodeLimits,
    workers: Handle,
    lanes: Lanes,
    operations: Semaphore,
    /// Requests under way or waiting.
    requests: AtomicUsize,
    /// Operations of any kind under way or waiting, and who waits for there to be none.
    under_way: AtomicUsize,
    finished: Notify,
    draining: watch::Sender<bool>,
    schedules: Schedules,
    listeners: Arc<Listeners>,
    asking: Arc<Asking>,
}

impl<S: Store, E: Environment> Node<S, E> {
    /// A node of `homeserver` on `store` whose operations run on `workers`. Call [`Node::start`] to have its
    /// timers run.
    pub fn new(
        homeserver: Homeserver,
        store: S,
        environment: E,
        limits: NodeLimits,
        workers: Handle,
    ) -> Self {
        Self(Arc::new(Inner {
            homeserver,
            store,
            environment,
            limits,
            workers,
            lanes: Lanes::new(limits.requests_per_lane),
            operations: Semaphore::new(limits.operations),
            requests: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            finished: Notify::new(),
            draining: watch::Sender::new(false),
            schedules: Schedules::new(&limits),
            listeners: Arc::new(Listeners::new(limits.listeners)),
            asking: Arc::default(),
        }))
    }

    /// The homeserver.
    pub fn homeserver(&self) -> &Homeserver {
        &self.0.homeserver
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// The world around.
    pub fn environment(&self) -> &E {
        &self.0.environment
    }

    /// Operations under way or waiting for their turn, timers' included.
    pub fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::Acquire)
    }

    /// Clients that are connected for signals.
    pub fn listening(&self) -> usize {
        self.0.listeners.count()
    }

    /// Timers that are known to be due at some time.
    pub fn timers(&self) -> usize {
        self.0.schedules.count()
    }

    /// Has timers run, those found in the store first: to be called once.
    pub fn start(&self) {
        self.0.schedules.wake(SWEEP, self.0.environment.now());
        self.0.workers.spawn(timers::run(self.clone()));
        if let Some(mut notices) = self.0.store.notices() {
            let node = self.clone();
            self.0.workers.spawn(async move {
                loop {
                    let notice = tokio::select! {
                        notice = notices.recv() => notice,
                        () = node.drains() => break,
                    };
                    match notice {
                        Ok(Notice { from, .. }) if from == node.0.homeserver.config().node => {}
                        Ok(Notice { news: News::Wake { timer, due }, .. }) => {
                            node.0.schedules.wake(timer, due);
                        }
                        Ok(Notice { news: News::Signal(client), .. }) => node.0.listeners.signal(client),
                        // Rows say what was missed.
                        Err(RecvError::Lagged(_)) => node.0.listeners.signal_all(),
                        Err(RecvError::Closed) => break,
                    }
                }
            });
        }
    }

    /// Serves the bytes of a request. The answer is there once all that it says is durable. Dropping the future
    /// does not stop the operation.
    pub async fn serve(&self, request: Vec<u8>) -> Vec<u8> {
        self.request(request, ()).await.0
    }

    /// As [`Node::serve`]; `held` is kept until the operation is over, even if nobody waits for the answer: what the
    /// request was counted against, for example.
    pub async fn serve_holding<T: Send + 'static>(&self, request: Vec<u8>, held: T) -> Vec<u8> {
        self.request(request, held).await.0
    }

    /// Serves a request to be told when a queue grows; the listener is there if it was granted, and is signalled
    /// once at once, so that nothing that came before is missed.
    pub async fn listen(&self, request: Vec<u8>) -> (Vec<u8>, Option<Listener>) {
        let (reply, effects) = self.request(request, ()).await;
        let client = effects.into_iter().find_map(|effect| match effect {
            Effect::Listening(client) => Some(client),
            _ => None,
        });
        let Some(client) = client else { return (reply, None) };
        match self.0.listeners.listen(client) {
            Some(listener) => (reply, Some(listener)),
            None => (self.overloaded(), None),
        }
    }

    /// Takes no more requests, starts no more timers, ends the connections of listening clients, and returns when
    /// everything under way is over.
    pub async fn drain(&self) {
        self.0.draining.send_replace(true);
        self.0.schedules.stir();
        self.0.listeners.close();
        loop {
            let finished = self.0.finished.notified();
            if self.under_way() == 0 {
                return;
            }
            // Whoever ends between the look and the wait has left a permit behind.
            finished.await;
        }
    }

    /// Whether [`Node::drain`] was called.
    pub fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Returns once [`Node::drain`] was called.
    async fn drains(&self) {
        let _ = self.0.draining.subscribe().wait_for(|draining| *draining).await;
    }

    async fn request<T: Send + 'static>(&self, request: Vec<u8>, held: T) -> (Vec<u8>, Vec<Effect>) {
        let Some(admitted) = self.admit() else {
            let reply = self.overloaded();
            self.observe(Input::Request(&request), Some(&reply), Duration::ZERO, Commits::default());
            return (reply, Vec::new());
        };
        let begun = Instant::now();
        // As much as says what was asked for.
        let head: [u8; 4] = request.first_chunk().copied().unwrap_or_default();
        let served = self.0.workers.spawn(async move {
            let served = admitted.0.run(Input::Request(&request)).await;
            drop(held);
            served
        });
        match served.await {
            Ok((reply, effects)) => (reply.unwrap_or_else(|| self.overloaded()), effects),
            Err(_) => {
                let reply = ResponseEnvelope::refused(&Refusal::Internal);
                self.observe(Input::Request(&head), Some(&reply), begun.elapsed(), Commits::default());
                (reply, Vec::new())
            }
        }
    }

    /// A place for one more request, if there is one.
    fn admit(&self) -> Option<Admitted<S, E>> {
        let before = self.0.requests.fetch_add(1, Ordering::AcqRel);
        let admitted = Admitted(self.clone());
        (before < self.0.limits.requests && !self.is_draining()).then_some(admitted)
    }

    fn overloaded(&self) -> Vec<u8> {
        ResponseEnvelope::refused(&Refusal::Unavailable { retry_after_milliseconds: 1000 })
    }
}

/// A request that counts as under way for as long as this lives, also if serving it panics.
struct Admitted<S, E>(Node<S, E>);

impl<S, E> Drop for Admitted<S, E> {
    fn drop(&mut self) {
        self.0.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}
