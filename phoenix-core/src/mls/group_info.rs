//! PROTOCOL.md §8, MLS profile — the GroupInfo that joiners start from, rebuilt and verified after each
//! commit.

use openmls::{
    messages::group_info::{GroupInfo, VerifiableGroupInfo},
    prelude::{
        ConfirmationTag, Extension, ExtensionType, Extensions, GroupContext, LeafNodeIndex, MlsMessageBodyIn,
        MlsMessageOut, OpenMlsSignaturePublicKey, Signature, SignatureScheme, Verifiable,
    },
};
use tls_codec::{Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    encoding::{MalformedMessage, parse_body, read},
    view::{ExternalSenderView, external_senders, roles},
};
use crate::{
    codec::{Bytes, decode, encode},
    crypto::{provider::MlsCrypto, sign::VerifyingKey},
};

/// The longest extensions of a GroupInfo, in bytes; `external_pub`, the only one, takes 37.
pub const MAX_GROUP_INFO_EXTENSIONS: usize = 64;

/// Length of a signature in bytes.
pub const SIGNATURE_LENGTH: usize = 64;

/// Length of the public key in `external_pub` (X25519).
const EXTERNAL_PUB_LENGTH: usize = 32;

/// How an `MLSMessage` with a GroupInfo begins: version and wire format (RFC 9420 §6).
const GROUP_INFO_MESSAGE: &[u8] = &[0, 1, 0, 4];

/// The parts of the new GroupInfo that the delivery service cannot derive from a commit: the committer sends
/// them along.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct GroupInfoUpdate {
    /// The encoded `extensions<V>` of the GroupInfo, their own length included: `external_pub` and no other.
    pub extensions: Bytes<MAX_GROUP_INFO_EXTENSIONS>,
    /// The committer's signature over the GroupInfo, by the key in its new leaf.
    pub signature: Bytes<SIGNATURE_LENGTH>,
}

impl GroupInfoUpdate {
    /// What to send along with a commit that led to `group_info`.
    ///
    /// # Errors
    /// [`GroupInfoError`] if the delivery service would refuse it, for example for other extensions.
    pub fn from_group_info(group_info: &GroupInfo) -> Result<Self, GroupInfoError> {
        Self::from_parts(group_info.extensions(), group_info.signature())
    }

    /// What to send along with a commit that led to the GroupInfo that `bytes` encode: as an `MLSMessage`, or
    /// the bare `GroupInfo` (RFC 9420 §12.4.3). The signature is not checked.
    ///
    /// # Errors
    /// [`GroupInfoError`] if the delivery service would refuse it: because it is not well-formed, or has
    /// other extensions than `external_pub`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GroupInfoError> {
        let group_info = read_group_info(bytes).map_err(|_| GroupInfoError::Malformed)?;
        Self::from_parts(group_info.extensions(), group_info.signature())
    }

    fn from_parts(extensions: &Extensions<GroupInfo>, signature: &Signature) -> Result<Self, GroupInfoError> {
        check_extensions(extensions)?;
        let extensions = extensions.tls_serialize_detached().ok().and_then(|bytes| bytes.try_into().ok());
        let signature = signature.tls_serialize_detached().ok().and_then(|bytes| decode(&bytes).ok());
        Ok(Self {
            extensions: extensions.ok_or(GroupInfoError::Malformed)?,
            signature: signature.ok_or(GroupInfoError::Malformed)?,
        })
    }
}

/// What a delivery service compares of a GroupInfo with what it knows of the group. Nothing of it is
/// verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfoView {
    /// The ciphersuite, by its number in MLS; it has to be that of [`CIPHERSUITE`](super::CIPHERSUITE).
    pub ciphersuite: u16,
    /// The group's id; it has to be an encoded [`GroupId`](crate::identifiers::GroupId).
    pub group_id: Vec<u8>,
    /// The epoch: 0 for a group that is being created, else one more than before the commit.
    pub epoch: u64,
    /// The tree hash; it has to be that of the ratchet tree
    /// ([`RatchetTree::tree_hash`](super::RatchetTree::tree_hash)).
    pub tree_hash: Vec<u8>,
    /// The hash of all commits up to this epoch; empty for a group that is being created.
    pub confirmed_transcript_hash: Vec<u8>,
    /// The content of the roles extension, if there is one: encoded [`Roles`](super::Roles).
    pub roles: Option<Vec<u8>>,
    /// The external senders, in order.
    pub external_senders: Vec<ExternalSenderView>,
    /// The whole `GroupContext`, encoded: after a commit it has to be, byte for byte, what the delivery
    /// service arrives at itself ([`GroupState::group_context`](super::GroupState::group_context)).
    pub group_context: Vec<u8>,
    /// The confirmation tag; it has to be that of the commit.
    pub confirmation_tag: Vec<u8>,
    /// The leaf index of the member who signed; it has to be the committer's.
    pub signer: u32,
}

