//! The **Phoenix homeserver protocol**: federated, end-to-end encrypted group messaging on MLS (RFC 9420), in
//! which servers learn as little as possible about who talks to whom.
//!
//! A homeserver owns one domain and is three services that trust each other and nobody else: an
//! *authentication service* (who users are), a *queuing service* (pseudonymous queues, and delivery between
//! homeservers) and a *delivery service* (groups). This crate is all of their protocol logic, and the client's
//! (feature `client`), without any input or output: it opens no socket and no file, reads no clock, draws no
//! randomness of its own and spawns nothing. Whoever embeds it brings a database, a network and the time.
//!
//! # How it is used
//!
//! One [`Homeserver`](homeserver::Homeserver) holds the settings and keys. Everything that happens to it, a
//! request or a timer, becomes an [`Operation`](operation::Operation), which says step by step what it needs:
//! rows to read, another homeserver to ask, a batch to commit. Nothing leaves before the commit is durable.
//!
//! ```
//! use phoenix_core::{
//!     config::Config,
//!     homeserver::{Homeserver, Input},
//!     identifiers::{Domain, RequestId},
//!     keys::ServiceKeys,
//!     operation::Step,
//!     rng::Random,
//!     time::Timestamp,
//!     wire::{
//!         codec::encode,
//!         envelope::{RequestEnvelope, ResponseEnvelope},
//!         queuing_service::{GetQsKeys, GetQsKeysReply},
//!     },
//! };
//!
//! let now = Timestamp::from_milliseconds(1_800_000_000_000);
//! let domain: Domain = "example.com".parse()?;
//! let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), now);
//! let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
//!
//! let request = RequestEnvelope::to(domain, now, RequestId([7; 16]), &GetQsKeys {}).unsigned()?;
//! let mut operation = homeserver.accept(Input::Request(&encode(&request)), now, [2; 32]);
//! // This one needs no row at all; for those that do, see the `in_memory` example.
//! let Step::Done(outcome) = operation.poll() else { panic!("nothing to read") };
//! let reply = ResponseEnvelope::read::<GetQsKeysReply>(&outcome.reply.expect("an answer"))?;
//! assert!(reply.is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reading order
//!
//! The section numbers are those of the protocol's specification, which the head of each file cites too.
//!
//! | read | for | section |
//! | --- | --- | --- |
//! | [`operation`] | the calling contract: how a driver and an operation work together | |
//! | [`store`] | records, transactions and commits; the table of all state | |
//! | [`identifiers`], [`wire`] | names, the envelope, every operation in one table, every message | 1, 2 |
//! | [`error`], [`limits`], [`config`] | refusals and what to do about them; bounds; settings | 2 |
//! | [`crypto`] | labels, signatures, encryption at rest, sealing, ratchet, tokens, OPAQUE | 3 |
//! | [`credentials`] | the chain from a root to a leaf; the only place that validates keys | 4 |
//! | [`auth_service`] | registration, connection packages, direct queues, tokens | 6 |
//! | [`queuing_service`], [`queue`] | pseudonymous records, key packages, who may deliver what | 7 |
//! | [`delivery_service`], [`mls`] | groups: validation, order, joins | 8 |
//! | [`fan_out`] | from one row to every recipient's queue or stream | 8 |
//! | [`federation`] | policy, key cache, streams to and from other homeservers | 9 |
//! | [`expiry`], [`timers`] | what goes when; what is due when | 10 |
#![cfg_attr(feature = "client", doc = "| [`client`] | the whole client side, with real MLS groups | 11 |")]
//!
//! # What is guaranteed
//!
//! * *Nothing is lost.* What was acknowledged is in a committed batch together with everything that must follow
//!   from it; what must follow is found again from rows alone.
//! * *Same inputs, same bytes.* The result of an operation is a function of the rows, the time and the seed.
//! * *Bad input* gets a typed [refusal](error::Refusal), changes nothing and costs little.

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
