//! PROTOCOL.md §8 — the GroupInfo that joiners start from, rebuilt and verified after each commit.

use openmls::{
    messages::group_info::{GroupInfo, VerifiableGroupInfo},
    prelude::{
        ConfirmationTag, Extension, ExtensionType, Extensions, GroupContext, LeafNodeIndex, MlsMessageOut,
        OpenMlsSignaturePublicKey, Signature, SignatureScheme, Verifiable,
    },
};
use tls_codec::{Serialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::encoding::read;
use crate::{
    codec::{Bytes, decode},
    crypto::{provider::MlsCrypto, sign::VerifyingKey},
};

/// Longest GroupInfo extensions; there is only `external_pub` (37 bytes).
pub const MAX_GROUP_INFO_EXTENSIONS: usize = 64;

/// Length of a signature.
pub const SIGNATURE_LENGTH: usize = 64;

/// Length of the public key in `external_pub` (X25519).
const EXTERNAL_PUB_LENGTH: usize = 32;

/// What the committer sends along, for the delivery service cannot derive it: the parts of the new GroupInfo
/// that do not follow from the commit.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct GroupInfoUpdate {
    /// The encoded `extensions` of the GroupInfo, with their length in front: `external_pub` and no other.
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
        check_extensions(group_info.extensions())?;
        let extensions = group_info.extensions().tls_serialize_detached();
        let signature = group_info.signature().tls_serialize_detached();
        Ok(Self {
            extensions: extensions
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(GroupInfoError::Malformed)?,
            signature: signature
                .ok()
                .and_then(|bytes| decode(&bytes).ok())
                .ok_or(GroupInfoError::Malformed)?,
        })
    }
}

/// A verified GroupInfo, as an `MLSMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfoBytes(Vec<u8>);

impl GroupInfoBytes {
    pub(super) fn new(group_info: GroupInfo) -> Result<Self, GroupInfoError> {
        check_extensions(group_info.extensions())?;
        let message = MlsMessageOut::from(group_info);
        message.to_bytes().map(Self).map_err(|_| GroupInfoError::Malformed)
    }

    /// The bytes, for whoever joins.
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
    /// Its parts are not well-formed.
    #[error("the GroupInfo is not well-formed")]
    Malformed,
    /// Nobody could join by external commit.
    #[error("the GroupInfo has no external_pub")]
    NoExternalPub,
    /// It has extensions that the delivery service has no business to see.
    #[error("the GroupInfo has other extensions than external_pub")]
    Extensions,
    /// The signature does not fit the group after the commit, the extensions and the committer's new key.
    #[error("the GroupInfo's signature is not valid")]
    Signature,
}

/// Exactly `external_pub`: joiners need it, and whatever else clients put there the delivery service would
/// get to read.
fn check_extensions(extensions: &Extensions<GroupInfo>) -> Result<(), GroupInfoError> {
    let external_pub = extensions.external_pub().ok_or(GroupInfoError::NoExternalPub)?;
    if external_pub.external_pub().as_slice().len() != EXTERNAL_PUB_LENGTH {
        return Err(GroupInfoError::Malformed);
    }
    let only = extensions.iter().map(Extension::extension_type).eq([ExtensionType::ExternalPub]);
    if only { Ok(()) } else { Err(GroupInfoError::Extensions) }
}

/// Puts the GroupInfo after a commit together and verifies the committer's signature over it.
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
