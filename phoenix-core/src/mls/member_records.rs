//! PROTOCOL.md §11, A client outlives its process — the MLS state of a member as records: named, encoded, and
//! noted when they change.
//!
//! Each value that openmls stores is a record of a declared [kind](MlsRecordKind), in memory. Its
//! [changes](MlsRecords::take_changes) are what is to be saved. A value that is replaced or deleted is
//! overwritten in memory, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::codec::Codec;

/// The kinds of records that hold a member's MLS state, the first byte of a record's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MlsRecordKind {
    /// How a group is to be handled: wire formats, padding, past epochs.
    JoinConfig = 1,
    /// The own leaf nodes that were proposed and not committed.
    OwnLeafNodes = 2,
    /// The proposals that wait for a commit, in their order.
    Proposals = 3,
    /// The ratchet tree.
    Tree = 4,
    /// The interim transcript hash.
    InterimTranscriptHash = 5,
    /// The group context.
    Context = 6,
    /// The confirmation tag.
    ConfirmationTag = 7,
    /// Whether the group is operational, and the pending commit if there is one.
    GroupState = 8,
    /// The secrets that messages are decrypted with, of this epoch and the last few.
    MessageSecrets = 9,
    /// The resumption secrets of past epochs.
    ResumptionSecrets = 10,
    /// The own leaf's index.
    OwnLeafIndex = 11,
    /// The secrets of the present epoch.
    EpochSecrets = 12,
    /// A signature key pair, by its public key.
    SignatureKeyPair = 13,
    /// An encryption key pair of a leaf that is not in a tree yet, by its public key.
    EncryptionKeyPair = 14,
    /// The encryption key pairs of an epoch, by group, epoch and leaf.
    EpochKeyPairs = 15,
    /// A key package with its private keys, by its reference.
    KeyPackage = 16,
    /// A pre-shared key, by its id.
    PreSharedKey = 17,
}

/// Names a record: the byte of its kind, then what names it within its kind.
pub type MlsRecordName = Vec<u8>;

/// A record that changed: its new content, `None` if it is deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct MlsRecordChange {
    /// The record.
    pub name: MlsRecordName,
    /// What it holds now. Most of it is secret.
    pub content: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for MlsRecordChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("MlsRecordChange");
        shown.field("deleted", &self.content.is_none()).finish_non_exhaustive()
    }
}

/// A stored record is not what openmls wrote: the stored state is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the MLS state is damaged")]
pub struct DamagedMlsState;

/// A member's MLS state: all of its groups, key packages and keys.
#[derive(Default)]
pub struct MlsRecords(Mutex<Table>);

impl fmt::Debug for MlsRecords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MlsRecords").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Table {
    records: BTreeMap<MlsRecordName, Zeroizing<Vec<u8>>>,
    changed: BTreeSet<MlsRecordName>,
    /// While something is tried: what each record was before.
    before: Option<BTreeMap<MlsRecordName, Option<Zeroizing<Vec<u8>>>>>,
}

impl Table {
    /// Writes a record, or deletes it, and notes that.
    fn set(&mut self, name: MlsRecordName, content: Option<Zeroizing<Vec<u8>>>) {
        let former = match content {
            Some(content) => self.records.insert(name.clone(), content),
            None => self.records.remove(&name),
        };
        if let Some(before) = &mut self.before {
            before.entry(name).or_insert(former);
        } else {
            self.changed.insert(name);
        }
    }
}

impl MlsRecords {
    /// The state after these changes, in their order: all that were ever taken, or what is left of them.
    pub fn restore(changes: impl IntoIterator<Item = MlsRecordChange>) -> Self {
        let mut records = BTreeMap::new();
        for MlsRecordChange { name, content } in changes {
            match content {
                Some(content) => records.insert(name, content),
                None => records.remove(&name),
            };
        }
        Self(Mutex::new(Table { records, ..Table::default() }))
    }

