//! PROTOCOL.md §3, Passwords — what both sides of OPAQUE share: the ciphersuite, its cost, strict messages.

use std::fmt;

use opaque_ke::{
    Ristretto255, TripleDh, argon2,
    errors::{InternalError, ProtocolError},
    generic_array::{ArrayLength, GenericArray},
    ksf::Ksf,
    rand::{self, CryptoRng, RngCore},
};
use rand_core::Rng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::rng::Random;

/// Why a step of OPAQUE fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum OpaqueError {
    /// A message, password file or state is not validly encoded.
    #[error("the OPAQUE message is not valid")]
    InvalidMessage = 1,
    /// The password, the user or the server is another one than at registration. Which of them cannot be
    /// told.
    #[error("the login is not valid")]
    InvalidLogin = 2,
    /// The password cannot be stretched at this cost.
    #[error("the password hashing parameters are not valid")]
    InvalidHashing = 3,
}

impl From<ProtocolError> for OpaqueError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::InvalidLoginError => Self::InvalidLogin,
            ProtocolError::LibraryError(InternalError::KsfError) => Self::InvalidHashing,
            _ => Self::InvalidMessage,
        }
    }
}

/// What one guess at a password costs: how the client stretches it with Argon2id. All logins take the
/// parameters of the registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordHashing {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Number of passes over the memory.
    pub iterations: u32,
}

impl PasswordHashing {
    /// The least that Argon2 allows, for tests and simulations.
    pub const CHEAP: Self = Self { memory_kib: 8, iterations: 1 };
}

/// 19 MiB and two passes, as OWASP recommends.
impl Default for PasswordHashing {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2 }
    }
}

/// How passwords are stretched.
pub(super) enum Stretching {
    Argon2(PasswordHashing),
    /// Not at all, as in the published test vectors.
    #[cfg(test)]
    Identity,
}

impl Default for Stretching {
    fn default() -> Self {
        Self::Argon2(PasswordHashing::default())
    }
}

impl Ksf for Stretching {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        match self {
            Self::Argon2(PasswordHashing { memory_kib, iterations }) => {
                let parameters = argon2::Params::new(*memory_kib, *iterations, 1, None)
                    .map_err(|_| InternalError::KsfError)?;
                let version = argon2::Version::V0x13;
                Ksf::hash(&argon2::Argon2::new(argon2::Algorithm::Argon2id, version, parameters), input)
            }
            #[cfg(test)]
            Self::Identity => Ok(input),
        }
    }
}

/// The ciphersuite: ristretto255, SHA-512, 3DH, Argon2id.
pub(super) struct Suite;

impl opaque_ke::CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2_opaque::Sha512>;
    type Ksf = Stretching;
}

/// [`Random`] in the form that the older line of libraries takes.
pub(super) struct Generator<'a>(pub(super) &'a mut Random);

impl RngCore for Generator<'_> {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.0.array())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.0.array())
    }

    fn fill_bytes(&mut self, target: &mut [u8]) {
        self.0.generator().fill_bytes(target);
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(target);
        Ok(())
    }
}

impl CryptoRng for Generator<'_> {}

/// Reads a message, if `bytes` are its one valid encoding.
macro_rules! read {
    ($type:ty, $bytes:expr) => {{
        let bytes: &[u8] = $bytes;
        let message = <$type>::deserialize(bytes).map_err(|_| OpaqueError::InvalidMessage)?;
        if message.serialize().as_slice() != bytes {
            return Err(OpaqueError::InvalidMessage);
        }
        message
    }};
}
pub(super) use read;

/// The key that both sides share after a login. Zeroized when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKey([u8; 64]);

impl SessionKey {
    pub(super) fn new(key: &[u8]) -> Result<Self, OpaqueError> {
        key.try_into().map(Self).map_err(|_| OpaqueError::InvalidMessage)
    }

    /// The key: 64 bytes, to derive others from.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl PartialEq for SessionKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SessionKey {}

impl fmt::Debug for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionKey(…)")
    }
}
