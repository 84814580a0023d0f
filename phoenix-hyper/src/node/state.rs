//! What the clones of a node share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use phoenix_core::homeserver::Homeserver;
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, watch},
};

use super::{
    environment::Environment, lanes::Lanes, limits::NodeLimits, listeners::Listeners,
    peer_requests::PeerRequests, schedule::Schedules,
};
use crate::store::Store;

/// A homeserver at work. A clone is a cheap handle on the same node.
pub struct Node<S, E>(pub(super) Arc<Inner<S, E>>);

impl<S, E> Clone for Node<S, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(super) struct Inner<S, E> {
    pub homeserver: Homeserver,
    pub store: S,
    pub environment: E,
    pub limits: NodeLimits,
    /// The runtime that operations run on.
    pub workers: Handle,
    pub lanes: Lanes,
    /// One permit for each operation that may be under way.
    pub operations: Semaphore,
    /// The number of requests under way or waiting.
    pub requests: AtomicUsize,
    /// The number of operations of any kind under way or waiting.
    pub under_way: AtomicUsize,
    /// Notified when `under_way` falls to zero.
    pub finished: Notify,
    pub draining: watch::Sender<bool>,
    pub schedules: Schedules,
    pub listeners: Arc<Listeners>,
    pub peer_requests: Arc<PeerRequests>,
}

impl<S: Store, E: Environment> Node<S, E> {
    /// Creates a node of `homeserver` on `store` whose operations run on `workers`. Its timers do not run
    /// before [`Node::start`].
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
            peer_requests: Arc::default(),
        }))
    }

    /// The homeserver that this node serves.
    pub fn homeserver(&self) -> &Homeserver {
        &self.0.homeserver
    }

    /// The store that this node works on.
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// The environment that this node was created with.
    pub fn environment(&self) -> &E {
        &self.0.environment
    }

    /// Returns the number of operations under way or waiting for their turn, timers included.
    pub fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::Acquire)
    }

    /// Returns the number of clients connected for signals.
    pub fn listening(&self) -> usize {
        self.0.listeners.count()
    }

    /// Returns the number of timers in memory.
    pub fn timers(&self) -> usize {
        self.0.schedules.count()
    }

    /// Whether [`Node::drain`] was called.
    pub fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Returns once [`Node::drain`] was called.
    pub(super) async fn drain_begun(&self) {
        let _ = self.0.draining.subscribe().wait_for(|draining| *draining).await;
    }
}
