//! PROTOCOL.md §8, Atomicity — the distributor: moves rows of a log, in order, into local queues and outbound
//! streams, a few recipients in each commit, and deletes a row when all are served.
//!
//! Its progress is part of the same commit, so that a crash between any two leaves no recipient out and
//! serves none twice. It never asks the network: what goes to another homeserver goes into a stream.

use std::{collections::BTreeMap, time::Duration};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    collections::log::FanOutRow,
    config::Plant,
    federation::outbox,
    identifiers::{Domain, LogId, LogPosition},
    operation::{Effect, Interrupt, Report, Timer, Transaction},
    queuing_service::enqueue,
    store::{Key, Record, RecordKind, Stored},
    time::MINUTE,
    wire::fan_out::{FanOutMessage, Recipient},
};

/// How far a log is distributed.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FanOutProgress {
    /// The row being distributed.
    position: u64,
    /// How many of its [deliveries] are made.
    made: u32,
}

impl Record for FanOutProgress {
    type Name = LogId;
    const KIND: RecordKind = RecordKind::FanOutProgress;
}

/// Makes the next few deliveries of the log: of as many messages as one commit has room for.
pub(crate) fn distribute(transaction: &mut Transaction<'_>, log: &LogId) -> Result<(), Interrupt> {
    let mut progress: FanOutProgress = transaction.get(log)?.unwrap_or_default();
    let source = log.source(transaction.domain()).clone();
    let messages = match waiting(transaction, log, &progress)? {
        Waiting::Messages(messages) => messages,
        Waiting::Damaged(name) => return pass_over(transaction, &name),
        Waiting::Nothing(name) if is_lost(transaction, &name)? => return pass_over(transaction, &name),
        Waiting::Nothing(_) => Vec::new(),
    };
    let ours = transaction.domain();
    let mut room = transaction.config().sizes.recipients_per_commit.max(1);
    let mut batch = Vec::new();
    for message in &messages {
        let deliveries = deliveries(ours, &source, message);
        let left = deliveries.len().saturating_sub(progress.made as usize);
        let now = left.min(room);
        batch.extend(deliveries.into_iter().skip(progress.made as usize).take(now));
        room -= now;
        if now < left {
            progress.made += now as u32;
            break;
        }
        transaction.delete::<FanOutRow>(&LogPosition { log: log.clone(), position: progress.position });
        progress = FanOutProgress { position: progress.position + 1, made: 0 };
    }
    prefetch(transaction, &batch)?;
    for Delivery { message, route } in &batch {
        match route {
            Route::Local(recipient) => enqueue::enqueue(transaction, &source, message, recipient)?,
            Route::Remote(domain, recipients) => {
                let all: Vec<&Recipient> = message.recipients.iter().collect();
                let named = if transaction.planted(Plant::ExtraRecipients) { &all } else { recipients };
                outbox::append(transaction, domain, &for_domain(message, named))?;
            }
        }
    }
    if !messages.is_empty() {
        transaction.put(log, &progress);
    }
    go_on(transaction, log, progress.position)
}

/// Has the timer run again if there is a row at `position`, the next one of the log; ends it if there is
/// none.
fn go_on(transaction: &mut Transaction<'_>, log: &LogId, position: u64) -> Result<(), Interrupt> {
    let timer = Timer::Distribute(log.clone());
    let name = LogPosition { log: log.clone(), position };
    // Both answers come with one read. What is behind a row that is there does not matter, and may change.
    let keys: Vec<Key> = std::iter::once(&name).chain(&behind(&name)).map(Key::of::<FanOutRow>).collect();
    transaction.snapshot().load(&keys)?;
    let is_over = is_absent(transaction, &name)? && !is_lost(transaction, &name)?;
    if is_over || transaction.planted(Plant::EndTimer) {
        transaction.clear_timer(&timer);
    } else if !transaction.planted(Plant::ForgetWake) {
        // The timer's row stays until the log is empty; this only says that there is more to do now.
        transaction.effect(Effect::Wake { timer, due: transaction.now() });
    }
    Ok(())
}

fn is_absent(transaction: &mut Transaction<'_>, name: &LogPosition) -> Result<bool, Interrupt> {
    Ok(matches!(transaction.read::<FanOutRow>(name)?, Stored::Absent))
}

