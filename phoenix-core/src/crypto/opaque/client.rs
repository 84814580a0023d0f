//! PROTOCOL.md §3, Passwords — the client's side of OPAQUE.

use std::fmt;

use opaque_ke::{
    ClientLoginFinishParameters, ClientRegistrationFinishParameters, CredentialResponse,
    RegistrationResponse,
    rand::{CryptoRng, RngCore},
};
use zeroize::Zeroizing;

use super::suite::{Generator, OpaqueError, PasswordHashing, SessionKey, Stretching, Suite, read};
use crate::{crypto::labels::Label, rng::Random};

/// A registration between the client's two messages.
pub struct ClientRegistration(Registering);

enum Registering {
    Opaque(opaque_ke::ClientRegistration<Suite>),
    #[cfg(feature = "null-cryptography")]
    Null(super::null::ClientState),
}

impl Registering {
    fn into_opaque(self) -> Option<opaque_ke::ClientRegistration<Suite>> {
        match self {
            Self::Opaque(state) => Some(state),
            #[cfg(feature = "null-cryptography")]
            Self::Null(_) => None,
        }
    }
}

impl ClientRegistration {
    /// Starts a registration: its state, and the first message to the server.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the password is empty or longer than 65535 bytes.
    pub fn start(random: &mut Random, password: &[u8]) -> Result<(Self, Vec<u8>), OpaqueError> {
        if_null!({
            let (state, message) = super::null::start(checked(password)?);
            Ok((Self(Registering::Null(state)), message))
        });
        Self::start_raw(&mut Generator(random), password)
    }

    pub(super) fn start_raw(
        generator: &mut (impl RngCore + CryptoRng),
        password: &[u8],
    ) -> Result<(Self, Vec<u8>), OpaqueError> {
        let password = checked(password)?;
        let started = opaque_ke::ClientRegistration::start(generator, password)?;
        Ok((Self(Registering::Opaque(started.state)), started.message.serialize().to_vec()))
    }

    /// Returns the last message of the registration, from the server's answer.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the answer is not valid, [`OpaqueError::InvalidHashing`] if the
    /// password cannot be stretched at this cost.
    pub fn finish(
        self,
        random: &mut Random,
        password: &[u8],
        response: &[u8],
        hashing: PasswordHashing,
    ) -> Result<Vec<u8>, OpaqueError> {
        self.finish_raw(&mut Generator(random), password, response, &Stretching::Argon2(hashing))
    }

    pub(super) fn finish_raw(
        self,
        generator: &mut (impl RngCore + CryptoRng),
        password: &[u8],
        response: &[u8],
        stretching: &Stretching,
    ) -> Result<Vec<u8>, OpaqueError> {
        #[cfg(feature = "null-cryptography")]
        if let Registering::Null(state) = &self.0 {
            return super::null::upload(state, response);
        }
        let state = self.0.into_opaque().ok_or(OpaqueError::InvalidMessage)?;
        let response = read!(RegistrationResponse<Suite>, response);
        let parameters = ClientRegistrationFinishParameters { ksf: Some(stretching), ..Default::default() };
        let finished = state.finish(generator, checked(password)?, response, parameters)?;
        Ok(finished.message.serialize().to_vec())
    }
}

impl ClientRegistration {
    /// Returns the state between the two messages, to be kept in secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match &self.0 {
            Registering::Opaque(state) => state.serialize().to_vec(),
            #[cfg(feature = "null-cryptography")]
            Registering::Null(state) => state.to_vec(),
        })
    }

    /// Goes on from a state that was kept.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the bytes are not such a state.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpaqueError> {
        if_null!(Ok(Self(Registering::Null(super::null::check(bytes)?))));
        let state = opaque_ke::ClientRegistration::deserialize(bytes);
        Ok(Self(Registering::Opaque(state.map_err(|_| OpaqueError::InvalidMessage)?)))
    }
}

impl fmt::Debug for ClientRegistration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientRegistration(…)")
    }
}

/// A login between the client's two messages.
pub struct ClientLogin(LoggingIn);

enum LoggingIn {
    Opaque(Box<opaque_ke::ClientLogin<Suite>>),
    #[cfg(feature = "null-cryptography")]
    Null(super::null::ClientState),
}

impl LoggingIn {
    fn into_opaque(self) -> Option<Box<opaque_ke::ClientLogin<Suite>>> {
        match self {
            Self::Opaque(state) => Some(state),
            #[cfg(feature = "null-cryptography")]
            Self::Null(_) => None,
        }
    }
}

impl ClientLogin {
    /// Starts a login: its state, and the first message to the server.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the password is empty or longer than 65535 bytes.
    pub fn start(random: &mut Random, password: &[u8]) -> Result<(Self, Vec<u8>), OpaqueError> {
        if_null!({
            let (state, message) = super::null::start(checked(password)?);
            Ok((Self(LoggingIn::Null(state)), message))
        });
        Self::start_raw(&mut Generator(random), password)
    }

    pub(super) fn start_raw(
        generator: &mut (impl RngCore + CryptoRng),
        password: &[u8],
    ) -> Result<(Self, Vec<u8>), OpaqueError> {
        let started = opaque_ke::ClientLogin::start(generator, checked(password)?)?;
        let message = started.message.serialize().to_vec();
        Ok((Self(LoggingIn::Opaque(Box::new(started.state))), message))
    }

    /// Returns the last message of the login, and the key that both sides share.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidLogin`] if the password is wrong, the user does not exist or the server is not
    /// the one of the registration; [`OpaqueError::InvalidMessage`] if the answer is not valid;
    /// [`OpaqueError::InvalidHashing`] if the password cannot be stretched at this cost.
    pub fn finish(
        self,
        random: &mut Random,
        password: &[u8],
        response: &[u8],
        hashing: PasswordHashing,
    ) -> Result<(Vec<u8>, SessionKey), OpaqueError> {
        let context = Label::OPAQUE_LOGIN.as_str().as_bytes();
        self.finish_raw(&mut Generator(random), context, password, response, &Stretching::Argon2(hashing))
    }

    pub(super) fn finish_raw(
        self,
        generator: &mut (impl RngCore + CryptoRng),
        context: &[u8],
        password: &[u8],
        response: &[u8],
        stretching: &Stretching,
    ) -> Result<(Vec<u8>, SessionKey), OpaqueError> {
        #[cfg(feature = "null-cryptography")]
        if let LoggingIn::Null(state) = &self.0 {
            return super::null::finish_login(state, response);
        }
        let state = self.0.into_opaque().ok_or(OpaqueError::InvalidMessage)?;
        let response = read!(CredentialResponse<Suite>, response);
        let parameters = ClientLoginFinishParameters {
            context: Some(context),
            ksf: Some(stretching),
            ..Default::default()
        };
        let finished = state.finish(generator, checked(password)?, response, parameters)?;
        let session_key = Zeroizing::new(<[u8; 64]>::from(finished.session_key));
        Ok((finished.message.serialize().to_vec(), SessionKey::new(session_key.as_slice())?))
    }
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientLogin(…)")
    }
}

/// OPAQUE takes passwords of 1 to 65535 bytes.
fn checked(password: &[u8]) -> Result<&[u8], OpaqueError> {
    let fits = !password.is_empty() && password.len() <= usize::from(u16::MAX);
    if fits { Ok(password) } else { Err(OpaqueError::InvalidMessage) }
}
