//! PROTOCOL.md §2, Refusals — errors are typed, have a stable code on the wire, and tell the caller what it
//! can do.
//!
//! * [`Refusal`]: why a request was not carried out, as it is answered.
//! * [`Advice`]: what the caller can do about it.
//! * [`PeerFailure`]: why another homeserver gave no answer, as a driver reports it.
//!
//! Codes are grouped by whose rule was broken: 1xx the envelope, 2xx authentication, 3xx tokens and rates,
//! 4xx the authentication service, 5xx the queuing service, 6xx the delivery service, 7xx federation, 9xx the
//! homeserver's own trouble.

mod advice;
mod peer_failure;
mod refusal;

pub use advice::Advice;
pub use peer_failure::PeerFailure;
pub use refusal::Refusal;
