//! OPAQUE of the null provider: see [`crate::crypto::null`]. The server learns a hash of the password, and
//! compares.

use zeroize::Zeroizing;

use super::suite::{OpaqueError, SessionKey};
use crate::{crypto::null, rng::Random};

/// The client's state between its two messages: the hashed password.
pub(super) type ClientState = [u8; 32];

/// The first message of a registration or login, and the state.
pub(super) fn start(password: &[u8]) -> (ClientState, Vec<u8>) {
    let hashed = null::hash("null password", &[password]);
    (hashed, null::hash("null first message", &[&hashed]).to_vec())
}

/// The server's answer to a registration.
pub(super) fn registration_response(user: &[u8], request: &[u8]) -> Result<Vec<u8>, OpaqueError> {
    check::<32>(request)?;
    Ok(null::hash("null user", &[user]).to_vec())
}

/// The client's last message of a registration, which is the password file.
pub(super) fn upload(state: &ClientState, response: &[u8]) -> Result<Vec<u8>, OpaqueError> {
    check::<32>(response)?;
    Ok(null::hash("null password file", &[state, response]).to_vec())
}

pub(super) fn password_file(upload: &[u8]) -> Result<Vec<u8>, OpaqueError> {
    check::<32>(upload).map(|file| file.to_vec())
}

/// The server's state and answer to a login: a file that no password has, if there is none.
pub(super) fn login_response(
    random: &mut Random,
    user: &[u8],
    password_file: Option<&[u8]>,
    request: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), OpaqueError> {
    check::<32>(request)?;
    let challenge: [u8; 32] = random.array();
    let none: [u8; 32] = random.array();
    let file = password_file.map_or(Ok(none), check::<32>)?;
    let response = [null::hash("null user", &[user]), challenge].concat();
    Ok((Zeroizing::new([file, challenge].concat()), response))
}

/// The client's last message of a login, and the key.
pub(super) fn finish_login(
    state: &ClientState,
    response: &[u8],
) -> Result<(Vec<u8>, SessionKey), OpaqueError> {
    let response = check::<64>(response)?;
    let (user, challenge) = response.split_at(32);
    let file = null::hash("null password file", &[state, user]);
    let proof = null::hash("null login", &[&file, challenge]);
    Ok((proof.to_vec(), session_key(&file, challenge)?))
}

/// The server's check of the last message of a login.
pub(super) fn check_login(state: &[u8], finalization: &[u8]) -> Result<SessionKey, OpaqueError> {
    let state = check::<64>(state)?;
    let (file, challenge) = state.split_at(32);
    let proof = null::hash("null login", &[file, challenge]);
    if check::<32>(finalization)? != proof {
        return Err(OpaqueError::InvalidLogin);
    }
    session_key(file, challenge)
}

fn session_key(file: &[u8], challenge: &[u8]) -> Result<SessionKey, OpaqueError> {
    SessionKey::new(&null::long_hash("null session key", &[file, challenge]))
}

pub(super) fn check<const N: usize>(message: &[u8]) -> Result<[u8; N], OpaqueError> {
    message.try_into().map_err(|_| OpaqueError::InvalidMessage)
}
