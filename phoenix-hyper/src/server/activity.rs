//! Whether a connection is in use.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::limits::ServerLimits;

/// The requests under way on a connection, and the time since the last one.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    changed: Notify,
    limits: ServerLimits,
}

#[derive(Debug)]
struct State {
    requests: usize,
    /// When the last request ended.
    ended: Instant,
    /// When the connection has been idle for too long, unless a request comes.
    until: Instant,
}

impl Activity {
    pub fn new(limits: ServerLimits) -> Arc<Self> {
        let now = Instant::now();
        let state = State { requests: 0, ended: now, until: now + limits.first_request };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), limits })
    }

    /// Counts `request` as under way until it ends.
    pub fn during<F: Future>(self: &Arc<Self>, request: F) -> impl Future<Output = F::Output> + use<F> {
        self.state().requests += 1;
        let under_way = UnderWay(Arc::clone(self));
        async move {
            let output = request.await;
            drop(under_way);
            output
        }
    }

    /// Returns once no request was under way for too long.
    pub async fn idle(&self) {
        self.quiet(|state| state.until).await;
    }

    /// Returns once no request is under way and the time to write what is left has passed.
    pub async fn over(&self) {
        let ending = Instant::now();
        self.quiet(|state| state.ended.max(ending) + self.limits.farewell).await;
    }

    /// Returns at the time that `until` says, if no request is under way then.
    async fn quiet(&self, until: impl Fn(&State) -> Instant) {
        loop {
            let (requests, until) = {
                let state = self.state();
                (state.requests, until(&state))
            };
            if requests == 0 && until <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(until), if requests == 0 => {}
                // The end of a request changes the time.
                () = self.changed.notified() => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.ended = Instant::now();
        state.until = state.ended + self.0.limits.idle;
        self.0.changed.notify_one();
    }
}
