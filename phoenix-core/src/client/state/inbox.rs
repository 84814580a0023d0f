//! PROTOCOL.md §11.7 — the deliveries of each group that wait to be followed.

use super::{
    queues::{Inbox, InboxEntry},
    root::State,
};
use crate::identifiers::GroupId;

impl State {
    /// Adds an entry to a group's inbox. Returns whether the group has one.
    pub fn put_in_inbox(&mut self, id: &GroupId, entry: InboxEntry) -> bool {
        let Some(inbox) = self.inboxes.get_mut(id) else { return false };
        let number = inbox.next;
        inbox.next += 1;
        self.inbox_entries.insert((id.clone(), number), entry);
        true
    }

    /// Returns the next entry of a group's inbox.
    pub fn next_in_inbox(&self, id: &GroupId) -> Option<&InboxEntry> {
        let inbox = self.inboxes.get(id)?;
        self.inbox_entries.get(&(id.clone(), inbox.first))
    }

    pub fn drop_next_in_inbox(&mut self, id: &GroupId) {
        let Some(inbox) = self.inboxes.get_mut(id) else { return };
        let number = inbox.first;
        if self.inbox_entries.remove(&(id.clone(), number)).is_some() {
            inbox.first += 1;
        }
    }

    pub fn forget_inbox(&mut self, id: &GroupId) {
        if let Some(Inbox { first, next }) = self.inboxes.remove(id) {
            for number in first..next {
                self.inbox_entries.remove(&(id.clone(), number));
            }
        }
    }

    /// Returns the entries of a group's inbox, in their order.
    pub fn inbox(&self, id: &GroupId) -> impl Iterator<Item = &InboxEntry> {
        let entries = (id.clone(), 0)..=(id.clone(), u64::MAX);
        self.inbox_entries.range(entries).map(|(_, entry)| entry)
    }
}