    /// The ids of all groups, decoded.
    ///
    /// # Errors
    /// [`DamagedMlsState`] if one of them is not an id of this protocol's.
    pub fn group_ids<I: Codec>(&self) -> Result<Vec<I>, DamagedMlsState> {
        let table = self.table();
        let kind = MlsRecordKind::Context as u8;
        let names = table.records.range(vec![kind]..vec![kind + 1]).map(|(name, _)| &name[1..]);
        let ids = names.map(|name| {
            let id: openmls::group::GroupId = postcard::from_bytes(name).map_err(|_| DamagedMlsState)?;
            crate::codec::decode(id.as_slice()).map_err(|_| DamagedMlsState)
        });
        ids.collect()
    }

    /// What has changed since the last call: what is to be saved, together with all that belongs to it.
    pub fn take_changes(&self) -> Vec<MlsRecordChange> {
        let mut table = self.table();
        let changed = std::mem::take(&mut table.changed);
        let change = |name: MlsRecordName| {
            let content = table.records.get(&name).cloned();
            MlsRecordChange { name, content }
        };
        changed.into_iter().map(change).collect()
    }

    /// Runs `attempt`, and takes back what it wrote: for what has to be computed before it is done.
    pub fn trying<T>(&self, attempt: impl FnOnce() -> T) -> T {
        self.table().before = Some(BTreeMap::new());
        let result = attempt();
        let mut table = self.table();
        for (name, former) in table.before.take().unwrap_or_default() {
            match former {
                Some(content) => table.records.insert(name, content),
                None => table.records.remove(&name),
            };
        }
        result
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(
        &self,
        kind: MlsRecordKind,
        key: &impl Serialize,
        value: &impl Serialize,
    ) -> Result<(), DamagedMlsState> {
        let (name, content) = (name(kind, key)?, encode(value)?);
        let mut table = self.table();
        // An equal value is no change: openmls writes some more often than they change.
        if table.records.get(&name) != Some(&content) {
            table.set(name, Some(content));
        }
        Ok(())
    }

    pub(super) fn read<V: DeserializeOwned>(
        &self,
        kind: MlsRecordKind,
        key: &impl Serialize,
    ) -> Result<Option<V>, DamagedMlsState> {
        let name = name(kind, key)?;
        let table = self.table();
        table.records.get(&name).map(|content| decode(content)).transpose()
    }

    pub(super) fn delete(&self, kind: MlsRecordKind, key: &impl Serialize) -> Result<(), DamagedMlsState> {
        let name = name(kind, key)?;
        let mut table = self.table();
        if table.records.contains_key(&name) {
            table.set(name, None);
        }
        Ok(())
    }

    /// The proposals of a group that wait for a commit, in their order.
    pub(super) fn proposals(&self, group: &impl Serialize) -> Result<Vec<QueuedProposal>, DamagedMlsState> {
        Ok(self.read(MlsRecordKind::Proposals, group)?.unwrap_or_default())
    }

    /// The items of a list, each encoded by itself; none if there is no list.
    pub(super) fn list(
        &self,
        kind: MlsRecordKind,
        key: &impl Serialize,
    ) -> Result<Vec<Vec<u8>>, DamagedMlsState> {
        Ok(self.read(kind, key)?.unwrap_or_default())
    }
}

/// A proposal that waits: its reference and itself, each encoded by itself.
pub(super) type QueuedProposal = (Vec<u8>, Vec<u8>);

fn name(kind: MlsRecordKind, key: &impl Serialize) -> Result<MlsRecordName, DamagedMlsState> {
    postcard::to_extend(key, vec![kind as u8]).map_err(|_| DamagedMlsState)
}

pub(super) fn encode(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, DamagedMlsState> {
    postcard::to_stdvec(value).map(Zeroizing::new).map_err(|_| DamagedMlsState)
}

pub(super) fn decode<V: DeserializeOwned>(content: &[u8]) -> Result<V, DamagedMlsState> {
    postcard::from_bytes(content).map_err(|_| DamagedMlsState)
}
