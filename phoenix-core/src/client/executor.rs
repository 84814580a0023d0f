//! PROTOCOL.md §11 — running procedures: futures that are polled by hand, without runtime, threads or clock.

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    event::{Event, Output, TaskId},
    shared::{Procedure, Shared, Task},
};
use crate::time::Timestamp;

/// The procedures under way, polled in the order in which they started.
pub(super) struct Executor {
    shared: Shared,
    running: Vec<Task>,
}

impl Executor {
    pub fn new(shared: Shared) -> Self {
        Self { shared, running: Vec::new() }
    }

    /// Starts a procedure whose end is an [`Output::TaskDone`].
    pub fn start(&mut self, id: TaskId, procedure: Procedure) {
        self.shared.start(Task { id: Some(id), procedure });
    }

    /// Runs all procedures as far as they go at `now`, and returns the next output.
    pub fn poll(&mut self, now: Timestamp) -> Option<Output> {
        self.shared.with(|state| state.now = state.now.max(now));
        loop {
            let (output, due) = self.shared.with(|state| {
                let due = state.next_wake.is_some_and(|wake| wake <= state.now);
                (state.outputs.pop_front(), due || state.woken)
            });
            if output.is_some() || !due {
                return output;
            }
            self.pass();
        }
    }

    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
            && !self.shared.has_spawned()
            && self.shared.with(|state| state.outputs.is_empty())
    }

    /// Polls every procedure once.
    fn pass(&mut self) {
        self.shared.with(|state| {
            state.woken = false;
            state.next_wake = None;
        });
        self.running.extend(self.shared.take_spawned());
        let mut context = Context::from_waker(Waker::noop());
        let mut running = Vec::with_capacity(self.running.len());
        for Task { id, mut procedure } in self.running.drain(..) {
            match procedure.as_mut().poll(&mut context) {
                Poll::Pending => running.push(Task { id, procedure }),
                Poll::Ready(result) => {
                    // Dropped first: its locks are free before its end is reported.
                    drop(procedure);
                    self.shared.with(|state| {
                        state.woken = true;
                        match (id, result) {
                            (Some(id), result) => state.outputs.push_back(Output::TaskDone(id, result)),
                            (None, Err(error)) => state.emit(Event::BackgroundFailure(error)),
                            (None, Ok(())) => {}
                        }
                    });
                }
            }
        }
        self.running = running;
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // A procedure holds a `Shared`, and the `Shared` holds those that have not started: a leak otherwise.
        drop(self.shared.take_spawned());
    }
}

impl Shared {
    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        let due = self.now() + duration;
        poll_fn(|_| {
            self.with(|state| {
                if state.now >= due {
                    return Poll::Ready(());
                }
                state.wake_at(due);
                Poll::Pending
            })
        })
        .await;
    }
}
