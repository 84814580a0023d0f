//! Groups and messages as homeservers see them, without the members' cryptography.

use super::world::{NOW, World, domain};
use crate::{
    codec::encode,
    collections::log,
    identifiers::{GroupId, GroupUuid, LogId},
    wire::fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Recipient},
};

/// Returns the id of a group of `owner`.
pub fn group(owner: &str, number: u8) -> GroupId {
    GroupId { uuid: GroupUuid([number; 16]), domain: domain(owner) }
}

/// Returns an encrypted application message of `group`, as far as a homeserver can see.
pub fn mls_message(group: &GroupId) -> FanOutContent {
    fn vector(bytes: &[u8]) -> Vec<u8> {
        encode(&crate::codec::Bytes::<1000>::new(bytes.to_vec()).unwrap())
    }
    let head = [&[0, 1, 0, 2][..], &vector(&encode(group)), &[0; 8], &[1]].concat();
    let bytes = [head, vector(&[]), vector(&[7; 32]), vector(&[8; 100])].concat();
    FanOutContent::Message(bytes.try_into().unwrap())
}

/// Returns `content` on its way to these recipients.
pub fn message(
    group: &GroupId,
    position: u64,
    content: FanOutContent,
    recipients: &[ClientQueueConfig],
) -> FanOutMessage {
    let recipients = recipients.iter().map(|config| Recipient { content: 0, config: config.clone() });
    FanOutMessage {
        group_id: group.clone(),
        position,
        sent_at: NOW,
        contents: vec![content].try_into().unwrap(),
        recipients: recipients.collect::<Vec<_>>().try_into().unwrap(),
    }
}

impl World {
    /// Appends `message` to the log of its group, as the delivery service does.
    pub fn send(&mut self, message: FanOutMessage) {
        let owner = message.group_id.domain.clone();
        self.perform(&owner, move |transaction| {
            let log = LogId::Group(message.group_id.uuid);
            log::append(transaction, log, message.position, message.clone());
            Ok(())
        });
    }
}
