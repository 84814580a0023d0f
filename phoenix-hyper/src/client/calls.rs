//! Methods of handles that wait for the end of an intent, and the events that belong to them.

use std::collections::BTreeMap;

use phoenix_core::{
    client::{ClientError, Event, IntentId},
    identifiers::GroupId,
};
use tokio::sync::oneshot;

use super::events::Received;

/// What an intent has brought that has succeeded.
#[derive(Debug, Clone, Default)]
pub(super) struct Finished {
    /// The position of the message that was sent.
    pub position: Option<u64>,
    /// The group that was created.
    pub group: Option<GroupId>,
}

pub(super) type Caller = oneshot::Sender<Result<Finished, ClientError>>;

/// The methods that wait for one intent.
#[derive(Default)]
struct Call {
    callers: Vec<Caller>,
    finished: Finished,
    /// The events whose content is returned by the methods.
    held: Vec<Received>,
}

/// The methods that wait, by intent.
#[derive(Default)]
pub(super) struct Calls(BTreeMap<IntentId, Call>);

/// What becomes of an event.
pub(super) enum Fate {
    /// The application gets it.
    Shown(Vec<Received>),
    /// It waits for the end of the intent that it belongs to.
    Held,
    /// A method has returned what these say: the application needs them no more.
    Returned(Vec<Received>),
}

impl Calls {
    /// Notes a method that waits for an intent.
    pub fn wait(&mut self, intent: IntentId, caller: Caller) {
        self.0.entry(intent).or_default().callers.push(caller);
    }

    /// Whether a method waits for an intent.
    pub fn has(&self, intent: IntentId) -> bool {
        self.0.contains_key(&intent)
    }

    /// Returns to the methods that wait for what an event says, if there are any.
    pub fn take(&mut self, received: Received) -> Fate {
        let (intent, outcome) = match &received.event {
            Event::GroupCreated { intent, group } => {
                let Some(call) = self.0.get_mut(intent) else { return Fate::Shown(vec![received]) };
                call.finished.group = Some(group.clone());
                call.held.push(received);
                return Fate::Held;
            }
            Event::MessageAcknowledged { intent, position, .. } => {
                let Some(call) = self.0.get_mut(intent) else { return Fate::Shown(vec![received]) };
                call.finished.position = Some(*position);
                call.held.push(received);
                return Fate::Held;
            }
            Event::Done { intent, outcome } => (*intent, outcome.clone()),
            _ => return Fate::Shown(vec![received]),
        };
        let Some(Call { callers, finished, mut held }) = self.0.remove(&intent) else {
            return Fate::Shown(vec![received]);
        };
        held.push(received);
        let result = outcome.map(|()| finished);
        let mut returned = false;
        for caller in callers {
            returned |= caller.send(result.clone()).is_ok();
        }
        if returned { Fate::Returned(held) } else { Fate::Shown(held) }
    }
}
