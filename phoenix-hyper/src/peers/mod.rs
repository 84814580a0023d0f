//! Requests to homeservers: found by name, authenticated by TLS, sent over shared connections
//! (PROTOCOL.md §5, Requests over HTTP).
//!
//! Homeservers and clients both use this. Each service has one HTTP/2 connection, which carries any number of
//! requests at once; a service that speaks HTTP/1.1 only gets a connection for each request. Requests may
//! always be repeated, and are repeated once if a connection turns out to have died.

mod addresses;
mod connector;
mod endpoint;
mod error;
mod pool;
mod reach;
mod send;

pub use self::{
    error::{SendError, Wait},
    reach::{Override, PeerLimits, Reach},
    send::Peers,
};
