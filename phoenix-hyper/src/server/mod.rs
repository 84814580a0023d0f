//! Connections: accepted, encrypted, bounded, and ended in good order.
//!
//! A connection speaks HTTP/2 or HTTP/1.1, as the client prefers, over TLS 1.3. Each has a task of its own. A
//! client over a limit loses its connection; no other client notices.

mod activity;
mod connection;
mod limits;
mod listener;
mod places;
mod shared;

pub use self::{limits::ServerLimits, listener::Server};
