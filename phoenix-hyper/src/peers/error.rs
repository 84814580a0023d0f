//! Why another homeserver gave no answer.

use std::{error::Error, io, sync::Arc};

use phoenix_core::{error::PeerFailure, identifiers::Domain};

/// Another homeserver gave no answer. The text says what an operator can do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// The name of the service has no address.
    #[error("{host} has no address: check the domain for a typing error, and the name server ({reason})")]
    Address {
        /// The name that was looked up.
        host: String,
        /// What the resolver says.
        reason: Arc<io::Error>,
    },
    /// The name leads to addresses that nobody outside may have us speak to.
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
    /// There is no connection to be had.
    #[error("no connection to {host}: is the homeserver up, and its port open? ({reason})")]
    Connect {
        /// The name of the service.
        host: String,
        /// What the system says.
        reason: Arc<io::Error>,
    },
    /// Who answers could not prove that it is the service, or does not speak TLS 1.3.
    #[error(
        "{host} cannot be trusted: its certificate or its TLS needs repair, or its certificate must be pinned ({reason})"
    )]
    Tls {
        /// The name of the service.
        host: String,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// It took too long.
    #[error(
        "{host} did not answer in time: it is overloaded, or the network drops what we send (waited for {step})"
    )]
    Time {
        /// The name of the service.
        host: String,
        /// What was waited for.
        step: Wait,
    },
    /// The connection broke before the answer was there, more than once.
    #[error("the connection to {host} broke, or what came was no HTTP ({})", causes(.reason))]
    Broken {
        /// The name of the service.
        host: String,
        /// What happened.
        reason: Arc<hyper::Error>,
    },
    /// The answer is none of the protocol, and this its status. Redirects are never followed.
    #[error("{host} answered with status {status}: {}", hint(*.status))]
    Status {
        /// The name of the service.
        host: String,
        /// The status.
        status: u16,
    },
    /// The answer is not of our media type.
    #[error(
        "{host} answered with something that is not application/vnd.phoenix: what listens there is no homeserver"
    )]
    MediaType {
        /// The name of the service.
        host: String,
    },
    /// The answer is larger than any that the protocol has.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// The name of the service.
        host: String,
        /// The most bytes allowed.
        limit: usize,
    },
    /// Too many answers are under way to us just now.
    #[error("too many answers are under way: try again, or raise the limit")]
    Busy,
}

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

/// An error of hyper does not say by itself what it comes from.
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
        _ => "what listens there is no homeserver, or not one for this name",
    }
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The look-up of the name.
    Address,
    /// The connection.
    Connection,
    /// The handshake of TLS.
    Handshake,
    /// The answer.
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
