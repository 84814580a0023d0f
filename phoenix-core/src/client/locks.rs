//! PROTOCOL.md §11.12 — procedures that must not overlap wait for each other, first come, first served.

use std::{future::poll_fn, task::Poll};

use super::{shared::Shared, state::LockName};

/// A lock that is held. Dropping the guard releases it.
pub(super) struct Guard {
    shared: Shared,
    name: LockName,
    ticket: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.locks.leave(&self.name, self.ticket);
            state.woken = true;
        });
    }
}

impl Shared {
    /// Waits for its turn, and holds the lock until the guard is dropped.
    pub async fn lock(&self, name: LockName) -> Guard {
        let ticket = self.with(|state| state.locks.enter(&name));
        let guard = Guard { shared: self.clone(), name, ticket };
        poll_fn(|_| {
            let first = self.with(|state| state.locks.is_first(&guard.name, ticket));
            if first { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        guard
    }
}
