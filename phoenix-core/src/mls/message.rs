//! PROTOCOL.md §8, Application messages — messages whose content the delivery service cannot see: application
//! messages, Welcomes.

use openmls::prelude::{ContentType, MlsMessageBodyIn, ProtocolMessage};

use super::{
    encoding::{MalformedMessage, parse_body},
    profile::CIPHERSUITE,
};

/// What a delivery service sees of an application message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationMessageView {
    /// The MLS group id of the group that it was sent to.
    pub group_id: Vec<u8>,
    /// The epoch in which it was encrypted.
    pub epoch: u64,
}

/// Why a message is not taken for an application message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationMessageError {
    /// It is not an MLS message at all.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// It is not encrypted, or an encrypted commit or proposal, which would bypass all validation.
    #[error("not an encrypted application message")]
    NotApplication,
}

/// Checks that `bytes` are an `MLSMessage` with an encrypted application message.
///
/// # Errors
/// [`ApplicationMessageError`] if they are anything else, encrypted commits and proposals included.
pub fn check_application_message(bytes: &[u8]) -> Result<ApplicationMessageView, ApplicationMessageError> {
    let MlsMessageBodyIn::PrivateMessage(message) = parse_body(bytes)? else {
        return Err(ApplicationMessageError::NotApplication);
    };
    let message = ProtocolMessage::from(message);
    if message.content_type() != ContentType::Application {
        return Err(ApplicationMessageError::NotApplication);
    }
    Ok(ApplicationMessageView { group_id: message.group_id().to_vec(), epoch: message.epoch().as_u64() })
}

/// Returns the references of the key packages that a Welcome (an `MLSMessage`) is for, in its order.
///
/// # Errors
/// [`MalformedMessage`] if it is not a Welcome of [`CIPHERSUITE`], or names a key package twice.
pub fn welcome_references(welcome: &[u8]) -> Result<Vec<Vec<u8>>, MalformedMessage> {
    let MlsMessageBodyIn::Welcome(welcome) = parse_body(welcome)? else {
        return Err(MalformedMessage);
    };
    if welcome.ciphersuite() != CIPHERSUITE {
        return Err(MalformedMessage);
    }
    let references: Vec<Vec<u8>> =
        welcome.secrets().iter().map(|secrets| secrets.new_member().as_slice().to_vec()).collect();
    let mut distinct = references.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == references.len() { Ok(references) } else { Err(MalformedMessage) }
}

/// Returns the MLS group id of a commit, proposal or application message, encrypted or not.
///
/// # Errors
/// [`MalformedMessage`] if `message` is none of these.
pub fn message_group_id(message: &[u8]) -> Result<Vec<u8>, MalformedMessage> {
    let message = match parse_body(message)? {
        MlsMessageBodyIn::PrivateMessage(message) => ProtocolMessage::from(message),
        MlsMessageBodyIn::PublicMessage(message) => ProtocolMessage::from(message),
        _ => return Err(MalformedMessage),
    };
    Ok(message.group_id().to_vec())
}
