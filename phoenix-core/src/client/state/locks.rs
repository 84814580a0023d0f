//! PROTOCOL.md §11.12 — which locks are held, and which procedures wait for them.

use std::collections::{BTreeMap, VecDeque};

use crate::identifiers::{Domain, GroupId};

/// What a lock is for: two procedures never do the same of these at the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockName {
    /// Changing this group, or sending to it.
    Group(GroupId),
    /// Following this group's deliveries.
    Inbox(GroupId),
    /// Reading a queue.
    Queues,
    /// Taking and fetching tokens of this homeserver.
    Tokens(Domain),
    /// Fetching the AS credentials of this homeserver.
    Keys(Domain),
}

/// The tickets of holders and waiters, by lock; the first one holds it.
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
