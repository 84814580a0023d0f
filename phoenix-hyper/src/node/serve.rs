//! A node's life: requests in, notifications of other nodes, and the end in good order.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use phoenix_core::{
    dispatch::Input,
    error::Refusal,
    operation::{Effect, timers::SWEEP},
    wire::envelope::ResponseEnvelope,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    drive::Commits, environment::Environment, limits::overloaded, listeners::Listener, state::Node, timers,
};
use crate::store::{NodeEvent, Notification, Store};

impl<S: Store, E: Environment> Node<S, E> {
    /// Starts the node's timers, those found in the store first. Call this once.
    pub fn start(&self) {
        self.0.schedules.wake(SWEEP, self.0.environment.now());
        self.0.workers.spawn(timers::run(self.clone()));
        if let Some(notifications) = self.0.store.notifications() {
            self.0.workers.spawn(self.clone().follow(notifications));
        }
    }

    /// Follows what other nodes on the same database do, until the node drains.
    async fn follow(self, mut notifications: Receiver<Notification>) {
        loop {
            let notification = tokio::select! {
                notification = notifications.recv() => notification,
                () = self.drain_begun() => return,
            };
            match notification {
                Ok(Notification { from, .. }) if from == self.0.homeserver.config().node => {}
                Ok(Notification { event: NodeEvent::Wake { timer, due }, .. }) => {
                    self.0.schedules.wake(timer, due);
                }
                Ok(Notification { event: NodeEvent::Signal(client), .. }) => self.0.listeners.signal(client),
                // Rows have the timers that were missed; a superfluous signal does no harm.
                Err(RecvError::Lagged(_)) => self.0.listeners.signal_all(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Serves an encoded request and returns the encoded answer, once all that the answer says is durable.
    /// Dropping the future does not stop the operation.
    pub async fn serve(&self, request: Vec<u8>) -> Vec<u8> {
        self.request(request, ()).await.0
    }

    /// As [`Node::serve`], and keeps `held` until the operation has ended, even if the future is dropped: a
    /// share of a budget that the request counts against, for example.
    pub async fn serve_holding<T: Send + 'static>(&self, request: Vec<u8>, held: T) -> Vec<u8> {
        self.request(request, held).await.0
    }

    /// Serves an encoded request for signals. Returns the encoded answer and, if signals were granted, a
    /// listener. The listener is signalled once immediately, so that no earlier entry is missed.
    pub async fn listen(&self, request: Vec<u8>) -> (Vec<u8>, Option<Listener>) {
        let (reply, effects) = self.request(request, ()).await;
        let client = effects.into_iter().find_map(|effect| {
            let Effect::Listening(client) = effect else { return None };
            Some(client)
        });
        let Some(client) = client else { return (reply, None) };
        match self.0.listeners.listen(client) {
            Some(listener) => (reply, Some(listener)),
            None => (overloaded(), None),
        }
    }

    /// Accepts no further requests, starts no further timers, ends the connections of listening clients, and
    /// returns once everything under way has ended.
    pub async fn drain(&self) {
        self.0.draining.send_replace(true);
        self.0.schedules.wake_loops();
        self.0.listeners.close();
        loop {
            let finished = self.0.finished.notified();
            if self.under_way() == 0 {
                return;
            }
            // An operation that ends between the check and the wait leaves a permit behind.
            finished.await;
        }
    }

    async fn request<T: Send + 'static>(&self, request: Vec<u8>, held: T) -> (Vec<u8>, Vec<Effect>) {
        let Some(admitted) = self.admit() else {
            let reply = overloaded();
            self.observe(Input::Request(&request), Some(&reply), Duration::ZERO, Commits::default());
            return (reply, Vec::new());
        };
        let begun = Instant::now();
        // Enough to name the operation if serving it panics.
        let head: [u8; 4] = request.first_chunk().copied().unwrap_or_default();
        let served = self.0.workers.spawn(async move {
            let served = admitted.0.run(Input::Request(&request)).await;
            drop(held);
            served
        });
        match served.await {
            Ok((reply, effects)) => (reply.unwrap_or_else(overloaded), effects),
            Err(_) => {
                let reply = ResponseEnvelope::refused(&Refusal::Internal);
                self.observe(Input::Request(&head), Some(&reply), begun.elapsed(), Commits::default());
                (reply, Vec::new())
            }
        }
    }

    /// Returns a place for one more request, if there is one.
    fn admit(&self) -> Option<Admitted<S, E>> {
        let before = self.0.requests.fetch_add(1, Ordering::AcqRel);
        let admitted = Admitted(self.clone());
        (before < self.0.limits.requests && !self.is_draining()).then_some(admitted)
    }
}

/// A request that counts as under way for as long as this lives, even if serving it panics.
struct Admitted<S, E>(Node<S, E>);

impl<S, E> Drop for Admitted<S, E> {
    fn drop(&mut self) {
        self.0.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}
