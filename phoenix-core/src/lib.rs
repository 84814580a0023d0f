//! The **Phoenix homeserver protocol**: federated, end-to-end encrypted group messaging on MLS (RFC 9420), in
//! which servers learn as little as possible about who talks to whom.
//!
//! A homeserver owns one domain and is three services that trust each other and no one else: an
//! *authentication service* (who users are), a *queuing service* (pseudonymous queues, and delivery between
//! homeservers) and a *delivery service* (groups). This crate is all of their protocol logic, and the
//! client's (feature `client`), without any input or output: it opens no socket and no file, reads no clock
//! (but for one comparison within openmls, see [`mls`]), draws no randomness of its own and spawns nothing.
//! The embedder brings a database, a network and the time.
//!
//! # How it is used
//!
//! One [`Homeserver`] holds the settings and keys. Everything that happens to it, a request or a timer,
//! becomes an [`Operation`], which says step by step what it needs: rows to read, another homeserver to ask,
//! a batch to commit. Nothing leaves before the commit is durable. A driver is a loop over four steps:
//!
//! ```
//! use phoenix_core::{
//!     Config, Homeserver, Input, Operation, Outcome, Random, ServiceKeys, Step, Timestamp,
//!     codec::encode,
//!     error::PeerFailure,
//!     identifiers::{Domain, RequestId},
//!     store::MemoryStore,
//!     wire::{
//!         envelope::{RequestEnvelope, ResponseEnvelope},
//!         queuing_service::{GetQsKeys, GetQsKeysReply},
//!     },
//! };
//!
//! fn drive(mut operation: Operation, store: &mut MemoryStore) -> Outcome {
//!     loop {
//!         match operation.poll() {
//!             Step::Read(reads) => operation.supply(store.read(&reads)),
//!             Step::Ask(_) => operation.answer(Err(PeerFailure::Unreachable)), // no other homeserver here
//!             Step::Commit(commit) => operation.settle(store.apply(&commit)),
//!             Step::Done(outcome) => return outcome,
//!         }
//!     }
//! }
//!
//! let now = Timestamp::from_milliseconds(1_800_000_000_000);
//! let domain: Domain = "example.com".parse()?;
//! let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), now);
//! let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
//!
//! let request = RequestEnvelope::to(domain, now, RequestId([7; 16]), &GetQsKeys {}).unsigned()?;
//! let operation = homeserver.accept(Input::Request(&encode(&request)), now, [2; 32]);
//! let outcome = drive(operation, &mut MemoryStore::default());
//! let reply = ResponseEnvelope::read::<GetQsKeysReply>(&outcome.reply.expect("an answer"))?;
//! assert!(reply.is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The tower
//!
//! Every room imports only rooms below it; a test holds the code to it. From the top to the ground, with the
//! sections of the specification, `PROTOCOL.md`, that the head of each file cites too:
//!
//! | room | for | section |
//! | --- | --- | --- |
//! | [`dispatch`] | from an input to the operation that serves it: requests, timers, distribution, sweeps | 2, 8, 10 |
//! | [`auth_service`] | registration, connection packages, direct queues, tokens | 6 |
//! | [`queuing_service`] | pseudonymous records, key packages, whether a client has authorised a delivery, gap markers | 7 |
//! | [`delivery_service`] | groups: validation, order, joins | 8 |
//! | [`federation`] | streams to and from other homeservers, which of them may deliver for a group, when to try again | 9 |
//! | `request`, `peer_keys` | what services share: a request's proof, token and answer; published keys of others | 2, 6, 9 |
//! | `collections`, `rates` | queues, pools and logs: a head row that counts, rows behind it; rates and stored times | 3, 7, 8 |
//! | [`operation`] | the calling contract: how a driver and an operation work together | |
//! | [`homeserver`] | settings, keys, and caches that change no result | |
//! | [`wire`], [`config`], [`error`], [`limits`] | every message; settings; refusals and what to do about them; bounds | 2, 6–9 |
//! | [`keys`], [`store`] | the homeserver's own keys; records and commits, with the table of all state | 3 |
//! | [`credentials`], [`mls`] | the chain from a root to a leaf, the only door for keys; groups as a server validates them | 4, 8 |
//! | [`crypto`] | labels, signatures, encryption at rest, sealing, ratchet, tokens, OPAQUE | 3 |
//! | [`identifiers`], [`codec`], [`time`], [`rng`], [`hex`] | the ground: names, the one encoding, time and randomness as they come in | 1, 2 |
//!
//! Services never import each other. Beside the tower, on the rooms from `wire` down:
//!
//! | room | for | section |
//! | --- | --- | --- |
#![cfg_attr(feature = "client", doc = "| [`client`] | the whole client side, with real MLS groups | 11 |")]
//!
//! # What is guaranteed
//!
//! * *Nothing is lost.* What was acknowledged is in a committed batch together with everything that must
//!   follow from it; what must follow is found again from rows alone.
//! * *Same inputs, same bytes.* The result of an operation is a function of the rows, the time and the seed.
//! * *Bad input* gets a typed [refusal](error::Refusal), changes nothing and costs little.

pub use config::Config;
pub use dispatch::Input;
pub use homeserver::Homeserver;
pub use keys::ServiceKeys;
pub use operation::{Effect, Operation, Outcome, Step};
pub use rng::Random;
pub use time::Timestamp;

pub mod auth_service;
#[cfg(feature = "client")]
pub mod client;
pub mod codec;
mod collections;
pub mod config;
pub mod credentials;
pub mod crypto;
pub mod delivery_service;
pub mod dispatch;
pub mod error;
pub mod federation;
#[cfg(any(feature = "forgery", test))]
pub mod forgery;
pub mod hex;
pub mod homeserver;
pub mod identifiers;
pub mod keys;
pub mod limits;
pub mod mls;
pub mod operation;
mod peer_keys;
pub mod queuing_service;
mod rates;
mod request;
pub mod rng;
pub mod store;
#[cfg(test)]
mod testing;
pub mod time;
pub mod wire;
