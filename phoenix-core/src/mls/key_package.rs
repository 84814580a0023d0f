//! PROTOCOL.md §8, MLS profile — key packages: what a queuing service takes in and a delivery service lets be
//! added.

use openmls::prelude::{KeyPackage, KeyPackageIn, KeyPackageRef, ProtocolVersion};
use tls_codec::Serialize;

use super::{
    encoding::{MalformedMessage, read},
    profile::{CIPHERSUITE, QUEUE_CONFIG_EXTENSION},
    view::{LeafError, LeafView},
};
use crate::crypto::{provider::MlsCrypto, sign::VerifyingKey};

/// The longest time for which a key package may be valid: 100 days, in seconds.
pub const MAX_KEY_PACKAGE_LIFETIME_SECONDS: u64 = 100 * 24 * 60 * 60;

const REFERENCE_LABEL: &[u8] = b"MLS 1.0 KeyPackage Reference";

/// A valid key package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPackageView {
    /// Its `KeyPackageRef` (RFC 9420 §5.2).
    pub reference: Vec<u8>,
    /// The encoded leaf credential, which is not looked into here.
    pub credential: Vec<u8>,
    /// The leaf's signature key.
    pub signature_key: VerifyingKey,
    /// The content of the extension with the sealed queue configuration.
    pub queue_config: Vec<u8>,
    /// When it may be used.
    pub lifetime: KeyPackageLifetime,
    /// Whether it is marked as last resort: it may be used more than once.
    pub last_resort: bool,
}

/// When a key package may be used, as MLS has it: in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPackageLifetime {
    /// The first second in which it is valid.
    pub not_before: u64,
    /// The first second after its validity.
    pub not_after: u64,
}

impl KeyPackageLifetime {
    fn contains(self, seconds: u64) -> bool {
        self.not_before <= seconds && seconds < self.not_after
    }
}

impl KeyPackageView {
    /// The view of a key package whose signatures were checked, if groups here admit it.
    pub(super) fn new(crypto: &MlsCrypto, package: &KeyPackage) -> Result<Self, KeyPackageError> {
        if package.ciphersuite() != CIPHERSUITE {
            return Err(KeyPackageError::Ciphersuite);
        }
        let leaf = LeafView::new(0, package.leaf_node())?;
        let queue_config = package
            .extensions()
            .unknown(QUEUE_CONFIG_EXTENSION)
            .ok_or(KeyPackageError::NoQueueConfig)?
            .0
            .clone();
        let lifetime = KeyPackageLifetime {
            not_before: package.life_time().not_before(),
            not_after: package.life_time().not_after(),
        };
        let duration = lifetime.not_after.checked_sub(lifetime.not_before);
        if duration.is_none_or(|seconds| seconds > MAX_KEY_PACKAGE_LIFETIME_SECONDS) {
            return Err(KeyPackageError::LifetimeRange);
        }
        let bytes = package.tls_serialize_detached().map_err(|_| MalformedMessage)?;
        Ok(Self {
            reference: reference(crypto, &bytes)?,
            credential: leaf.credential,
            signature_key: leaf.signature_key,
            queue_config,
            lifetime,
            last_resort: package.last_resort(),
        })
    }

    /// Whether it is valid at `now_seconds`, in seconds since the Unix epoch.
    pub fn is_valid_at(&self, now_seconds: u64) -> bool {
        self.lifetime.contains(now_seconds)
    }
}

/// Why a key package is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPackageError {
    /// It is not a key package at all.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// It is of another ciphersuite than [`CIPHERSUITE`].
    #[error("the key package is of another ciphersuite")]
    Ciphersuite,
    /// Its leaf is not admitted to groups here.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// It has no queue configuration, so it does not say where its owner's messages go.
    #[error("the key package has no queue configuration")]
    NoQueueConfig,
    /// It is valid for longer than [`MAX_KEY_PACKAGE_LIFETIME_SECONDS`], or its end lies before its start.
    #[error("the key package's lifetime is too long")]
    LifetimeRange,
    /// It is not valid at the given time.
    #[error("the key package is not valid now")]
    Expired,
    /// MLS refuses it, for example because of a signature.
    #[error("the key package is not valid: {0}")]
    Invalid(String),
}

/// Checks a key package (the bare `KeyPackage` structure, without `MLSMessage` around it) at `now_seconds`,
/// in seconds since the Unix epoch. openmls also compares the lifetime with the system's clock.
///
/// # Errors
/// [`KeyPackageError`], with the precise reason.
pub fn validate_key_package(
    crypto: &MlsCrypto,
    bytes: &[u8],
    now_seconds: u64,
) -> Result<KeyPackageView, KeyPackageError> {
    let package: KeyPackageIn = read(bytes)?;
    let package = package
        .validate(crypto, ProtocolVersion::Mls10)
        .map_err(|error| KeyPackageError::Invalid(error.to_string()))?;
    let view = KeyPackageView::new(crypto, &package)?;
    if view.is_valid_at(now_seconds) { Ok(view) } else { Err(KeyPackageError::Expired) }
}

/// Returns the reference (RFC 9420 §5.2) of a bare key package, which is not validated.
///
/// # Errors
/// [`MalformedMessage`] if `bytes` are not a bare `KeyPackage`.
pub fn key_package_reference(crypto: &MlsCrypto, bytes: &[u8]) -> Result<Vec<u8>, MalformedMessage> {
    read::<KeyPackageIn>(bytes)?;
    reference(crypto, bytes)
}

fn reference(crypto: &MlsCrypto, key_package: &[u8]) -> Result<Vec<u8>, MalformedMessage> {
    KeyPackageRef::new(key_package, CIPHERSUITE, crypto, REFERENCE_LABEL)
        .map(|reference| reference.as_slice().to_vec())
        .map_err(|_| MalformedMessage)
}
