//! PROTOCOL.md §11.12 — the client's own application messages: encrypted, then acknowledged.

use super::{
    error::ClientError,
    event::{Event, IntentId},
    groups::message_bytes,
    state::State,
};
use crate::{identifiers::GroupId, wire::delivery_service::SendMessage};

impl State {
    /// Encrypts a message.
    pub fn encrypt_message(&mut self, id: &GroupId, text: &[u8]) -> Result<SendMessage, ClientError> {
        let leaf_key = self.group(id)?.leaf_key.clone();
        let Self { mls_groups, provider, .. } = self;
        let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let message = mls.create_message(provider, &leaf_key, text).map_err(ClientError::mls)?;
        let message = message_bytes(&message)?.try_into().map_err(|_| ClientError::TooLong)?;
        Ok(SendMessage { group: self.access(id)?, message })
    }

    /// Reports that a message was ordered.
    pub fn acknowledge(&mut self, id: &GroupId, intent: IntentId, position: u64, text: &[u8]) {
        let text = text.to_vec();
        self.emit(Event::MessageAcknowledged { intent, group: id.clone(), position, text });
    }
}
