//! PROTOCOL.md §8, Atomicity — the row that an operation leaves for the distributor: who gets what.

use super::{group::Group, sections::Member};
use crate::{
    codec::{Bytes, List},
    collections::log::{self},
    error::Refusal,
    identifiers::{LogId, RequestId},
    operation::Transaction,
    wire::fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Receipt, Recipient, WelcomeBundle},
};

/// What is fanned out at one position, being put together.
pub(super) struct FanOut {
    contents: List<FanOutContent, 130>,
    recipients: List<Recipient, { crate::limits::MAX_MEMBERS }>,
}

impl FanOut {
    /// `message` to all `members` but the one at `sender`, who gets a receipt for `request`.
    pub fn new<const MAX: usize>(
        message: &Bytes<MAX>,
        members: &[Member],
        sender: u32,
        (request_id, epoch): (RequestId, u64),
    ) -> Result<Self, Refusal> {
        let message = message.as_slice().to_vec().try_into().map_err(|_| Refusal::Malformed)?;
        let receipt = Receipt { request_id, epoch };
        let contents = vec![FanOutContent::Message(message), FanOutContent::Receipt(receipt)];
        let mut fan_out =
            Self { contents: contents.try_into().unwrap_or_default(), recipients: List::default() };
        for member in members {
            let content = u16::from(member.leaf == sender);
            fan_out.recipient(content, &member.queue_config)?;
        }
        Ok(fan_out)
    }

    /// Besides, a Welcome to one joiner.
    pub fn welcome(&mut self, bundle: WelcomeBundle, config: &ClientQueueConfig) -> Result<(), Refusal> {
        let content = self.contents.len() as u16;
        self.contents.push(FanOutContent::Welcome(bundle)).map_err(|_| Refusal::GroupFull)?;
        self.recipient(content, config)
    }

    fn recipient(&mut self, content: u16, config: &ClientQueueConfig) -> Result<(), Refusal> {
        let recipient = Recipient { content, config: config.clone() };
        self.recipients.push(recipient).map_err(|_| Refusal::GroupFull)
    }

    /// Orders it: the row is part of the operation's commit. Gives its position.
    pub fn append(self, transaction: &mut Transaction<'_>, group: &mut Group) -> u64 {
        let position = group.next_position();
        let message = FanOutMessage {
            group_id: group.id.clone(),
            position,
            sent_at: transaction.now(),
            contents: self.contents,
            recipients: self.recipients,
        };
        log::append(transaction, LogId::Group(group.id.uuid), position, message);
        position
    }
}
