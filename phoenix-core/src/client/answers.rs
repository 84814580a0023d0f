//! PROTOCOL.md §11.3 — what answers a request: its answer, or the receipt in the queue.

use super::{
    event::{ExchangeId, IntentId},
    state::{Answer, Confirmation, Note, State},
};
use crate::{
    codec::{Bytes, Flag, encode},
    error::PeerFailure,
    identifiers::RequestId,
    time::Timestamp,
    wire::{
        delivery_service::{CommitReply, SendMessageReply},
        operations::OperationKind,
    },
};

impl State {
    /// Takes in the outcome of an exchange.
    pub fn respond(&mut self, exchange: ExchangeId, answer: Result<Vec<u8>, PeerFailure>) {
        let mut sendings = self.sendings.values_mut();
        if let Some(sending) = sendings.find(|sending| sending.exchange == Some(exchange)) {
            sending.answer = Some(answer);
        }
    }

    /// Takes in a receipt: the request that it names is answered by it, even if it was refused since.
    pub fn confirm_request(&mut self, request: RequestId, receipt: Confirmation) {
        let named = |note: &Note| match note {
            Note::Call(call) => call.id == request,
            Note::Answered { id, .. } => *id == request,
            Note::Made { .. } => false,
        };
        let intent = self.intents.iter().find(|(_, intent)| intent.notes.iter().any(named));
        let Some(intent) = intent.map(|(id, _)| *id) else { return };
        let Some(notes) = self.intents.get_mut(&intent).map(|intent| &mut intent.notes) else { return };
        let Some(index) = notes.iter().position(named) else { return };
        let (operation, made) = match &notes[index] {
            Note::Call(call) => (call.operation, call.made),
            Note::Answered { operation, made, answer: Answer::Refused(_), .. } => (*operation, *made),
            Note::Answered { .. } | Note::Made { .. } => return,
        };
        let (position, epoch, sent_at) = (receipt.position, receipt.epoch, receipt.sent_at);
        let reply = match OperationKind::from_code(operation) {
            Some(OperationKind::SendMessage) => encode(&SendMessageReply { position, sent_at }),
            Some(_) => encode(&CommitReply { position, epoch, sent_at }),
            None => return,
        };
        let Ok(reply) = Bytes::new(reply) else { return };
        // What followed from a refusal is void.
        notes.truncate(index + 1);
        let (answer, uncertain) = (Answer::Reply(reply), Flag::No);
        notes[index] = Note::Answered { operation, id: request, made, uncertain, answer };
        self.sendings.remove(&intent);
        self.waits.remove(&intent);
    }

    /// Whether an intent has made this request.
    pub fn has_request(&self, request: RequestId) -> bool {
        self.intents.iter().any(|(_, intent)| {
            intent.notes.iter().any(|note| match note {
                Note::Call(call) => call.id == request,
                Note::Answered { id, .. } => *id == request,
                Note::Made { .. } => false,
            })
        })
    }

    /// Whether the intent's request has an answer, or is to be sent again.
    pub fn can_go_on_sending(&self, id: IntentId) -> bool {
        self.sendings.get(&id).is_none_or(|sending| {
            sending.answer.is_some() || (sending.exchange.is_some() && sending.timeout <= self.now)
        })
    }

    pub fn sending_wakes_at(&self, id: IntentId) -> Option<Timestamp> {
        let sending = self.sendings.get(&id)?;
        Some(if sending.answer.is_some() { self.now } else { sending.timeout })
    }
}
