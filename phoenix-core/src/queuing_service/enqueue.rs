//! PROTOCOL.md §7, Enqueue — whether one delivery is authorised by the client it goes to, and what becomes of it.
//!
//! Called by the distributor for each recipient, with messages of groups that the source may deliver for
//! ([`crate::federation::authorization`]). The checks come in the order of the protocol, but for groups that the
//! client has blocked: those are looked at first, for nothing is to be said of them. One bad recipient never fails
//! the others.

use std::collections::BTreeMap;

use super::{
    config, fan_out_queue,
    records::{Pin, QsClient},
};
use crate::{
    config::Plant,
    crypto::kdf::Hash,
    identifiers::{Domain, QsClientId},
    operation::{Context, Effect, Interrupt, Transaction},
    store::Key,
    wire::fan_out::{
        Binding, Delivery, FanOutContent, FanOutMessage, Gap, GapReason, Notify, QueueConfig, QueueMessage,
        Recipient,
    },
};

/// What a delivery to `recipient` will read.
pub(crate) fn rows(context: &Context, recipient: &Recipient) -> Vec<Key> {
    config::open(context, &recipient.config).map_or_else(Vec::new, |config| {
        let client = config.content.client;
        vec![Key::of::<QsClient>(&client), fan_out_queue::row(&client)]
    })
}

/// What is to become of a delivery.
enum Verdict {
    /// It goes into the queue. For a Welcome that came through an unbound configuration, the group is pinned.
    Deliver { pin: bool },
    /// A marker goes into the queue in its place.
    Mark(GapReason),
    /// Nothing: neither side is told.
    Nothing,
}

/// Delivers `message`, which `source` is authenticated to have sent, to one recipient; or marks the gap.
pub(crate) fn enqueue(
    transaction: &mut Transaction<'_>,
    source: &Domain,
    message: &FanOutMessage,
    recipient: &Recipient,
) -> Result<(), Interrupt> {
    debug_assert_eq!(message.group_id.domain, *source, "the inbox lets nothing else through");
    let Some(config) = config::open(transaction.context(), &recipient.config) else { return Ok(()) };
    let Some(content) = message.contents.get(usize::from(recipient.content)) else { return Ok(()) };
    let id = config.content.client;
    let Some(mut client) = transaction.read::<QsClient>(&id)?.intact() else { return Ok(()) };
    if !config::verify(transaction.context(), &recipient.config, &config, &client.config_key) {
        // Not the client's word at all: nobody it could concern.
        return Ok(());
    }
    let entry = config.content.list_entry(source, &message.group_id);
    let Some(mut head) = fan_out_queue::head(transaction, &id)? else { return Ok(()) };
    let verdict = match authorise(transaction.context(), source, message, content, (&config, &client, &entry))
    {
        Verdict::Deliver { .. } if head.is_full(transaction.context()) => Verdict::Mark(GapReason::QueueFull),
        Verdict::Deliver { .. } if !head.admit(transaction.context(), &entry) => {
            Verdict::Mark(GapReason::Rate)
        }
        verdict => verdict,
    };
    match verdict {
        Verdict::Nothing => Ok(()),
        Verdict::Mark(reason) => {
            let gap = Gap { group_id: message.group_id.clone(), position: message.position, reason };
            let _ = head.mark(transaction, &id, (entry, gap));
            Ok(())
        }
        Verdict::Deliver { pin } => {
            if pin && !is_pinned(&client, &entry) {
                let domain = config.content.pinned_domain(source);
                remember_pin(&mut client, Pin { group: entry, domain });
                transaction.put(&id, &client);
            }
            let delivery = Delivery {
                source: source.clone(),
                group_id: message.group_id.clone(),
                position: message.position,
                sent_at: message.sent_at,
                content: content.clone(),
            };
            if head.deliver(transaction, &id, &QueueMessage::Delivery(delivery)).is_ok() {
                signal(transaction, &config, id);
                return Ok(());
            }
            // Too long for any entry. That must not hold up the others.
            let gap = Gap {
                group_id: message.group_id.clone(),
                position: message.position,
                reason: GapReason::Dropped,
            };
            if let Some(head) = fan_out_queue::head(transaction, &id)? {
                let _ = head.mark(transaction, &id, (entry, gap));
            }
            Ok(())
        }
    }
}

/// What the client has blocked, then expiry, then binding or pin.
fn authorise(
    context: &Context,
    source: &Domain,
    message: &FanOutMessage,
    content: &FanOutContent,
    (config, client, entry): (&QueueConfig, &QsClient, &Hash),
) -> Verdict {
    // Silent both ways, whatever else there would be to say.
    if client.blocked.contains(entry) {
        return Verdict::Nothing;
    }
    if config.content.not_after < context.now() {
        return Verdict::Mark(GapReason::Expired);
    }
    let (authorised, pin) = match &config.content.binding {
        Binding::Bound { ds_domain, group_id } => {
            (ds_domain == source && *group_id == message.group_id, false)
        }
        Binding::Unbound if matches!(content, FanOutContent::Welcome(_)) => (true, true),
        Binding::Unbound => (is_pinned(client, entry) || context.planted(Plant::UnboundForever), false),
    };
    if !authorised {
        return Verdict::Mark(GapReason::NotAuthorised);
    }
    match content {
        FanOutContent::Dropped => Verdict::Mark(GapReason::Dropped),
        _ => Verdict::Deliver { pin },
    }
}

fn is_pinned(client: &QsClient, group: &Hash) -> bool {
    client.pinned.iter().any(|pin| pin.group == *group)
}

/// Pins a group. One configuration takes Welcomes for any number of groups, so whoever has most pins makes room:
/// no homeserver drives out the pins of another that has fewer.
fn remember_pin(client: &mut QsClient, pin: Pin) {
    let Err(pin) = client.pinned.push(pin) else { return };
    let mut counts = BTreeMap::new();
    for pin in &client.pinned {
        *counts.entry(pin.domain).or_insert(0_usize) += 1;
    }
    // The oldest come first; of those that count alike, the last one looked at is taken.
    let oldest = client.pinned.iter().enumerate().rev().max_by_key(|(_, pin)| counts.get(&pin.domain));
    if let Some((index, _)) = oldest {
        client.pinned.remove(index);
    }
    let _ = client.pinned.push(pin);
}

fn signal(transaction: &mut Transaction<'_>, config: &QueueConfig, client: QsClientId) {
    if config.content.notify == Notify::Always {
        transaction.effect(Effect::Signal(client));
    }
}
