//! PROTOCOL.md §3, Passwords — the server's side of OPAQUE.

use std::fmt;

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
    rand::{CryptoRng, RngCore},
};
use zeroize::Zeroizing;

use super::suite::{Generator, OpaqueError, SessionKey, Suite, read};
use crate::{crypto::labels::Label, rng::Random};

/// A server's OPAQUE keys: its key pair, and the seed that each user's OPRF key follows from.
pub struct OpaqueServer {
    pub(super) setup: ServerSetup<Suite>,
}

impl OpaqueServer {
    /// Derives the keys from `seed`. Every node arrives at the same.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut random = Random::derive(seed, Label::OPAQUE_SETUP.as_str(), &[]);
        Self { setup: ServerSetup::new(&mut Generator(&mut random)) }
    }

    /// Answers the first message of a registration. `user` names the user: any bytes, the same at each login.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the request is not valid.
    pub fn registration_start(&self, user: &[u8], request: &[u8]) -> Result<Vec<u8>, OpaqueError> {
        if_null!(super::null::registration_response(user, request));
        let request = read!(RegistrationRequest<Suite>, request);
        let started = ServerRegistration::start(&self.setup, request, user)?;
        Ok(started.message.serialize().to_vec())
    }

    /// Returns the password file to store, from the last message of a registration.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the message is not valid.
    pub fn registration_finish(&self, upload: &[u8]) -> Result<Vec<u8>, OpaqueError> {
        if_null!(super::null::password_file(upload));
        let upload = read!(RegistrationUpload<Suite>, upload);
        Ok(ServerRegistration::finish(upload).serialize().to_vec())
    }

    /// Answers the first message of a login: the state to store for this attempt, and the answer. For a user
    /// who does not exist (`password_file` is `None`), the answer looks like any other and costs the same.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidMessage`] if the request or the password file is not valid.
    pub fn login_start(
        &self,
        random: &mut Random,
        user: &[u8],
        password_file: Option<&[u8]>,
        request: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), OpaqueError> {
        if_null!(super::null::login_response(random, user, password_file, request));
        let context = Label::OPAQUE_LOGIN.as_str().as_bytes();
        self.login_start_raw(&mut Generator(random), context, user, password_file, request)
    }

    pub(super) fn login_start_raw(
        &self,
        generator: &mut (impl RngCore + CryptoRng),
        context: &[u8],
        user: &[u8],
        password_file: Option<&[u8]>,
        request: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), OpaqueError> {
        let request = read!(CredentialRequest<Suite>, request);
        let password_file = match password_file {
            Some(bytes) => Some(read!(ServerRegistration<Suite>, bytes)),
            None => None,
        };
        let parameters = login_parameters(context);
        let started = ServerLogin::start(generator, &self.setup, password_file, request, user, parameters)?;
        let state = Zeroizing::new(started.state.serialize().to_vec());
        Ok((state, started.message.serialize().to_vec()))
    }

    /// Checks the last message of a login against the state of the attempt. The caller deletes the state,
    /// also if the login fails.
    ///
    /// # Errors
    /// [`OpaqueError::InvalidLogin`] if the client does not know the password,
    /// [`OpaqueError::InvalidMessage`] if message or state is not valid.
    pub fn login_finish(&self, state: &[u8], finalization: &[u8]) -> Result<SessionKey, OpaqueError> {
        if_null!(super::null::check_login(state, finalization));
        Self::login_finish_raw(Label::OPAQUE_LOGIN.as_str().as_bytes(), state, finalization)
    }

    pub(super) fn login_finish_raw(
        context: &[u8],
        state: &[u8],
        finalization: &[u8],
    ) -> Result<SessionKey, OpaqueError> {
        let state = read!(ServerLogin<Suite>, state);
        let finalization = read!(CredentialFinalization<Suite>, finalization);
        let finished = state.finish(finalization, login_parameters(context))?;
        let session_key = Zeroizing::new(<[u8; 64]>::from(finished.session_key));
        SessionKey::new(session_key.as_slice())
    }
}

/// The identities of both sides are their public keys, which is OPAQUE's default; the user is in the OPRF
/// key.
fn login_parameters(context: &[u8]) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters { context: Some(context), ..Default::default() }
}

impl fmt::Debug for OpaqueServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OpaqueServer(…)")
    }
}
