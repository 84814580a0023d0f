//! R1 — every delivery enters its recipient's queue exactly once, wherever the recipient's homeserver is.
//!
//! Clients drop what comes again, so duplicates in a queue cannot be seen from outside. This oracle reads the
//! stores, with the homeservers' own keys.

use std::collections::BTreeMap;

use phoenix_core::{
    identifiers::{LogId, QsClientId},
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
}

#[derive(Debug, Default)]
struct Counts {
    /// Deliveries that delivery services wrote into the logs of their groups.
    due: u64,
    /// Deliveries that were accepted from the dishonest homeserver, or led to others than they are for: each may
    /// leave one marker.
    markers: u64,
    /// Entries of the queue.
    made: u64,
}

impl Enqueued {
    /// Returns a violation for each queue with fewer entries than deliveries.
    pub fn missing(&self) -> Vec<Violation> {
        let missing = self.queues.iter().filter(|(_, counts)| counts.made < counts.due);
        let texts =
            missing.map(|(client, counts)| format!("the queue of {client:?} lacks entries: {counts:?}"));
        texts.map(|what| Violation::now("enqueued", what)).collect()
    }

    /// Counts the recipients of a message where its group orders it, not in the streams that carry it on. Those
    /// who are `misled` to get a marker at most.
    pub fn logged(&mut self, rows: &mut Rows, logged: &LoggedMessage, misled: impl Fn(&QsClientId) -> bool) {
        for recipient in &logged.message.recipients {
            let Some(client) = rows.client(&recipient.config) else { continue };
            let counts = self.queues.entry(client).or_default();
            match &logged.log {
                LogId::Group(_) if misled(&client) => counts.markers += 1,
                LogId::Group(_) => counts.due += 1,
                LogId::Stream { source, .. } if rows.is_dishonest(source) => counts.markers += 1,
                LogId::Stream { .. } => {}
            }
        }
    }

    /// Counts a new entry of a queue.
    ///
    /// # Errors
    /// The queue has more entries than there were deliveries for it.
    pub fn entered(&mut self, write: &Write) -> Result<(), Violation> {
        let Some((client, sequence)) = entry_name(write.key.name()) else { return Ok(()) };
        // Entry 0 carries the key of the queue and no delivery.
        if sequence == 0 {
            return Ok(());
        }
        let counts = self.queues.entry(client).or_default();
        counts.made += 1;
        if counts.made <= counts.due + counts.markers {
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
