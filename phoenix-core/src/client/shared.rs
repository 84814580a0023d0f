//! PROTOCOL.md §11 — how the client's procedures share its state.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    error::ClientError,
    event::{Event, TaskId},
    state::State,
};
use crate::time::Timestamp;

/// A procedure under way.
pub(super) type Procedure = Pin<Box<dyn Future<Output = Result<(), ClientError>> + Send>>;

/// A procedure, with an id if the application started it.
pub(super) struct Task {
    pub id: Option<TaskId>,
    pub procedure: Procedure,
}

/// The state, and the procedures that start with the next pass. A mutex is held for one closure at a time,
/// never while a procedure waits.
#[derive(Clone)]
pub(super) struct Shared {
    state: Arc<Mutex<State>>,
    spawned: Arc<Mutex<Vec<Task>>>,
}

impl Shared {
    pub fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), spawned: Arc::default() }
    }

    /// Calls `action` with the state. `action` must not call any method of this type: it would deadlock.
    pub fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn now(&self) -> Timestamp {
        self.with(|state| state.now)
    }

    pub fn emit(&self, event: Event) {
        self.with(|state| state.emit(event));
    }

    /// Starts a procedure with the next pass.
    pub fn start(&self, task: Task) {
        self.spawned.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        self.with(|state| state.woken = true);
    }

    /// Starts a procedure of the client's own, which is reported only if it fails.
    pub fn spawn(&self, procedure: impl Future<Output = Result<(), ClientError>> + Send + 'static) {
        self.start(Task { id: None, procedure: Box::pin(procedure) });
    }

    /// Removes and returns the procedures that have not started yet.
    pub fn take_spawned(&self) -> Vec<Task> {
        std::mem::take(&mut self.spawned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there are procedures that have not started yet.
    pub fn has_spawned(&self) -> bool {
        !self.spawned.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
