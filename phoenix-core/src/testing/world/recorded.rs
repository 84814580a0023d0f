//! The record of an operation.

use std::collections::BTreeSet;

use crate::{
    codec::Codec,
    error::Refusal,
    operation::{Ask, Effect},
    store::{Commit, Key, Reads, RecordKind, Settlement},
    wire::envelope::ResponseEnvelope,
};

/// All that one operation has done.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What it read, round by round.
    pub reads: Vec<Reads>,
    /// What it asked of other homeservers.
    pub asks: Vec<Ask>,
    /// What it committed, attempt by attempt, and how that was settled.
    pub commits: Vec<(Commit, Settlement)>,
    /// The encoded answer; `None` if the operation was dropped.
    pub reply: Option<Vec<u8>>,
    /// The effects that it came to.
    pub effects: Vec<Effect>,
}

impl Recorded {
    /// Returns the answer.
    pub fn answer<R: Codec>(&self) -> Result<R, Refusal> {
        ResponseEnvelope::read(self.reply.as_ref().unwrap()).unwrap()
    }

    /// Returns the refusal, if it was refused.
    pub fn refusal(&self) -> Option<Refusal> {
        ResponseEnvelope::refusal(self.reply.as_ref()?)
    }

    /// Returns the keys that were read in all rounds.
    pub fn read_keys(&self) -> BTreeSet<Key> {
        self.reads.iter().flat_map(|reads| reads.keys.clone()).collect()
    }

    /// Returns the kinds of records that were read.
    pub fn read_kinds(&self) -> BTreeSet<RecordKind> {
        self.read_keys().iter().map(Key::kind).collect()
    }

    /// Returns the last commit.
    pub fn commit(&self) -> &Commit {
        &self.commits.last().unwrap().0
    }

    /// Returns the kinds of records that the last commit writes.
    pub fn written_kinds(&self) -> BTreeSet<RecordKind> {
        let writes = self.commit().writes.iter().filter(|write| write.bytes.is_some());
        writes.map(|write| write.key.kind()).collect()
    }

    /// Returns the kinds of records that the last commit deletes.
    pub fn deleted_kinds(&self) -> BTreeSet<RecordKind> {
        let writes = self.commit().writes.iter().filter(|write| write.bytes.is_none());
        writes.map(|write| write.key.kind()).collect()
    }
}
