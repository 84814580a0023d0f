//! PROTOCOL.md §11.15 — old copies: what a client does that was restored from an old copy of its state, while
//! another copy has gone on.

use super::{
    error::ClientError,
    event::{Event, IntentId},
    state::{Intent, State, Want},
};
use crate::{codec::Flag, identifiers::GroupId};

impl State {
    /// Entries were acknowledged that this client has not read: another copy of its state has gone on. No
    /// group is safe to send to: keys may have been used, and commits made, that this copy knows nothing of.
    pub fn become_old_copy(&mut self) {
        for group in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.mark_unhealthy(&group);
        }
        self.forget_spent();
        self.emit(Event::OldCopy);
        self.give_up(|intent| changes_group(&intent.want) || is_entering(intent));
    }

    /// A receipt shows that another copy has sent something in this group: the keys of this copy are used.
    pub fn become_old_copy_in(&mut self, id: &GroupId) {
        self.mark_unhealthy(id);
        self.forget_spent();
        self.emit(Event::OldCopy);
        self.give_up(|intent| changes_group(&intent.want) && intent.want.group() == Some(id));
    }

    /// Marks a group as one that cannot be followed further.
    pub fn mark_unhealthy(&mut self, id: &GroupId) {
        if let Some(progress) = self.progress.get_mut(id) {
            progress.healthy = Flag::No;
        }
    }

    /// Drops all tokens, which the other copy may have spent, and has key packages published in place of those
    /// that it may have published.
    fn forget_spent(&mut self) {
        self.tokens.retain(|_, _| false);
        self.want(&Want::PublishKeyPackages);
    }

    /// Gives intents up: the other copy may have carried them out.
    fn give_up(&mut self, is_concerned: impl Fn(&Intent) -> bool) {
        let concerned = self.intents.iter().filter(|(_, intent)| is_concerned(intent));
        for id in concerned.map(|(id, _)| *id).collect::<Vec<IntentId>>() {
            let want = self.intents.get(&id).map(|intent| &intent.want).filter(|want| !changes_group(want));
            let group = want.and_then(Want::group).cloned();
            self.end(id, Err(ClientError::NeedsResync));
            if let Some(group) = group {
                self.emit(Event::Declined { group, reason: ClientError::NeedsResync });
            }
        }
    }
}

/// Whether it changes a group, or sends to it.
const fn changes_group(want: &Want) -> bool {
    matches!(want, Want::Send { .. } | Want::Invite { .. } | Want::Update { .. })
}

/// Whether it leads into a group and has begun: the other copy may have entered it, and used its keys.
fn is_entering(intent: &Intent) -> bool {
    let leads_into_group = matches!(
        intent.want,
        Want::Join { .. }
            | Want::HandleRequest { .. }
            | Want::Accept { .. }
            | Want::CreateGroup
            | Want::Connect { .. }
    );
    leads_into_group && !intent.notes.is_empty()
}
