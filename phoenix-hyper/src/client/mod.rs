//! A client at work: the sans-IO [client](phoenix_core::client) with a network, a clock and a task of its own
//! (PROTOCOL.md §11).
//!
//! [`Client::start`] returns a handle, cheap to clone, and the [`Events`]. The client works for as long as a
//! handle exists. It sends requests concurrently and repeats them where that helps. It listens on a web
//! socket of its queuing service, reconnects by itself, and reads its queue on every signal. It reads its
//! direct queue, for which there are no signals, from time to time.
//!
//! Methods return once their task is done or has failed for good, which may take as long as
//! [`ClientConfig::request_window`]. Dropping the future of a method does not stop its task.

mod handle;
pub mod store;
mod task;
mod web_socket;

pub use phoenix_core::client::{ClientConfig, Event, GroupView};

pub use self::handle::{Client, ClientError, Events};
