//! PROTOCOL.md §8, Application messages — what members send, and (PROTOCOL.md §8, Queue configurations of
//! members) where their own messages go.

use super::{
    fan_out::FanOut,
    group::{self, Group},
    sections::{RestSection, Section},
    welcome,
};
use crate::{
    codec::encode,
    config::Plant,
    error::Refusal,
    mls,
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    wire::{
        delivery_service::{SendMessage, SendMessageReply, UpdateQueueInfo},
        envelope::RequestEnvelope,
        fan_out::Receipt,
        message::Done,
    },
};

/// Checks group, epoch and sender; the content is encrypted for the members.
///
/// Reads head and members and writes the head. The tree is not touched, so the cost does not grow with it.
impl Serve for SendMessage {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<SendMessageReply, Interrupt> {
        let body = call.body;
        let (mut group, members) = Group::open(transaction, &body.group)?;
        let sender = group::authenticate(transaction, call, &members)?;
        call.redeem(transaction)?;
        let message = mls::check_application_message(body.message.as_slice())
            .map_err(|_| Refusal::InvalidMlsMessage)?;
        let is_of_group = message.group_id == encode(&group.id);
        if !is_of_group && !transaction.planted(Plant::IgnoreMessageGroup) {
            return Err(Refusal::InvalidMlsMessage.into());
        }
        if message.epoch != members.epoch && !transaction.planted(Plant::IgnoreEpoch) {
            return Err(Refusal::WrongEpoch { current: members.epoch }.into());
        }
        let receipt = Receipt { request_id: call.envelope.request_id, epoch: members.epoch };
        let fan_out = FanOut::new(&body.message, &members.members, sender.leaf, receipt)?;
        let position = fan_out.append(transaction, &mut group);
        group.save(transaction);
        let earlier = u64::from(transaction.planted(Plant::EarlierPosition));
        Ok(SendMessageReply { position: position.saturating_sub(earlier), sent_at: transaction.now() })
    }
}

/// Replaces the sender's queue configuration. From a joiner it is also the sign that it has picked up its
/// welcome information.
impl Serve for UpdateQueueInfo {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let body = call.body;
        body.queue_config.check_length()?;
        let (mut group, mut members) = Group::open(transaction, &body.group)?;
        let leaf = group::authenticate(transaction, call, &members)?.leaf;
        call.redeem(transaction)?;
        let mut rest: RestSection = group.read(transaction, Section::Rest)?;
        if welcome::mark_picked_up(transaction, &group, &mut rest, leaf) {
            group.write(transaction, Section::Rest, &rest)?;
        }
        if let Some(member) = members.find_mut(leaf) {
            // A member stays at its homeserver: another domain would move the others' traffic elsewhere.
            let is_same = member.queue_config.domain == body.queue_config.domain;
            if !is_same && !transaction.planted(Plant::IgnoreConfigDomain) {
                return Err(Refusal::InvalidQueueConfig.into());
            }
            member.queue_config = body.queue_config.clone();
        }
        group.write(transaction, Section::Members, &members)?;
        group.save(transaction);
        Ok(Done)
    }
}
