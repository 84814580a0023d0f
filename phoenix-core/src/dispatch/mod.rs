//! From an input to the operation that serves it. Here all services are known; they do not know each other.
//!
//! * `input`: what happens to a homeserver.
//! * `request`: a request's way through its checks to the operation that serves it.
//! * `timer`: what serves which timer, and which node.
//! * `distributor`: messages from a log into queues and streams.
//! * `sweep`: what has expired goes.

mod distributor;
mod input;
mod request;
mod sweep;
mod timer;

pub use input::Input;

#[cfg(test)]
mod tests;
