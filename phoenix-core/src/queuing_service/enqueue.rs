//! PROTOCOL.md §7, Enqueue — whether the client that one delivery goes to has authorised it, and what becomes
//! of it.
//!
//! Called by the distributor for each recipient, with messages of groups that the source may deliver for: the
//! inbox lets no others through. One bad recipient never fails the others.

use std::collections::BTreeMap;

use super::{
    config, fan_out_queue,
    records::{Pin, QsClient},
};
use crate::{
    config::Plant,
    crypto::kdf::Hash,
    identifiers::Domain,
    operation::{Context, Effect, Interrupt, Transaction},
    store::Key,
    wire::fan_out::{
        Binding, Delivery, FanOutContent, FanOutMessage, Gap, GapReason, Notify, QueueConfigContent,
        QueueMessage, Recipient,
    },
};

/// The rows that a delivery to `recipient` reads.
pub(crate) fn rows(context: &Context, recipient: &Recipient) -> Vec<Key> {
    config::open(context, &recipient.config).map_or_else(Vec::new, |config| {
        let client = config.content.client;
        vec![Key::of::<QsClient>(&client), fan_out_queue::row(&client)]
    })
}

/// What becomes of a delivery.
enum Verdict {
    /// It goes into the queue. For a Welcome that came through an unbound configuration, the group is pinned.
    Deliver { pin: bool },
    /// A marker goes into the queue in its place.
    Mark(GapReason),
    /// Nothing: neither side is told.
    Nothing,
}

/// Delivers `message`, which `source` is authenticated to have sent, to one recipient; or marks the gap.
///
/// # Errors
/// [`Interrupt::Load`] only: what is wrong with a recipient concerns that one alone.
pub(crate) fn enqueue(
    transaction: &mut Transaction<'_>,
    source: &Domain,
    message: &FanOutMessage,
    recipient: &Recipient,
) -> Result<(), Interrupt> {
    debug_assert_eq!(message.group_id.domain, *source, "the inbox lets nothing else through");
    let Some(content) = message.contents.get(usize::from(recipient.content)) else { return Ok(()) };
    let Some(mut addressee) = Addressee::find(transaction, source, message, recipient)? else {
        return Ok(());
    };
    let id = addressee.config.client;
    let Some(mut head) = fan_out_queue::head(transaction, &id)? else { return Ok(()) };
    let context = transaction.context();
    let verdict = match addressee.authorise(context, source, message, content) {
        Verdict::Deliver { .. } if head.is_full(context) => Verdict::Mark(GapReason::QueueFull),
        Verdict::Deliver { .. } if !head.admit(context, &addressee.membership) => {
            Verdict::Mark(GapReason::Rate)
        }
        verdict @ (Verdict::Deliver { .. } | Verdict::Mark(_) | Verdict::Nothing) => verdict,
    };
    match verdict {
        Verdict::Nothing => Ok(()),
        Verdict::Mark(reason) => {
            let _ = head.mark(transaction, &id, addressee.membership, gap(message, reason));
            Ok(())
        }
        Verdict::Deliver { pin } => {
            if pin {
                addressee.pin(transaction, source);
            }
            let delivery = Delivery {
                source: source.clone(),
                group_id: message.group_id.clone(),
                position: message.position,
                sent_at: message.sent_at,
                content: content.clone(),
            };
            if head.deliver(transaction, &id, &QueueMessage::Delivery(delivery)).is_ok() {
                addressee.signal(transaction);
                return Ok(());
            }
            // Too long for any entry. That must not hold up the others.
            if let Some(head) = fan_out_queue::head(transaction, &id)? {
                let _ = head.mark(transaction, &id, addressee.membership, gap(message, GapReason::Dropped));
            }
            Ok(())
        }
    }
}

fn gap(message: &FanOutMessage, reason: GapReason) -> Gap {
    Gap { group_id: message.group_id.clone(), position: message.position, reason }
}

