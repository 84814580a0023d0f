//! PROTOCOL.md §11.12 — the client's own application messages: encrypted, then acknowledged or forgotten.

use super::{
    error::ClientError,
    event::{Event, TaskId},
    groups::message_bytes,
    state::{Identity, State, UnconfirmedMessage},
};
use crate::{identifiers::GroupId, wire::delivery_service::SendMessage};

/// An encrypted message that is ready to be sent.
pub(super) struct OutgoingMessage {
    pub body: SendMessage,
    pub identity: Identity,
    /// The epoch in which it is encrypted.
    pub epoch: u64,
}

impl State {
    /// Encrypts a message.
    pub fn encrypt_message(&mut self, id: &GroupId, text: &[u8]) -> Result<OutgoingMessage, ClientError> {
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let message = group.mls.create_message(provider, &group.leaf_key, text).map_err(ClientError::mls)?;
        let message = message_bytes(&message)?.try_into().map_err(|_| ClientError::TooLong)?;
        let body = SendMessage { group: group.access(), message };
        Ok(OutgoingMessage { body, identity: group.identity(), epoch: group.epoch() })
    }

    /// Drops a message that was not ordered: no receipt will acknowledge it.
    pub fn forget_message(&mut self, id: &GroupId, task: TaskId) {
        if let Some(group) = self.groups.get_mut(id) {
            group.unconfirmed.retain(|_, unconfirmed| unconfirmed.task != task);
        }
    }

    /// Reports that a message was ordered, unless that was reported before.
    pub fn acknowledge(&mut self, id: &GroupId, task: TaskId, position: u64) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let request = group.unconfirmed.iter().find(|(_, unconfirmed)| unconfirmed.task == task);
        let Some(request) = request.map(|(request, _)| *request) else { return };
        if let Some(UnconfirmedMessage { task, text }) = group.unconfirmed.remove(&request) {
            self.emit(Event::MessageAcknowledged { task, group: id.clone(), position, text });
        }
    }
}
