//! PROTOCOL.md §11 — the client, sans-IO: registration, connections, groups and messages, with real MLS.
//!
//! # The calling contract
//!
//! A [`Client`] opens no connection and reads no clock. Its methods start *procedures* and return at once.
//! [`Client::poll`] runs all procedures as far as they go and returns, one by one, what the application has
//! to do or to know:
//!
//! | output | what the application does |
//! | --- | --- |
//! | [`Output::Request`] | sends the bytes to the service of the homeserver that is named, and calls [`Client::respond`] with the answer or the failure |
//! | [`Output::Event`] | shows it, keeps it, or ignores it |
//! | [`Output::TaskDone`] | learns how the procedure ended that a method started |
//!
//! The application polls until there is no output, after every other call, and again at the time that
//! [`Client::next_wake`] names. An answer that does not come is noticed by its timeout; an answer to a
//! request that was given up is ignored. Time comes in with each call and never goes back. All randomness
//! comes from the seed: equal calls have equal outputs.
//!
//! ```
//! use phoenix_core::{
//!     client::{Client, ClientConfig, ClientError, Exchange, Output},
//!     error::PeerFailure,
//!     time::Timestamp,
//! };
//!
//! /// Sends one request. This network reaches no homeserver.
//! fn send(_request: &Exchange) -> Result<Vec<u8>, PeerFailure> {
//!     Err(PeerFailure::NoAnswer)
//! }
//!
//! let mut now = Timestamp::from_milliseconds(1_800_000_000_000);
//! let mut client = Client::new(ClientConfig::new("example.com".parse()?), [7; 32]);
//! let registration = client.register(b"a password");
//!
//! let result = 'done: loop {
//!     // Poll until there is no output, and answer the requests.
//!     while let Some(output) = client.poll(now) {
//!         match output {
//!             Output::Request(request) => client.respond(request.id, send(&request), now),
//!             Output::Event(event) => println!("{event:?}"),
//!             Output::TaskDone(task, result) if task == registration => break 'done result,
//!             Output::TaskDone(..) => {}
//!         }
//!     }
//!     // Wait: for an answer, for a call by the user, or until this time.
//!     now = client.next_wake().expect("a registration that is not over waits for something");
//! };
//! assert!(matches!(result, Err(ClientError::Unanswered { .. })), "repeated for an hour");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A client reads its queues when the application calls [`Client::read_queues`], from time to time. After the
//! request that [`Client::listen`] makes, its homeserver also signals when the fan-out queue has grown.
//!
//! # What the client ensures
//!
//! * *Once.* A request is made once, and its bytes are repeated until there is an answer. What may have been
//!   carried out is not requested again in other words, except where the group's epoch ensures that it is
//!   carried out once.
//! * *In order.* A group's deliveries are followed by position, and repeats are dropped. The client's own
//!   commits and messages are confirmed by the answer or by the receipt in the queue, whichever comes first.
//! * *By turns.* Operations on one group wait for each other. If another member's commit comes first, the
//!   client reads its queue until it has caught up, and starts again.
//! * *Verified.* No one becomes a contact or a member without a valid chain of credentials from leaf to root.
//!
//! # Reading order
//!
//! A file imports only files of its own row and of the rows above it.
//!
//! | read | for |
//! | --- | --- |
//! | `config`, `error`, `event` | the settings, and the words between application and client |
//! | `messages` | what clients send each other, and what each ciphertext is bound to |
//! | `state` | everything that a client knows: data, no procedures |
//! | `shared`, `executor`, `locks` | procedures: futures over one state, polled by hand, that wait for each other |
//! | `exchange`, `tokens` | a request, repeated until it is answered; the tokens that requests need (these two call each other) |
//! | `credentials` | keys of homeservers, and the chains of credentials that they verify |
//! | `leaves`, `key_packages`, `joiners` | the client's own leaves and key packages; those of contacts, fetched and verified |
//! | `groups`, `commits`, `application_messages` | what the client makes with MLS: groups, commits, messages |
//! | `verification`, `processing` | what others make with MLS: verified, and followed in order |
//! | `joining`, `fan_out_queue` | entering groups by invitation; the queue that brings invitations and deliveries |
//! | `membership`, `connections`, `direct_queue`, `account` | inviting, updating and sending; connecting; registering |
//! | `handle` | [`Client`], which starts all of it |

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
mod fan_out_queue;
mod groups;
mod handle;
mod joiners;
mod joining;
mod key_packages;
mod leaves;
mod membership;
mod messages;
mod pass;
mod procedures;
mod processing;
mod records;
mod schedule;
mod state;
mod stored_fields;
#[cfg(test)]
mod tests;
mod tokens;
mod verification;

pub use config::{ClientConfig, ClientPlant};
pub use error::ClientError;
pub use event::{Event, EventId, Exchange, ExchangeId, GroupView, IntentId, IntentView, Intention, Output};
pub use handle::Client;
pub use records::{
    ClientRecordDeclaration, ClientRecordKind, RecordChange, RestoreError, Save, SaveFailed, SaveId,
    StorageKey, StoredRecord,
};
