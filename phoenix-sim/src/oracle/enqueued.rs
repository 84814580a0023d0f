//! R1 — every delivery enters its recipient's queue exactly once, wherever the recipient's homeserver is.
//!
//! Clients drop what comes again, so duplicates in a queue cannot be seen from outside. This oracle reads the
//! stores, with the homeservers' own keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use phoenix_core::{
    identifiers::{Domain, LogId, QsClientId},
    store::Write,
};

use super::{
    journeys::Journeys,
    rows::{LoggedMessage, Rows, entry_name, is_delivery},
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
    /// From which homeserver to which one the position of a stream was lost: what the one could not know to be
    /// accepted comes once more.
    repeated: BTreeSet<(Domain, Domain)>,
    /// Whether entries may have a marker besides: what waits too long for an answer may be dropped after it was
    /// delivered.
    pub may_mark_twice: bool,
}

#[derive(Default)]
struct Counts {
    /// Deliveries that delivery services wrote into the logs of their groups.
    due: u64,
    /// Deliveries that were accepted from the dishonest homeserver, or led to others than they are for: each may
    /// leave one marker.
    markers: u64,
    /// Entries of the queue.
    made: u64,
    /// The position behind its last entry.
    end: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due, markers, made, .. } = self;
        write!(formatter, "{made} for {due} deliveries and {markers} markers of what is not authorised")
    }
}

impl Enqueued {
    /// Returns a violation if a queue has fewer entries than deliveries.
    pub fn missing(&self, journeys: &Journeys) -> Option<Violation> {
        let lacks =
            |(client, counts): &(&QsClientId, &Counts)| counts.made < counts.due && !self.is_excepted(client);
        let (client, counts) = self.queues.iter().find(lacks)?;
        let what = format!("{client:?} lacks entries: it has {counts}");
        let should = "The distributor of the recipient's homeserver enters each delivery into its queue.";
        Some(journeys.explain_missing(Violation::now("enqueued", what, should), *client))
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
            let touched = self.touched.entry(client).or_default();
            touched.extend([recipient.config.domain.clone(), logged.message.group_id.domain.clone()]);
        }
    }

    /// From now on, excepts queues of a homeserver whose store was restored, and those that it delivers to.
    pub fn except_homeserver(&mut self, domain: &Domain) {
        self.excepted.insert(domain.clone());
    }

    /// From now on, excepts what comes once more from a homeserver to another one.
    pub fn except_repeats(&mut self, from: &Domain, to: &Domain) {
        self.repeated.insert((from.clone(), to.clone()));
    }

    fn may_repeat(&self, queue: &QsClientId) -> bool {
        let Some(touched) = self.touched.get(queue) else { return false };
        self.repeated.iter().any(|(from, to)| touched.contains(from) && touched.contains(to))
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
            && let Some(counts) = self.queues.get_mut(&client)
        {
            counts.made -= u64::from(is_delivery(write));
            counts.end = sequence;
        }
    }

    /// Counts a new entry of a queue.
    ///
    /// # Errors
    /// The queue has more entries than there were deliveries for it.
    pub fn entered(&mut self, write: &Write, journeys: &Journeys) -> Result<(), Violation> {
        let Some((client, sequence)) = entry_name(write.key.name()) else { return Ok(()) };
        let is_excepted = self.is_excepted(&client) || self.may_repeat(&client);
        let counts = self.queues.entry(client).or_default();
        counts.end = sequence + 1;
        if !is_delivery(write) {
            return Ok(());
        }
        counts.made += 1;
        if self.may_mark_twice || is_excepted || counts.made <= counts.due + counts.markers {
            return Ok(());
        }
        let what = format!("{client:?} has an entry twice: it has {counts}");
        let should =
            "A homeserver enters each delivery into a queue once, however often it is carried there.";
        Err(journeys.explain_twice(Violation::now("enqueued", what, should), client))
    }
}
