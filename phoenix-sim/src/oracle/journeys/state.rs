//! What is known of the journeys of messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
};

use phoenix_core::identifiers::{GroupId, QsClientId, UserId};

/// An event, if there was one.
pub type Moment = Option<NonZeroU64>;

/// The number of a message, in the order in which they are ordered.
pub type MessageNumber = u32;

/// The name of a row: the index of its homeserver and its name there.
pub type RowName = (usize, Vec<u8>);

/// The journeys of all messages.
#[derive(Debug, Default)]
pub struct Journeys {
    /// How many messages were ordered.
    pub(super) ordered: MessageNumber,
    /// By group and position.
    pub(super) messages: BTreeMap<(GroupId, u64), Ordered>,
    /// By message and queue.
    pub(super) journeys: BTreeMap<(MessageNumber, QsClientId), Journey>,
    /// The rows of logs that are not distributed yet, each with its deliveries in their order.
    pub(super) waiting: BTreeMap<RowName, Waiting>,
    /// The message in each entry of a queue that was not returned yet.
    pub(super) entries: BTreeMap<(QsClientId, u64), MessageNumber>,
    pub(super) queues: BTreeMap<UserId, BTreeSet<QsClientId>>,
}

#[derive(Debug, Clone, Copy)]
pub struct Ordered {
    pub number: MessageNumber,
    pub event: Moment,
}

/// How far a message came to one queue.
#[derive(Debug, Default, Clone, Copy)]
pub struct Journey {
    pub put_into_stream: Moment,
    pub carried: Moment,
    pub entered: Option<Entry>,
    /// The second time that it was entered.
    pub entered_again: Option<Entry>,
    /// When the distributor passed it without an entry.
    pub left_out: Moment,
    pub returned: Moment,
    pub shown: Moment,
}

/// An entry of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub sequence: u64,
    pub event: Moment,
}

#[derive(Debug)]
pub struct Waiting {
    pub message: MessageNumber,
    pub deliveries: Vec<Delivery>,
}

/// What the distributor does with a message in one step.
#[derive(Debug)]
pub enum Delivery {
    /// It enters it into a queue. `None`: no one knows whose.
    Queue(Option<QsClientId>),
    /// It puts it into a stream, for these queues.
    Stream(Vec<QsClientId>),
}

impl Journeys {
    /// Learns which user a queue is of.
    pub fn owns(&mut self, user: &UserId, queue: QsClientId) {
        self.queues.entry(user.clone()).or_default().insert(queue);
    }
}

impl Delivery {
    /// Returns the queues that it is for.
    pub fn queues(&self) -> impl Iterator<Item = QsClientId> {
        let (one, several) = match self {
            Self::Queue(queue) => (*queue, &[][..]),
            Self::Stream(queues) => (None, &queues[..]),
        };
        one.into_iter().chain(several.iter().copied())
    }
}
