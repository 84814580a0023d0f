//! PROTOCOL.md §8, Atomicity — the row that an operation leaves for the distributor: who gets what.
//!
//! It is written in the commit that changes the group. So a message is ordered exactly when it is certain to
//! be distributed.

use super::{group::Group, sections::Member};
use crate::{
    codec::{Bytes, List},
    collections::log,
    error::Refusal,
    identifiers::LogId,
    limits::MAX_MEMBERS,
    operation::Transaction,
    wire::fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Receipt, Recipient, WelcomeBundle},
};

/// What is fanned out at one position of the group's order.
pub(super) struct FanOut {
    contents: List<FanOutContent, 130>,
    recipients: List<Recipient, MAX_MEMBERS>,
}

impl FanOut {
    /// Takes `message` to all `members` but the one at leaf `sender`, who gets `receipt` in its place.
    ///
    /// # Errors
    /// A refusal if message or recipients are more than one row can hold.
    pub fn new<const MAX: usize>(
        message: &Bytes<MAX>,
        members: &[Member],
        sender: u32,
        receipt: Receipt,
    ) -> Result<Self, Refusal> {
        let message = message.as_slice().to_vec().try_into().map_err(|_| Refusal::Malformed)?;
        let contents = vec![FanOutContent::Message(message), FanOutContent::Receipt(receipt)];
        let mut fan_out =
            Self { contents: contents.try_into().unwrap_or_default(), recipients: List::default() };
        for member in members {
            let content = u16::from(member.leaf == sender);
            fan_out.recipient(content, &member.queue_config)?;
        }
        Ok(fan_out)
    }

    /// Adds a Welcome for one joiner, whose queue `config` leads to.
    pub fn welcome(&mut self, bundle: WelcomeBundle, config: &ClientQueueConfig) -> Result<(), Refusal> {
        let content = self.contents.len() as u16;
        self.contents.push(FanOutContent::Welcome(bundle)).map_err(|_| Refusal::GroupFull)?;
        self.recipient(content, config)
    }

    fn recipient(&mut self, content: u16, config: &ClientQueueConfig) -> Result<(), Refusal> {
        let recipient = Recipient { content, config: config.clone() };
        self.recipients.push(recipient).map_err(|_| Refusal::GroupFull)
    }

    /// Appends it at the next position in the group's order, and returns the position. The row is part of the
    /// operation's commit.
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
