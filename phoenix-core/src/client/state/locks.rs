//! PROTOCOL.md §11 — what is locked, and who waits for it.

use std::collections::{BTreeMap, VecDeque};

use crate::identifiers::{Domain, GroupId};

/// What is locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockName {
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
pub(crate) struct Locks {
    next_ticket: u64,
    queues: BTreeMap<LockName, VecDeque<u64>>,
}

impl Locks {
    pub fn enter(&mut self, name: &LockName) -> u64 {
        self.next_ticket += 1;
        self.queues.entry(name.clone()).or_default().push_back(self.next_ticket);
        self.next_ticket
    }

    pub fn is_first(&self, name: &LockName, ticket: u64) -> bool {
        self.queues.get(name).and_then(VecDeque::front) == Some(&ticket)
    }

    pub fn leave(&mut self, name: &LockName, ticket: u64) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        queue.retain(|waiting| *waiting != ticket);
        if queue.is_empty() {
            self.queues.remove(name);
        }
    }
}
