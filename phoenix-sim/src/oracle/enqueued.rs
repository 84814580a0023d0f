//! R1 — every delivery enters its recipient's queue exactly once, wherever the recipient's homeserver is.
//!
//! Clients drop what comes again, so duplicates in a queue cannot be seen from outside. This oracle reads the
//! stores, with the homeservers' own keys.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    identifiers::{Domain, LogId, QsClientId},
    store::Write,
};

use super::{
    rows::{LoggedMessage, Rows},
    violation::Violation,
};

/// How many entries were due in each queue, and how many were made.
#[derive(Default)]
pub struct Enqueued {
    queues: BTreeMap<QsClientId, Counts>,
    /// The homeservers that each queue is at or gets deliveries from.
    touched: BTreeMap<QsClientId, BTreeSet<Domain>>,
    /// The homeservers whose stores were restored: what they deliver, or take in, may come twice or never.
    excepted: BTreeSet<Domain>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Deliveries that delivery services wrote into the logs of their groups.
    due: u64,
    /// Deliveries that were accepted from the dishonest homeserver: each may leave one marker.
    markers: u64,
    /// Entries of the queue.
    made: u64,
    /// The position behind its last entry.
    end: u64,
}

impl Enqueued {
    /// Returns a violation for each queue with fewer entries than deliveries.
    pub fn missing(&self) -> Vec<Violation> {
        let missing =
            self.queues.iter().filter(|(name, counts)| counts.made < counts.due && !self.is_excepted(name));
        let texts =
            missing.map(|(client, counts)| format!("the queue of {client:?} lacks entries: {counts:?}"));
        texts.map(|what| Violation::now("enqueued", what)).collect()
    }

    /// Counts the recipients of a message where its group orders it, not in the streams that carry it on.
    pub fn logged(&mut self, rows: &mut Rows, logged: &LoggedMessage) {
        for recipient in &logged.message.recipients {
            let Some(client) = rows.client(&recipient.config) else { continue };
            let counts = self.queues.entry(client).or_default();
            match &logged.log {
                LogId::Group(_) => counts.due += 1,
                LogId::Stream { source, .. } if rows.is_dishonest(source) => counts.markers += 1,
                LogId::Stream { .. } => {}
            }
            let touched = self.touched.entry(client).or_default();
            touched.extend([recipient.config.domain.clone(), logged.message.group_id.domain.clone()]);
        }
    }

    /// From now on, excepts queues of a homeserver whose store was restored, and those that it delivers to.
    pub fn except_homeserver(&mut self, domain: &Domain) {
        self.excepted.insert(domain.clone());
    }

    fn is_excepted(&self, queue: &QsClientId) -> bool {
        self.touched.get(queue).is_some_and(|touched| !touched.is_disjoint(&self.excepted))
    }

    /// Returns the position behind the last entry of each queue.
    pub fn ends(&self) -> BTreeMap<QsClientId, u64> {
        self.queues.iter().map(|(name, counts)| (*name, counts.end)).collect()
    }

    /// Returns the queues to which deliveries are under way.
    pub fn behind(&self) -> BTreeSet<QsClientId> {
        let behind = self.queues.iter().filter(|(_, counts)| counts.made < counts.due + counts.markers);
        behind.map(|(name, _)| *name).collect()
    }

    /// Takes back what [`logged`](Self::logged) has counted: the store has lost the row.
    pub fn unlogged(&mut self, rows: &mut Rows, logged: &LoggedMessage) {
        for recipient in &logged.message.recipients {
            let Some(client) = rows.client(&recipient.config) else { continue };
            let counts = self.queues.entry(client).or_default();
            match &logged.log {
                LogId::Group(_) => counts.due -= 1,
                LogId::Stream { source, .. } if rows.is_dishonest(source) => counts.markers -= 1,
                LogId::Stream { .. } => {}
            }
        }
    }

    /// Takes back what [`entered`](Self::entered) has counted: the store has lost the row.
    pub fn unmade(&mut self, write: &Write) {
        if let Some((client, sequence)) = entry_name(write.key.name())
            && sequence > 0
            && let Some(counts) = self.queues.get_mut(&client)
        {
            counts.made -= 1;
            counts.end = sequence;
        }
    }

    /// Counts a new entry of a queue.
    ///
    /// # Errors
    /// The queue has more entries than there were deliveries for it.
    pub fn entered(&mut self, write: &Write) -> Result<(), Violation> {
        let Some((client, sequence)) = entry_name(write.key.name()) else { return Ok(()) };
        let is_excepted = self.is_excepted(&client);
        let counts = self.queues.entry(client).or_default();
        counts.end = sequence + 1;
        // Entry 0 carries the key of the queue and no delivery.
        if sequence == 0 {
            return Ok(());
        }
        counts.made += 1;
        if counts.made <= counts.due + counts.markers || is_excepted {
            return Ok(());
        }
        let what = format!("the queue of {client:?} has an entry twice: {counts:?}");
        Err(Violation::now("enqueued", what))
    }
}

/// Returns the client and the sequence number that name the row of a queue entry.
fn entry_name(name: &[u8]) -> Option<(QsClientId, u64)> {
    let (client, sequence) = name.split_at_checked(16)?;
    Some((QsClientId(client.try_into().ok()?), u64::from_be_bytes(sequence.try_into().ok()?)))
}
