//! protocol.md §8, Atomicity — the distributor: moves rows of a log, in order, into local queues and outbound
//! streams, a few recipients in each commit, and deletes a row when all are served.
//!
//! How far it is, it notes in the same commit, so that a crash between any two leaves nobody out and serves
//! nobody twice. It never asks the network: what goes to another homeserver goes into a stream.

use std::collections::BTreeMap;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{FanOutRow, LogId, LogPosition};
use crate::{
    context::Context,
    federation::outbox,
    identifiers::Domain,
    operation::{Effect, Interrupt, Timer},
    queuing_service::enqueue,
    store::{Key, Record, RecordKind, Transaction},
    timers,
    wire::fan_out::{FanOutMessage, Recipient},
};

/// How far a log is distributed.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FanOutProgress {
    /// The row in hand.
    position: u64,
    /// How many of its [deliveries](deliveries) are made.
    made: u32,
}

impl Record for FanOutProgress {
    type Name = LogId;
    const KIND: RecordKind = RecordKind::FanOutProgress;
}

/// Makes the next few deliveries of the log.
pub(crate) fn distribute(
    transaction: &mut Transaction,
    context: &mut Context,
    log: &LogId,
) -> Result<(), Interrupt> {
    let timer = Timer::Distribute(log.clone());
    let mut progress: FanOutProgress = transaction.get(log)?.unwrap_or_default();
    let name = LogPosition { log: log.clone(), position: progress.position };
    let Some(FanOutRow(message)) = transaction.get(&name)? else {
        timers::clear(transaction, &timer);
        return Ok(());
    };
    let source = log.source(context.domain()).clone();
    let deliveries = deliveries(context.domain(), &source, &message);
    let made = progress.made as usize;
    let batch = &deliveries[made.min(deliveries.len())..];
    let batch = &batch[..batch.len().min(context.config().sizes.recipients_per_commit.max(1))];
    prefetch(transaction, context, &message, batch)?;
    for delivery in batch {
        match delivery {
            Way::Local(recipient) => enqueue::enqueue(transaction, context, &source, &message, recipient)?,
            Way::Remote(domain, recipients) => {
                outbox::append(transaction, context, domain, &for_domain(&message, recipients))?;
            }
        }
    }
    if made + batch.len() >= deliveries.len() {
        transaction.delete::<FanOutRow>(&name);
        progress = FanOutProgress { position: progress.position + 1, made: 0 };
    } else {
        progress.made += batch.len() as u32;
    }
    transaction.put(log, &progress);
    // The timer's row stays until the log is empty; this only says that there is more to do right now.
    transaction.effect(Effect::Wake { timer, due: context.now });
    Ok(())
}

/// One delivery: to a queue here, or to all recipients at another homeserver together.
enum Way<'a> {
    Local(&'a Recipient),
    Remote(&'a Domain, Vec<&'a Recipient>),
}

/// Loads what the deliveries will read, so that it takes two rounds however many they are.
fn prefetch(
    transaction: &mut Transaction,
    context: &Context,
    message: &FanOutMessage,
    batch: &[Way<'_>],
) -> Result<(), Interrupt> {
    let rows = batch.iter().flat_map(|delivery| match delivery {
        Way::Local(recipient) => enqueue::rows(context, recipient),
        Way::Remote(domain, _) => outbox::rows(context, domain, message),
    });
    transaction.prefetch(&rows.collect::<Vec<Key>>())?;
    let mut over_bound = Vec::new();
    for delivery in batch {
        if let Way::Remote(domain, _) = delivery {
            over_bound.extend(outbox::row_over_bound(transaction, context, domain, message)?);
        }
    }
    transaction.prefetch(&over_bound)
}

/// All deliveries of a message, always in the same order. What comes from another homeserver goes to queues
/// here only: nothing is relayed to a third.
fn deliveries<'a>(ours: &Domain, source: &Domain, message: &'a FanOutMessage) -> Vec<Way<'a>> {
    let mut remote: BTreeMap<&Domain, Vec<&Recipient>> = BTreeMap::new();
    let mut deliveries = Vec::new();
    for recipient in &message.recipients {
        if recipient.config.domain == *ours {
            deliveries.push(Way::Local(recipient));
        } else if source == ours {
            remote.entry(&recipient.config.domain).or_default().push(recipient);
        }
    }
    deliveries.extend(remote.into_iter().map(|(domain, recipients)| Way::Remote(domain, recipients)));
    deliveries
}

/// The message with just these recipients, and just the contents that they get.
fn for_domain(message: &FanOutMessage, recipients: &[&Recipient]) -> FanOutMessage {
    let mut contents: BTreeMap<u16, u16> = BTreeMap::new();
    for recipient in recipients {
        let next = contents.len() as u16;
        contents.entry(recipient.content).or_insert(next);
    }
    let mut kept: Vec<_> =
        contents.iter().map(|(old, new)| (*new, message.contents.get(usize::from(*old)))).collect();
    kept.sort_unstable_by_key(|(new, _)| *new);
    let kept: Vec<_> = kept.into_iter().filter_map(|(_, content)| content.cloned()).collect();
    let recipients: Vec<_> = recipients
        .iter()
        .map(|recipient| Recipient {
            content: contents[&recipient.content],
            config: recipient.config.clone(),
        })
        .collect();
    FanOutMessage {
        group_id: message.group_id.clone(),
        position: message.position,
        sent_at: message.sent_at,
        // Subsets of lists that were within their limits.
        contents: kept.try_into().unwrap_or_default(),
        recipients: recipients.try_into().unwrap_or_default(),
    }
}
