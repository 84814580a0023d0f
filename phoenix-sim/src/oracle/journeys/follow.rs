//! Follows rows as they are committed, and entries of queues as they are returned.

use std::{collections::BTreeMap, num::NonZeroU64, ops::Range};

use phoenix_core::{
    client::Event,
    codec::decode,
    identifiers::{Domain, GroupId, LogId, QsClientId},
    store::{Commit, RecordKind, Row, Write},
};

use super::state::{Delivery, Entry, Journeys, MessageNumber, Ordered, Waiting};
use crate::{
    disk::Disk,
    oracle::{
        observation::Observation,
        rows::{LoggedMessage, Rows, entry_name, is_delivery},
    },
    schedule::EventNumber,
};

/// How many rows of a log one commit of the distributor can pass at most.
const ROWS_PER_COMMIT: u64 = 64;

impl Journeys {
    /// Follows a message that homeserver `row.0` writes to the row `row.1` of a log.
    pub fn logged(
        &mut self,
        rows: &mut Rows,
        row: (usize, &[u8]),
        logged: &LoggedMessage,
        number: EventNumber,
    ) {
        let Some(ours) = rows.domain(row.0).cloned() else { return };
        let name = (logged.message.group_id.clone(), logged.message.position);
        let is_ordered = matches!(logged.log, LogId::Group(_));
        let next = Ordered { number: self.ordered, event: NonZeroU64::new(number) };
        let message = if is_ordered {
            self.ordered += 1;
            self.messages.entry(name).or_insert(next).number
        } else {
            // What no delivery service has ordered is an attacker's.
            let Some(ordered) = self.messages.get(&name) else { return };
            ordered.number
        };
        let deliveries = deliveries(rows, &ours, logged);
        for queue in deliveries.iter().flat_map(Delivery::queues) {
            if is_ordered {
                self.journeys.entry((message, queue)).or_default();
            } else if let Some(journey) = self.journeys.get_mut(&(message, queue)) {
                journey.carried = journey.carried.or(NonZeroU64::new(number));
            }
        }
        self.waiting.insert((row.0, row.1.to_vec()), Waiting { message, deliveries });
    }

    /// Follows what the distributor of homeserver `server` does in a commit that writes its `progress`.
    pub fn distributed(
        &mut self,
        server: usize,
        disk: &Disk,
        commit: &Commit,
        progress: &Write,
        number: EventNumber,
    ) {
        let Some(new) = progress.bytes.as_deref().and_then(read_progress) else { return };
        let old = disk.rows.get(&progress.key).and_then(|Row { bytes, .. }| read_progress(bytes));
        let old = old.unwrap_or_default();
        let mut due: BTreeMap<QsClientId, Vec<MessageNumber>> = BTreeMap::new();
        for position in old.0.max(new.0.saturating_sub(ROWS_PER_COMMIT))..=new.0 {
            let name = (server, [progress.key.name(), &position.to_be_bytes()[..]].concat());
            let Some(Waiting { message, deliveries }) = self.waiting.get(&name) else { continue };
            let made = if position == old.0 { old.1 } else { 0 };
            let until = if position == new.0 { new.1 } else { deliveries.len() };
            for delivery in deliveries.get(made..until).unwrap_or_default() {
                match delivery {
                    Delivery::Queue(Some(queue)) => due.entry(*queue).or_default().push(*message),
                    Delivery::Queue(None) => {}
                    Delivery::Stream(queues) => {
                        for queue in queues {
                            let journey = self.journeys.entry((*message, *queue)).or_default();
                            journey.put_into_stream = journey.put_into_stream.or(NonZeroU64::new(number));
                        }
                    }
                }
            }
        }
        // Rows that a commit has passed are kept for a while: the store may lose that commit.
        let gone = |position: u64| (server, [progress.key.name(), &position.to_be_bytes()[..]].concat());
        let passed = old.0..new.0.min(old.0.saturating_add(ROWS_PER_COMMIT));
        for position in passed.filter_map(|position| position.checked_sub(ROWS_PER_COMMIT)) {
            self.waiting.remove(&gone(position));
        }
        let mut made = new_entries(disk, commit);
        for (queue, messages) in due {
            self.enter(queue, &messages, &made.remove(&queue).unwrap_or_default(), number);
        }
    }

