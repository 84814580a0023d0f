//! PROTOCOL.md §8, MLS profile — what the delivery service sees of a group's leaves, senders and proposals.

use openmls::prelude::{
    Credential, CredentialType, ExternalSender, GroupContext, LeafNode, Proposal, QueuedProposal,
    SignaturePublicKey,
};
use tls_codec::{Deserialize, Serialize};

use super::profile::{LEAF_CREDENTIAL_TYPE, ROLES_EXTENSION, supports_profile};
use crate::crypto::sign::VerifyingKey;

/// A member's leaf, as the delivery service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafView {
    /// The leaf index.
    pub index: u32,
    /// The key that the member signs with.
    pub signature_key: VerifyingKey,
    /// The encoded leaf credential, which is not looked into here.
    pub credential: Vec<u8>,
}

impl LeafView {
    /// The view of `leaf`, if groups here admit it.
    pub(super) fn new(index: u32, leaf: &LeafNode) -> Result<Self, LeafError> {
        if leaf.credential().credential_type() != CredentialType::Other(LEAF_CREDENTIAL_TYPE) {
            return Err(LeafError::CredentialType);
        }
        if !supports_profile(leaf) {
            return Err(LeafError::Capabilities);
        }
        Ok(Self {
            index,
            signature_key: verifying_key(leaf.signature_key())?,
            credential: leaf.credential().serialized_content().to_vec(),
        })
    }
}

/// Why a leaf is not admitted to groups here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Its credential is not of [`LEAF_CREDENTIAL_TYPE`].
    #[error("the leaf's credential is not of the required type")]
    CredentialType,
    /// It does not declare all of [`capabilities`](super::capabilities).
    #[error("the leaf does not declare the required capabilities")]
    Capabilities,
    /// Its signature key is not an Ed25519 key.
    #[error("the leaf's signature key is not of the required kind")]
    SignatureKey,
}

pub(super) fn verifying_key(key: &SignaturePublicKey) -> Result<VerifyingKey, LeafError> {
    key.as_slice().try_into().map(VerifyingKey).map_err(|_| LeafError::SignatureKey)
}

/// A sender outside of the group whose proposals its members accept: the delivery service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSenderView {
    /// The key that its proposals are signed with.
    pub signature_key: Vec<u8>,
    /// The content of its credential.
    pub credential: Vec<u8>,
}

impl ExternalSenderView {
    pub(super) fn new(sender: &ExternalSender) -> Option<Self> {
        // openmls shows no parts of it, but writes them one after the other.
        let encoded = sender.tls_serialize_detached().ok()?;
        let mut rest = encoded.as_slice();
        let key = SignaturePublicKey::tls_deserialize(&mut rest).ok()?;
        let credential = Credential::tls_deserialize(&mut rest).ok()?;
        Some(Self {
            signature_key: key.as_slice().to_vec(),
            credential: credential.serialized_content().to_vec(),
        })
    }
}

/// A proposal that waits for a commit. It is always the delivery service's, to remove a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingProposal {
    /// The `ProposalRef` (RFC 9420 §5.2) by which a commit names it.
    pub reference: Vec<u8>,
    /// The leaf index of the member whose removal is proposed.
    pub removed: u32,
}

impl PendingProposal {
    /// The view of a stored proposal, if it is a removal, as all are.
    pub(super) fn new(queued: &QueuedProposal) -> Option<Self> {
        let Proposal::Remove(remove) = queued.proposal() else { return None };
        Some(Self {
            reference: queued.proposal_reference_ref().as_slice().to_vec(),
            removed: remove.removed().u32(),
        })
    }
}

/// The content of the roles extension, if there is one.
pub(super) fn roles(context: &GroupContext) -> Option<Vec<u8>> {
    context.extensions().unknown(ROLES_EXTENSION).map(|extension| extension.0.clone())
}

/// The external senders, in order.
pub(super) fn external_senders(context: &GroupContext) -> Vec<ExternalSenderView> {
    let senders: &[ExternalSender] = context.extensions().external_senders().map_or(&[], Vec::as_slice);
    senders.iter().filter_map(ExternalSenderView::new).collect()
}