/// Whether a row that is absent was lost: there is one behind it, and rows go from the first on.
fn is_lost(transaction: &mut Transaction<'_>, absent: &LogPosition) -> Result<bool, Interrupt> {
    let behind = behind(absent);
    transaction.load(std::iter::once(absent).chain(&behind).map(Key::of::<FanOutRow>))?;
    for name in &behind {
        if !is_absent(transaction, name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The next few rows behind one.
fn behind(LogPosition { log, position }: &LogPosition) -> Vec<LogPosition> {
    let positions = (position + 1..).take(LOOK_AHEAD);
    positions.map(|position| LogPosition { log: log.clone(), position }).collect()
}

/// What waits in a log.
enum Waiting {
    /// The next messages, as many as one commit can serve.
    Messages(Vec<FanOutMessage>),
    /// There is none, unless the first of them was lost.
    Nothing(LogPosition),
    /// The first of them is damaged.
    Damaged(LogPosition),
}

/// Reads the next messages, more at a time where they turn out to be small.
fn waiting(
    transaction: &mut Transaction<'_>,
    log: &LogId,
    progress: &FanOutProgress,
) -> Result<Waiting, Interrupt> {
    let room = transaction.config().sizes.recipients_per_commit.max(1);
    let mut messages: Vec<FanOutMessage> = Vec::new();
    let mut recipients = 0;
    for ahead in [1, 2, 4, 8, 16] {
        let first = progress.position + messages.len() as u64;
        let names = (first..).take(ahead).map(|position| LogPosition { log: log.clone(), position });
        let names: Vec<LogPosition> = names.collect();
        // Only this timer takes rows away: what was seen of them stays.
        transaction.snapshot().load(&names.iter().map(Key::of::<FanOutRow>).collect::<Vec<_>>())?;
        for name in names {
            match transaction.snapshot().read::<FanOutRow>(&name)? {
                Stored::Intact(FanOutRow(message)) => {
                    recipients += message.recipients.len();
                    messages.push(message);
                }
                Stored::Damaged(_) if messages.is_empty() => return Ok(Waiting::Damaged(name)),
                Stored::Absent if messages.is_empty() => return Ok(Waiting::Nothing(name)),
                Stored::Damaged(_) | Stored::Absent => return Ok(Waiting::Messages(messages)),
            }
            if recipients >= room.saturating_add(progress.made as usize) {
                return Ok(Waiting::Messages(messages));
            }
        }
    }
    Ok(Waiting::Messages(messages))
}

/// Passes over a damaged or lost row, so that it does not hold up those behind it. Its recipients are not known any
/// more: they notice by the group's positions that something is missing.
///
/// That happens only if one of the next rows can be read. Under another service key none can, and then
/// nothing is lost yet: all of it waits for the right key.
fn pass_over(transaction: &mut Transaction<'_>, damaged: &LogPosition) -> Result<(), Interrupt> {
    let LogPosition { log, position } = damaged;
    let behind = behind(damaged);
    transaction.load(behind.iter().map(Key::of::<FanOutRow>))?;
    let mut lost = false;
    for name in &behind {
        lost |= matches!(transaction.read::<FanOutRow>(name)?, Stored::Intact(_));
    }
    transaction.effect(Effect::Report(Report::DamagedMessage {
        log: log.clone(),
        position: *position,
        lost,
    }));
    if lost {
        transaction.delete::<FanOutRow>(damaged);
        transaction.put(log, &FanOutProgress { position: position + 1, made: 0 });
    }
    let due = if lost { transaction.now() } else { transaction.now() + DAMAGED_WAIT };
    transaction.schedule(Timer::Distribute(log.clone()), due);
    Ok(())
}

/// The number of rows behind a damaged or absent one that are looked at.
const LOOK_AHEAD: usize = 8;

/// How often a damaged row is looked at while nothing behind it can be read. The next message looks at once.
const DAMAGED_WAIT: Duration = MINUTE.saturating_mul(30);

/// One delivery of a message.
struct Delivery<'a> {
    message: &'a FanOutMessage,
    route: Route<'a>,
}

/// Where a message is delivered to.
enum Route<'a> {
    /// To a queue of this homeserver.
    Local(&'a Recipient),
    /// To all its recipients at another homeserver together.
    Remote(&'a Domain, Vec<&'a Recipient>),
}

/// Loads what the deliveries read, so that it takes two rounds however many they are.
fn prefetch(transaction: &mut Transaction<'_>, batch: &[Delivery<'_>]) -> Result<(), Interrupt> {
    let context = transaction.context();
    let rows = batch.iter().flat_map(|Delivery { message, route }| match route {
        Route::Local(recipient) => enqueue::rows(context, recipient),
        Route::Remote(domain, _) => outbox::rows(context, domain, message),
    });
    transaction.snapshot().load(&rows.collect::<Vec<Key>>())?;
    let mut over_bound = Vec::new();
    let mut before: BTreeMap<&Domain, u64> = BTreeMap::new();
    for Delivery { message, route } in batch {
        if let Route::Remote(domain, _) = route {
            let before = before.entry(domain).or_default();
            over_bound.extend(outbox::row_over_bound(transaction, domain, message, *before)?);
            *before += 1;
        }
    }
    transaction.snapshot().load(&over_bound)
}

/// All deliveries of a message, always in the same order. What comes from another homeserver goes to queues
/// here only: nothing is relayed to a third.
fn deliveries<'a>(ours: &Domain, source: &Domain, message: &'a FanOutMessage) -> Vec<Delivery<'a>> {
    let mut remote: BTreeMap<&Domain, Vec<&Recipient>> = BTreeMap::new();
    let mut routes = Vec::new();
    for recipient in &message.recipients {
        if recipient.config.domain == *ours {
            routes.push(Route::Local(recipient));
        } else if source == ours {
            remote.entry(&recipient.config.domain).or_default().push(recipient);
        }
    }
    routes.extend(remote.into_iter().map(|(domain, recipients)| Route::Remote(domain, recipients)));
    routes.into_iter().map(|route| Delivery { message, route }).collect()
}

/// The message with only these recipients, and only the contents that they get.
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