/// The client that a delivery goes to, as its configuration says, which it has signed.
struct Addressee {
    config: QueueConfigContent,
    client: QsClient,
    /// How the client's record names the group.
    membership: Hash,
}

impl Addressee {
    /// The client that `recipient` names. `None` if there is none, or it did not sign the configuration: then
    /// there is no client that the delivery could concern.
    fn find(
        transaction: &mut Transaction<'_>,
        source: &Domain,
        message: &FanOutMessage,
        recipient: &Recipient,
    ) -> Result<Option<Self>, Interrupt> {
        let Some(config) = config::open(transaction.context(), &recipient.config) else { return Ok(None) };
        let client = transaction.read::<QsClient>(&config.content.client)?.intact();
        let Some(client) = client else { return Ok(None) };
        if !config::verify(transaction.context(), &recipient.config, &config, &client.config_key) {
            return Ok(None);
        }
        let membership = config.content.list_entry(source, &message.group_id);
        Ok(Some(Self { config: config.content, client, membership }))
    }

    /// Whether the client has blocked the group; then expiry, then binding or pin.
    fn authorise(
        &self,
        context: &Context,
        source: &Domain,
        message: &FanOutMessage,
        content: &FanOutContent,
    ) -> Verdict {
        // Silent both ways, even if the configuration has expired or is bound to another group.
        if self.client.blocked.contains(&self.membership) {
            return Verdict::Nothing;
        }
        if self.config.not_after < context.now() {
            return Verdict::Mark(GapReason::Expired);
        }
        let (authorised, pin) = match &self.config.binding {
            Binding::Bound { ds_domain, group_id } => {
                let is_theirs = ds_domain == source && *group_id == message.group_id;
                (is_theirs || context.planted(Plant::IgnoreBinding), false)
            }
            Binding::Unbound if matches!(content, FanOutContent::Welcome(_)) => (true, true),
            Binding::Unbound => (self.is_pinned() || context.planted(Plant::UnboundForever), false),
        };
        if !authorised {
            return Verdict::Mark(GapReason::NotAuthorised);
        }
        match content {
            FanOutContent::Dropped => Verdict::Mark(GapReason::Dropped),
            FanOutContent::Message(_) | FanOutContent::Welcome(_) | FanOutContent::Receipt(_) => {
                Verdict::Deliver { pin }
            }
        }
    }

    fn is_pinned(&self) -> bool {
        self.client.pinned.iter().any(|pin| pin.group == self.membership)
    }

    /// Pins the group, which is of `source`.
    fn pin(&mut self, transaction: &mut Transaction<'_>, source: &Domain) {
        if !self.is_pinned() {
            let domain = self.config.pinned_domain(source);
            self.client.pin(Pin { group: self.membership, domain });
            if !transaction.planted(Plant::ForgetPin) {
                transaction.put(&self.config.client, &self.client);
            }
        }
    }

    /// Has the client told that its queue has grown, if it wants to be.
    fn signal(&self, transaction: &mut Transaction<'_>) {
        if self.config.notify == Notify::Always && !transaction.planted(Plant::ForgetSignal) {
            transaction.effect(Effect::Signal(self.config.client));
        }
    }
}

impl QsClient {
    /// Pins a group. One configuration takes Welcomes for any number of groups, so the homeserver with most
    /// pins makes room: none drives out the pins of another that has fewer.
    fn pin(&mut self, pin: Pin) {
        let Err(pin) = self.pinned.push(pin) else { return };
        let mut counts = BTreeMap::new();
        for pin in &self.pinned {
            *counts.entry(pin.domain).or_insert(0_usize) += 1;
        }
        // The oldest come first; of those that count alike, the last one looked at is taken.
        let oldest = self.pinned.iter().enumerate().rev().max_by_key(|(_, pin)| counts.get(&pin.domain));
        if let Some((index, _)) = oldest {
            self.pinned.remove(index);
        }
        let _ = self.pinned.push(pin);
    }
}