/// What follows the extensions in a GroupInfo, up to the signature.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct GroupInfoEnd {
    confirmation_tag: Bytes<64>,
    signer: u32,
}

impl GroupInfoView {
    /// Reads a GroupInfo, as an `MLSMessage` or bare, of any ciphersuite and with any extensions.
    ///
    /// # Errors
    /// [`MalformedMessage`] if `bytes` are not the one encoding of a GroupInfo.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let group_info = read_group_info(bytes)?;
        let context = group_info.group_context();
        let signed = group_info.unsigned_payload().map_err(|_| MalformedMessage)?;
        let before = context.tls_serialized_len() + group_info.extensions().tls_serialized_len();
        let end = signed.get(before..).ok_or(MalformedMessage)?;
        let end: GroupInfoEnd = decode(end).map_err(|_| MalformedMessage)?;
        Ok(Self {
            ciphersuite: context.ciphersuite().into(),
            group_id: context.group_id().to_vec(),
            epoch: context.epoch().as_u64(),
            tree_hash: context.tree_hash().to_vec(),
            confirmed_transcript_hash: context.confirmed_transcript_hash().to_vec(),
            roles: roles(context),
            external_senders: external_senders(context),
            group_context: encode(context),
            confirmation_tag: end.confirmation_tag.into_vec(),
            signer: end.signer,
        })
    }
}

/// Reads a GroupInfo that stands in an `MLSMessage`, or by itself.
fn read_group_info(bytes: &[u8]) -> Result<VerifiableGroupInfo, MalformedMessage> {
    // Behind the version stands either the wire format, or the ciphersuite, which in our groups has another
    // number.
    if !bytes.starts_with(GROUP_INFO_MESSAGE) {
        return read(bytes);
    }
    match parse_body(bytes)? {
        MlsMessageBodyIn::GroupInfo(group_info) => Ok(group_info),
        _ => Err(MalformedMessage),
    }
}

/// A verified GroupInfo, encoded as an `MLSMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfoBytes(Vec<u8>);

impl GroupInfoBytes {
    pub(super) fn new(group_info: GroupInfo) -> Result<Self, GroupInfoError> {
        check_extensions(group_info.extensions())?;
        let message = MlsMessageOut::from(group_info);
        message.to_bytes().map(Self).map_err(|_| GroupInfoError::Malformed)
    }

    /// The bytes, for clients that join.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// Why a GroupInfo is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupInfoError {
    /// It, or a part of it, is not well-formed.
    #[error("the GroupInfo is not well-formed")]
    Malformed,
    /// It has no `external_pub`, so no client could join by external commit.
    #[error("the GroupInfo has no external_pub")]
    NoExternalPub,
    /// It has other extensions than `external_pub`, which the delivery service would get to read.
    #[error("the GroupInfo has other extensions than external_pub")]
    Extensions,
    /// The signature is not the committer's, by the key in its new leaf, over the group after the commit and
    /// the extensions.
    #[error("the GroupInfo's signature is not valid")]
    Signature,
}

/// Exactly `external_pub`: joiners need it, and the delivery service could read all else that clients put
/// there.
fn check_extensions(extensions: &Extensions<GroupInfo>) -> Result<(), GroupInfoError> {
    let external_pub = extensions.external_pub().ok_or(GroupInfoError::NoExternalPub)?;
    if external_pub.external_pub().as_slice().len() != EXTERNAL_PUB_LENGTH {
        return Err(GroupInfoError::Malformed);
    }
    let only = extensions.iter().map(Extension::extension_type).eq([ExtensionType::ExternalPub]);
    if only { Ok(()) } else { Err(GroupInfoError::Extensions) }
}

/// Assembles the GroupInfo after a commit and verifies the committer's signature over it.
pub(super) fn verify_update(
    crypto: &MlsCrypto,
    update: &GroupInfoUpdate,
    context: GroupContext,
    confirmation_tag: ConfirmationTag,
    signer: u32,
    key: &VerifyingKey,
) -> Result<GroupInfoBytes, GroupInfoError> {
    let extensions: Extensions<GroupInfo> =
        read(update.extensions.as_slice()).map_err(|_| GroupInfoError::Malformed)?;
    check_extensions(&extensions)?;
    let group_info = VerifiableGroupInfo::new(
        context,
        extensions,
        confirmation_tag,
        LeafNodeIndex::new(signer),
        Signature::from(update.signature.as_slice().to_vec()),
    );
    let key =
        OpenMlsSignaturePublicKey::from_signature_key(key.0.as_slice().into(), SignatureScheme::ED25519);
    let verified: GroupInfo = group_info.verify(crypto, &key).map_err(|_| GroupInfoError::Signature)?;
    GroupInfoBytes::new(verified)
}
