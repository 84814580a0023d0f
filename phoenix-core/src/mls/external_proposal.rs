//! PROTOCOL.md §8, Further changes of a group — removals that the delivery service proposes, as MLS external
//! sender.

use openmls::prelude::{
    LeafNodeIndex, MlsMessageBodyIn, ProcessedMessageContent, ProtocolMessage, QueuedProposal,
};
use tls_codec::{TlsSerialize, TlsSize};

use super::{encoding::parse_body, public_group::GroupState, view::PendingProposal};
use crate::{
    codec::{Bytes, encode},
    crypto::{provider::MlsCrypto, sign::SigningKey},
};

/// The longest variable part of a proposal, in bytes: the signed content, most of which is the group id.
const MAX_CONTENT: usize = 1 << 12;

// RFC 9420 §6, §12.1.3 and §17: the numbers that make a Remove proposal by an external sender.
const MLS_10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const SENDER_EXTERNAL: u8 = 2;
const CONTENT_PROPOSAL: u8 = 2;
const PROPOSAL_REMOVE: u16 = 3;

/// `FramedContentTBS`, which for external senders is also the start of the `MLSMessage`. openmls writes this
/// only with a client's storage.
#[derive(TlsSize, TlsSerialize)]
struct FramedRemove {
    version: u16,
    wire_format: u16,
    group_id: Bytes<MAX_CONTENT>,
    epoch: u64,
    sender_type: u8,
    sender_index: u32,
    authenticated_data: Bytes<0>,
    content_type: u8,
    proposal_type: u16,
    removed: u32,
}

/// What MLS signs (RFC 9420 §5.1.2).
#[derive(TlsSize, TlsSerialize)]
struct SignContent {
    label: Bytes<64>,
    content: Bytes<MAX_CONTENT>,
}

/// Why a removal cannot be proposed. The state is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// There is no such member.
    #[error("the leaf is empty")]
    NoSuchMember,
    /// This removal has been proposed in this epoch already.
    #[error("the removal has been proposed already")]
    AlreadyProposed,
    /// The members would refuse it, for example because the key is not that of an external sender.
    #[error("the group does not accept the proposal: {0}")]
    Invalid(String),
}

impl GroupState {
    /// Proposes to remove the member at leaf index `leaf`, and stores the proposal. It is signed as number
    /// `sender_index` of the group's external senders, counted from 0. Returns the `MLSMessage` for the
    /// members.
    ///
    /// # Errors
    /// [`ProposalError`]; nothing has changed then.
    pub fn propose_removal(
        &mut self,
        crypto: &MlsCrypto,
        signer: &SigningKey,
        sender_index: u32,
        leaf: u32,
    ) -> Result<Vec<u8>, ProposalError> {
        if self.group.leaf(LeafNodeIndex::new(leaf)).is_none() {
            return Err(ProposalError::NoSuchMember);
        }
        if self.pending.iter().any(|proposal| proposal.removed == leaf) {
            return Err(ProposalError::AlreadyProposed);
        }
        let message = self.signed_removal(signer, sender_index, leaf)?;
        let queued = self.validated_removal(crypto, &message)?;
        let pending = PendingProposal::new(&queued)
            .filter(|pending| pending.removed == leaf)
            .ok_or_else(|| ProposalError::Invalid("not the removal that was written".into()))?;
        self.group
            .add_proposal(&self.storage, queued)
            .map_err(|error| ProposalError::Invalid(error.to_string()))?;
        self.pending.push(pending);
        Ok(message)
    }

    fn signed_removal(
        &self,
        signer: &SigningKey,
        sender_index: u32,
        leaf: u32,
    ) -> Result<Vec<u8>, ProposalError> {
        let too_long = |_| ProposalError::Invalid("the group id is too long".into());
        let mut message = encode(&FramedRemove {
            version: MLS_10,
            wire_format: PUBLIC_MESSAGE,
            group_id: self.group_id().to_vec().try_into().map_err(too_long)?,
            epoch: self.epoch(),
            sender_type: SENDER_EXTERNAL,
            sender_index,
            authenticated_data: Bytes::default(),
            content_type: CONTENT_PROPOSAL,
            proposal_type: PROPOSAL_REMOVE,
            removed: leaf,
        });
        let signed = SignContent {
            label: b"MLS 1.0 FramedContentTBS".to_vec().try_into().map_err(too_long)?,
            content: message.clone().try_into().map_err(too_long)?,
        };
        let signature: Bytes<64> = signer.sign_mls(&encode(&signed)).try_into().map_err(too_long)?;
        message.extend(encode(&signature));
        Ok(message)
    }

    /// Validates the proposal as the members will.
    fn validated_removal(&self, crypto: &MlsCrypto, message: &[u8]) -> Result<QueuedProposal, ProposalError> {
        let invalid = |reason: String| ProposalError::Invalid(reason);
        let Ok(MlsMessageBodyIn::PublicMessage(message)) = parse_body(message) else {
            return Err(invalid("not a well-formed proposal".into()));
        };
        let processed = self
            .group
            .process_message(crypto, ProtocolMessage::from(message))
            .map_err(|error| invalid(error.to_string()))?;
        match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(queued) => Ok(*queued),
            _ => Err(invalid("not a proposal".into())),
        }
    }
}
