//! PROTOCOL.md §8, State — a group's public state as it is stored: one versioned blob, written when asked
//! for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use openmls::prelude::{GroupId, PublicGroup};
use openmls_traits::{
    public_storage::PublicStorageProvider,
    storage::{CURRENT_VERSION, traits},
};
use serde::{Serialize, de::DeserializeOwned};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::codec::{Bytes, List, decode, encode};

/// The layout of the blob. What postcard writes depends on openmls's version, too.
const VERSION: u8 = 1;

/// The longest part of a group's state, in bytes; a tree of 5000 members takes 2 MB.
const MAX_PART: usize = 1 << 26;

/// At most one removal for each member.
const MAX_PROPOSALS: usize = 1 << 16;

type Part = Bytes<MAX_PART>;

/// Why stored state cannot be used, or state cannot be stored. The client is not at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredStateError {
    /// It is in a layout that this release does not know.
    #[error("the group's state is stored in an unknown layout")]
    Version,
    /// It is damaged.
    #[error("the group's stored state is damaged")]
    Malformed,
    /// It is the state of another group.
    #[error("the stored state is another group's")]
    WrongGroup,
    /// A part of the state cannot be encoded, or is too long to be stored.
    #[error("the group's state cannot be written")]
    Unwritable,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct StoredGroup {
    tree: Part,
    context: Part,
    confirmation_tag: Part,
    interim_transcript_hash: Part,
    proposals: List<StoredProposal, MAX_PROPOSALS>,
}

#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct StoredProposal {
    reference: Part,
    proposal: Part,
}

/// What openmls writes to. It stores only what openmls's public group does not show, the interim transcript
/// hash and the proposals; all else is read from the group when a snapshot is taken.
#[derive(Default)]
pub(super) struct PublicGroupStorage(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    interim_transcript_hash: Part,
    proposals: List<StoredProposal, MAX_PROPOSALS>,
    /// Only while a group is loaded.
    loading: Option<StoredGroup>,
}

impl PublicGroupStorage {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of `group`, whose storage this is.
    pub(super) fn snapshot(&self, group: &PublicGroup) -> Result<Vec<u8>, StoredStateError> {
        let contents = self.contents();
        let stored = StoredGroup {
            tree: write(group.treesync())?,
            context: write(group.group_context())?,
            confirmation_tag: write(group.confirmation_tag())?,
            interim_transcript_hash: contents.interim_transcript_hash.clone(),
            proposals: contents.proposals.clone(),
        };
        let mut bytes = vec![VERSION];
        bytes.extend(encode(&stored));
        Ok(bytes)
    }

    /// The group that `bytes` are a snapshot of, with its storage.
    pub(super) fn load(bytes: &[u8], group_id: &[u8]) -> Result<(PublicGroup, Self), StoredStateError> {
        let (version, bytes) = bytes.split_first().ok_or(StoredStateError::Malformed)?;
        if *version != VERSION {
            return Err(StoredStateError::Version);
        }
        let stored: StoredGroup = decode(bytes).map_err(|_| StoredStateError::Malformed)?;
        let storage = Self(Mutex::new(Contents {
            interim_transcript_hash: stored.interim_transcript_hash.clone(),
            proposals: stored.proposals.clone(),
            loading: Some(stored),
        }));
        let group_id = GroupId::from_slice(group_id);
        let group = PublicGroup::load(&storage, &group_id)?.ok_or(StoredStateError::Malformed)?;
        if *group.group_id() != group_id {
            return Err(StoredStateError::WrongGroup);
        }
        storage.contents().loading = None;
        Ok((group, storage))
    }

    fn loading<T: DeserializeOwned>(
        &self,
        part: impl FnOnce(&StoredGroup) -> &Part,
    ) -> Result<Option<T>, StoredStateError> {
        self.contents().loading.as_ref().map(|stored| read(part(stored))).transpose()
    }
}

fn write<T: Serialize>(value: &T) -> Result<Part, StoredStateError> {
    let bytes = postcard::to_stdvec(value).map_err(|_| StoredStateError::Unwritable)?;
    Part::new(bytes).map_err(|_| StoredStateError::Unwritable)
}

fn read<T: DeserializeOwned>(part: &Part) -> Result<T, StoredStateError> {
    match postcard::take_from_bytes(part.as_slice()) {
        Ok((value, [])) => Ok(value),
        _ => Err(StoredStateError::Malformed),
    }
}

type Outcome<T> = Result<T, StoredStateError>;
const V: u16 = CURRENT_VERSION;

impl PublicStorageProvider<V> for PublicGroupStorage {
    type PublicError = StoredStateError;

    fn write_tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(&self, _: &G, _: &T) -> Outcome<()> {
        Ok(())
    }

    fn write_interim_transcript_hash<G: traits::GroupId<V>, H: traits::InterimTranscriptHash<V>>(
        &self,
        _: &G,
        hash: &H,
    ) -> Outcome<()> {
        self.contents().interim_transcript_hash = write(hash)?;
        Ok(())
    }

    fn write_context<G: traits::GroupId<V>, C: traits::GroupContext<V>>(&self, _: &G, _: &C) -> Outcome<()> {
        Ok(())
    }

    fn write_confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _: &G,
        _: &T,
    ) -> Outcome<()> {
        Ok(())
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(
        &self,
        _: &G,
        reference: &R,
        proposal: &Q,
    ) -> Outcome<()> {
        let stored = StoredProposal { reference: write(reference)?, proposal: write(proposal)? };
        self.contents().proposals.push(stored).map_err(|_| StoredStateError::Unwritable)
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(
        &self,
        _: &G,
    ) -> Outcome<Vec<(R, Q)>> {
        let contents = self.contents();
        contents
            .proposals
            .iter()
            .map(|stored| Ok((read(&stored.reference)?, read(&stored.proposal)?)))
            .collect()
    }

    fn tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(&self, _: &G) -> Outcome<Option<T>> {
        self.loading(|stored| &stored.tree)
    }

    fn group_context<G: traits::GroupId<V>, C: traits::GroupContext<V>>(&self, _: &G) -> Outcome<Option<C>> {
        self.loading(|stored| &stored.context)
    }

    fn interim_transcript_hash<G: traits::GroupId<V>, H: traits::InterimTranscriptHash<V>>(
        &self,
        _: &G,
    ) -> Outcome<Option<H>> {
        self.loading(|stored| &stored.interim_transcript_hash)
    }

    fn confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _: &G,
    ) -> Outcome<Option<T>> {
        self.loading(|stored| &stored.confirmation_tag)
    }

    // Deleting a group is deleting its row: openmls has nothing stored to delete.
    fn delete_tree<G: traits::GroupId<V>>(&self, _: &G) -> Outcome<()> {
        Ok(())
    }

    fn delete_confirmation_tag<G: traits::GroupId<V>>(&self, _: &G) -> Outcome<()> {
        Ok(())
    }

    fn delete_context<G: traits::GroupId<V>>(&self, _: &G) -> Outcome<()> {
        Ok(())
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<V>>(&self, _: &G) -> Outcome<()> {
        Ok(())
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
        reference: &R,
    ) -> Outcome<()> {
        let reference = write(reference)?;
        self.contents().proposals.retain(|stored| stored.reference != reference);
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, _: &G) -> Outcome<()> {
        self.contents().proposals.clear();
        Ok(())
    }
}
