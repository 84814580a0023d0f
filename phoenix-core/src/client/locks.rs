//! PROTOCOL.md §11 — what must not happen at the same time: first come, first served.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    task::Poll,
};

use super::state::Shared;
use crate::identifiers::{Domain, GroupId};

/// What is locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LockName {
    /// Own operations on a group.
    Group(GroupId),
    /// Following a group's deliveries.
    Inbox(GroupId),
    /// Reading the queues.
    Queues,
    /// Fetching tokens of a homeserver.
    Tokens(Domain),
    /// Fetching keys of a homeserver.
    Keys(Domain),
}

/// Who holds or waits for what.
#[derive(Default)]
pub(super) struct Locks {
    next_ticket: u64,
    queues: BTreeMap<LockName, VecDeque<u64>>,
}

impl Locks {
    fn enter(&mut self, name: &LockName) -> u64 {
        self.next_ticket += 1;
        self.queues.entry(name.clone()).or_default().push_back(self.next_ticket);
        self.next_ticket
    }

    fn is_first(&self, name: &LockName, ticket: u64) -> bool {
        self.queues.get(name).and_then(VecDeque::front) == Some(&ticket)
    }

    fn leave(&mut self, name: &LockName, ticket: u64) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        queue.retain(|waiting| *waiting != ticket);
        if queue.is_empty() {
            self.queues.remove(name);
        }
    }
}

/// Gives the lock back when dropped.
pub(super) struct Guard {
    shared: Shared,
    name: LockName,
    ticket: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.locks.leave(&self.name, self.ticket);
            state.stirred = true;
        });
    }
}

impl Shared {
    /// Waits for its turn, and holds it until the guard is dropped.
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
