//! Carries the Phoenix homeserver protocol, and decides nothing: what to do, `phoenix_core` says.
//!
//! * [`store`]: what a database must be able to do, implementations on disk and in memory, and the suite that any
//!   implementation must pass.
//! * [`node`]: drives operations over a store, lane by lane, and fires timers.
//! * [`listen`]: the web socket through which clients hear that their queue grows.
//! * [`client`]: a client at work: the sans-IO client with a network and a clock.
//! * [`service`]: a node as a hyper service: requests in the body of a POST, answers in the body of the response.
//! * [`server`]: connections to that service, over [`tls`] 1.3, each within its limits.
//! * [`peers`]: requests to other homeservers, found by their [names](host).
//! * [`settings`], [`data_directory`], [`key_file`], [`environment`], [`logs`], [`metrics`], [`admin`]: what the
//!   binary adds for its operator.
//! * [`demo`], [`mod@bench`]: all of it at work, as [processes of their own on one machine](local).

pub mod admin;
pub mod bench;
mod body;
pub mod client;
pub mod data_directory;
pub mod demo;
pub mod environment;
pub mod host;
pub mod key_file;
pub mod listen;
pub mod local;
pub mod logs;
pub mod metrics;
pub mod node;
pub mod peers;
pub mod private_file;
pub mod server;
pub mod service;
pub mod settings;
pub mod store;
pub mod tls;