    /// Notes the entries of a queue that were made for messages.
    fn enter(&mut self, queue: QsClientId, messages: &[MessageNumber], made: &[u64], number: EventNumber) {
        let event = NonZeroU64::new(number);
        for (index, message) in messages.iter().enumerate() {
            let Some(journey) = self.journeys.get_mut(&(*message, queue)) else { continue };
            match made.get(index) {
                // Which of them a lone marker stands for is not known.
                _ if !made.is_empty() && made.len() != messages.len() => {}
                None => journey.left_out = journey.left_out.or(event),
                Some(sequence) => {
                    let entry = Some(Entry { sequence: *sequence, event });
                    let again = journey.entered.and(entry);
                    journey.entered_again = journey.entered_again.or(again);
                    journey.entered = journey.entered.or(entry);
                    self.entries.insert((queue, *sequence), *message);
                }
            }
        }
    }

    /// Notes that the store has lost an entry of a queue.
    pub fn unmade(&mut self, write: &Write) {
        let Some(entry) = entry_name(write.key.name()) else { return };
        let Some(message) = self.entries.remove(&entry) else { return };
        if let Some(journey) = self.journeys.get_mut(&(message, entry.0)) {
            (journey.entered, journey.entered_again) = (journey.entered_again, None);
        }
    }

    /// Forgets the messages of a group from a position on: others get their positions.
    pub fn group_goes_back(&mut self, group: &GroupId, first: u64) {
        self.messages.retain(|(of, position), _| of != group || *position < first);
    }

    /// Notes that entries of a queue were returned to its owner.
    pub fn returned(&mut self, queue: QsClientId, entries: Range<u64>, number: EventNumber) {
        for sequence in entries {
            let Some(message) = self.entries.remove(&(queue, sequence)) else { continue };
            if let Some(journey) = self.journeys.get_mut(&(message, queue)) {
                journey.returned = journey.returned.or(NonZeroU64::new(number));
            }
        }
    }

    /// Notes that a client shows a message.
    pub fn observe(&mut self, observation: &Observation<'_>) {
        let Event::Message { group, position, .. } = observation.event else { return };
        let Some(Ordered { number, .. }) = self.messages.get(&(group.clone(), *position)) else { return };
        for queue in self.queues.get(observation.user_id).into_iter().flatten() {
            if let Some(journey) = self.journeys.get_mut(&(*number, *queue)) {
                journey.shown = NonZeroU64::new(observation.number);
            }
        }
    }
}

/// Returns the deliveries of a message in the order in which a distributor makes them: to its own queues in
/// the order of the recipients, then to each other homeserver in the order of their domains.
fn deliveries(rows: &mut Rows, ours: &Domain, logged: &LoggedMessage) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    let mut streams: BTreeMap<&Domain, Vec<QsClientId>> = BTreeMap::new();
    for recipient in &logged.message.recipients {
        let queue = rows.client(&recipient.config);
        if recipient.config.domain == *ours {
            deliveries.push(Delivery::Queue(queue));
        } else if matches!(logged.log, LogId::Group(_)) {
            streams.entry(&recipient.config.domain).or_default().extend(queue);
        }
    }
    deliveries.extend(streams.into_values().map(Delivery::Stream));
    deliveries
}

/// Returns the row of the log in which a distributor is and how many of its deliveries are made. A row of
/// progress holds both behind the byte for its format.
fn read_progress(row: &[u8]) -> Option<(u64, usize)> {
    let (position, made) = row.get(1..)?.split_at_checked(8)?;
    Some((decode(position).ok()?, decode::<u32>(made).ok()? as usize))
}

/// Returns the sequence numbers of the entries with deliveries that a commit adds to each queue.
fn new_entries(disk: &Disk, commit: &Commit) -> BTreeMap<QsClientId, Vec<u64>> {
    let mut entries: BTreeMap<QsClientId, Vec<u64>> = BTreeMap::new();
    for write in &commit.writes {
        let is_entry = write.key.kind() == RecordKind::FanOutQueueEntry && write.bytes.is_some();
        if is_entry
            && disk.rows.get(&write.key).is_none()
            && is_delivery(write)
            && let Some((queue, sequence)) = entry_name(write.key.name())
        {
            entries.entry(queue).or_default().push(sequence);
        }
    }
    entries.values_mut().for_each(|sequences| sequences.sort_unstable());
    entries
}
