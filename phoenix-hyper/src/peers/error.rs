//! Why another homeserver gave no answer.

use std::{error::Error, io, sync::Arc};

use phoenix_core::{error::PeerFailure, identifiers::Domain};

/// Another homeserver gave no answer. The texts say what an operator can do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// The name of the service has no address.
    #[error("{host} has no address: check the domain for a typing error, and the name server ({reason})")]
    Address {
        /// The name that was looked up.
        host: String,
        /// The resolver's error.
        reason: Arc<io::Error>,
    },
    /// The name has only addresses that are not public, to which strangers must not direct requests.
    #[error(
        "{host} has only addresses that are not public: if it is meant to be reached there, allow private addresses \
         or set an address for {domain}"
    )]
    ForbiddenAddress {
        /// The name that was looked up.
        host: String,
        /// The homeserver's domain.
        domain: Domain,
    },
    /// No connection could be opened.
    #[error("no connection to {host}: is the homeserver up, and its port open? ({reason})")]
    Connect {
        /// The name of the service.
        host: String,
        /// The system's error.
        reason: Arc<io::Error>,
    },
    /// The server did not prove to be the service, or does not speak TLS 1.3.
    #[error(
        "{host} cannot be trusted: its certificate or its TLS needs repair, or its certificate must be pinned ({reason})"
    )]
    Tls {
        /// The name of the service.
        host: String,
        /// The error of the TLS handshake.
        reason: rustls::Error,
    },
    /// A step took too long.
    #[error(
        "{host} did not answer in time: it is overloaded, or the network drops packets (waited for {step})"
    )]
    Time {
        /// The name of the service.
        host: String,
        /// The step.
        step: Wait,
    },
    /// The connection broke before the answer had arrived, more than once.
    #[error("the connection to {host} broke, or the answer was not HTTP ({})", causes(.reason))]
    Broken {
        /// The name of the service.
        host: String,
        /// The error of the connection.
        reason: Arc<hyper::Error>,
    },
    /// The response is not an answer of the protocol. Redirects are never followed.
    #[error("{host} answered with status {status}: {}", hint(*.status))]
    Status {
        /// The name of the service.
        host: String,
        /// The HTTP status of the response.
        status: u16,
    },
    /// The response has another media type than the protocol's.
    #[error(
        "{host} answered with something that is not application/vnd.phoenix: the server there is not a homeserver"
    )]
    MediaType {
        /// The name of the service.
        host: String,
    },
    /// The answer is larger than any answer of the protocol.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// The name of the service.
        host: String,
        /// The most bytes of an answer.
        limit: usize,
    },
    /// Too many bytes of answers are under way to this process.
    #[error("too many answers are under way: try again, or raise the limit")]
    Busy,
}

/// The error with all its causes, which hyper does not include in its text.
impl From<&SendError> for PeerFailure {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::Address { .. } | SendError::ForbiddenAddress { .. } => Self::NoAddress,
            SendError::Connect { .. } => Self::Unreachable,
            SendError::Tls { .. } => Self::Untrusted,
            SendError::Time { .. } | SendError::Broken { .. } => Self::NoAnswer,
            SendError::Status { .. } | SendError::MediaType { .. } | SendError::TooLarge { .. } => {
                Self::NotAnAnswer
            }
            SendError::Busy => Self::Busy,
        }
    }
}

fn causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed, set the address itself",
        408 | 429 | 502..=504 => "it is overloaded or just starting, try again later",
        413 => "something before the homeserver allows smaller requests only",
        421 => "the homeserver that listens there serves another domain",
        _ => "the server there is not a homeserver, or not one for this name",
    }
}

/// A step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Looking up the name.
    Address,
    /// Opening the connection.
    Connection,
    /// The TLS handshake.
    Handshake,
    /// Waiting for the answer.
    Answer,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Address => "the look-up of its name",
            Self::Connection => "a connection",
            Self::Handshake => "the TLS handshake",
            Self::Answer => "the answer",
        })
    }
}
