//! Carries the Phoenix homeserver protocol: stores, timers, HTTP over TLS, peers, clients, and the `phoenix`
//! binary. What a homeserver does is decided by [`phoenix_core`] alone.
//!
//! # Modules
//!
//! * [`store`]: what a database must be able to do, implementations on disk and in memory, and the suite that
//!   every implementation must pass.
//! * [`node`]: drives operations over a store, lane by lane, and runs timers.
//! * `service`: a node as an HTTP service, for hyper and tower.
//! * `listen`: the web socket that signals clients when their queue grows.
//! * `server`: connections to that service, over `tls` 1.3, each within its limits.
//! * `peers`: requests to other homeservers, found by their names (`host`); `environment`: what a node needs
//!   besides its store, from this machine.
//! * `client`: a client at work: the sans-IO client with a network, a clock and a store for its state.
//! * `metrics`: measurements for Prometheus.
//! * `settings`, `data_directory`, `key_file`, `private_file`, `logs`, `admin`: what the binary adds for its
//!   operator.
//! * `demo`, `bench`: all of it at work, on homeservers as processes of one machine (`local`).
//! * `thief`: what the files of homeservers tell.
//!
//! # Features
//!
//! Without features, there are [`store`] with a store in memory, and [`node`]. Features add the rest:
//!
//! | feature | adds |
//! | --- | --- |
//! | `store-embedded` | `store::EmbeddedStore`: a store on disk for one process |
//! | `service` | `service` and `listen`, with `host` |
//! | `server` | `server` and `tls`, on `service` |
//! | `peers` | `peers` and `environment`, with `host` and `tls` |
//! | `client` | `client`, on `peers`, with a client store in memory |
//! | `client-sqlite` | `client::store::SqliteClientStore`: a client's state in a file |
//! | `metrics` | `metrics`, on `peers` |
//! | `binary` (default) | all of these, and the `phoenix` binary with what belongs to it |
//!
//! To embed a homeserver behind a web framework of your own, take `default-features = false` with `service`,
//! `peers`, and `store-embedded` or a store of your own.

#[cfg(feature = "binary")]
pub mod admin;
#[cfg(feature = "binary")]
pub mod bench;
#[cfg(any(feature = "service", feature = "peers"))]
mod body;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "binary")]
pub mod data_directory;
#[cfg(feature = "binary")]
pub mod demo;
#[cfg(feature = "peers")]
pub mod environment;
#[cfg(any(feature = "service", feature = "peers"))]
pub mod host;
#[cfg(feature = "binary")]
pub mod key_file;
#[cfg(feature = "service")]
pub mod listen;
#[cfg(feature = "binary")]
pub mod local;
#[cfg(feature = "binary")]
pub mod logs;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod node;
#[cfg(feature = "peers")]
pub mod peers;
#[cfg(feature = "binary")]
pub mod private_file;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "binary")]
pub mod settings;
pub mod store;
#[cfg(feature = "binary")]
pub mod thief;
#[cfg(any(feature = "server", feature = "peers"))]
pub mod tls;
#[cfg(any(feature = "service", feature = "client"))]
mod web_socket;
