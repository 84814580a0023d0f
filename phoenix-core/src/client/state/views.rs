//! PROTOCOL.md §11.15 — what is under way, as the application sees it.

use super::{
    intents::{Intent, Note, Want},
    root::State,
    sending::Wait,
};
use crate::client::event::{IntentId, IntentView, Intention};

impl State {
    pub fn intent_view(&self, id: IntentId, intent: &Intent) -> IntentView {
        // What waits for another intent waits for what that one waits for.
        let mut last = id;
        let mut seen = vec![id];
        while let Some(Wait::End { of, .. }) = self.waits.get(&last)
            && !seen.contains(of)
        {
            seen.push(*of);
            last = *of;
        }
        let call = self.intents.get(&last).and_then(|intent| match intent.notes.last() {
            Some(Note::Call(call)) => Some(call.domain.clone()),
            Some(Note::Made { .. } | Note::Answered { .. }) | None => None,
        });
        let sending = self.sendings.get(&last);
        IntentView {
            id,
            what: intent.want.intention(),
            group: intent.want.group().cloned(),
            since: intent.since,
            by_application: intent.by_application.into(),
            awaits: call,
            failures: sending.map_or(0, |sending| sending.failures),
            last_failure: sending.and_then(|sending| sending.last_failure),
        }
    }
}

impl Want {
    const fn intention(&self) -> Intention {
        match self {
            Self::Register { .. } => Intention::Register,
            Self::Connect { .. } => Intention::Connect,
            Self::HandleRequest { .. } | Self::Accept { .. } => Intention::AnswerRequest,
            Self::CreateGroup => Intention::CreateGroup,
            Self::Invite { .. } => Intention::Invite,
            Self::Update { .. } => Intention::Update,
            Self::Send { .. } => Intention::Send,
            Self::Join { .. } => Intention::Join,
            Self::Follow { .. } => Intention::Follow,
            Self::ReadQueues | Self::ReadFanOutQueue => Intention::Read,
            Self::StockTokens { .. } | Self::FetchTokens { .. } => Intention::FetchTokens,
            Self::FetchAsCredentials { .. } | Self::FetchQsKeys { .. } => Intention::FetchKeys,
            Self::PublishKeyPackages | Self::BindQueue { .. } => Intention::PublishKeys,
        }
    }
}
