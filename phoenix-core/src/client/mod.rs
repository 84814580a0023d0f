//! PROTOCOL.md §11 — the client, sans-IO: registration, connections, groups and messages, with real MLS.
//!
//! # The calling contract
//!
//! A [`Client`] does nothing by itself. Its methods start *procedures* and return at once; [`Client::poll`]
//! carries all procedures on as far as they go and says, one by one, what comes of it:
//!
//! | output | what to do |
//! | --- | --- |
//! | [`Output::Request`] | send the bytes to that service of that homeserver; call [`Client::respond`] with the answer or the failure |
//! | [`Output::Event`] | show it, keep it, or not |
//! | [`Output::TaskDone`] | the procedure of this name is over |
//!
//! To be told when there is something to read, [`Client::listen`].
//!
//! Call `poll` until it gives nothing, after every other call, and again at the time [`Client::next_wake`]
//! names. An answer that never comes is noticed by its timeout; an answer to a request that was given up is
//! ignored. The time comes in with each call and never goes back; randomness is drawn from the seed: equal calls
//! give equal outputs.
//!
//! # What it takes care of
//!
//! * *Once.* A request is made once and its bytes repeated until there is an answer; what may have been done is
//!   never asked for in other words, except where the group's epochs make sure that it is done once.
//! * *In order.* A group's deliveries are followed by position; what comes again is dropped. Own commits and
//!   messages are confirmed by the answer or by the receipt in the queue, whichever comes first.
//! * *By turns.* Operations on one group wait for each other. When others were faster, the client reads its
//!   queue until it has caught up, and begins anew.
//! * *Verified.* Nobody becomes a contact or a member without a valid chain of credentials from leaf to root.
//!
//! # Where to look
//!
//! `account` sets up; `connections` asks for and accepts connections; `groups` holds and creates groups,
//! `membership` changes and uses them by the `commits` it makes, `joining` enters them. `inbox` reads the queues, `processing` follows
//! what was found. Below lie `exchange` (requests), `tokens`, `credentials` (keys of homeservers), `locks`,
//! `executor` (procedures) and `state`.

mod account;
mod application_messages;
mod commits;
mod config;
mod connections;
mod credentials;
mod direct_queue;
mod error;
mod event;
mod exchange;
mod executor;
mod fan_out_queue;
mod groups;
mod handle;
mod joiners;
mod joining;
mod key_packages;
mod leaves;
mod locks;
mod membership;
mod messages;
mod processing;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod verification;

pub use config::ClientConfig;
pub use error::ClientError;
pub use event::{Event, Exchange, ExchangeId, GroupView, Output, TaskId};
pub use handle::Client;
