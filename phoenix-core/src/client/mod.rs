//! PROTOCOL.md §11 — the client, sans-IO: registration, connections, groups and messages, with real MLS.
//!
//! # The calling contract
//!
//! A [`Client`] opens no connection, no file, and reads no clock. Its methods begin *intents* and return at
//! once. [`Client::poll`] runs all intents as far as they go and returns, one by one, what the application has
//! to do or to know:
//!
//! | output | what the application does |
//! | --- | --- |
//! | [`Output::Save`] | stores the changed records in one atomic, durable step, and calls [`Client::saved`] |
//! | [`Output::Request`] | sends the bytes to the service of the homeserver that is named, and calls [`Client::respond`] with the answer or the failure |
//! | [`Output::Event`] | shows it, keeps it, or ignores it; then calls [`Client::confirm`] |
//! | [`Output::Stopped`] | stops: a save failed; restores a client from what is stored |
//!
//! The application polls until there is no output, after every other call, and again at the time that
//! [`Client::next_wake`] names. An answer that does not come is noticed by its timeout; an answer to a
//! request that was given up is ignored. Time comes in with each call and never goes back. All randomness
//! comes from the seed: equal calls have equal outputs.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use phoenix_core::{
//!     client::{Client, ClientConfig, ClientError, Event, Exchange, Output, StorageKey, StoredRecord},
//!     error::PeerFailure,
//!     time::Timestamp,
//! };
//!
//! /// Sends one request. This network reaches no homeserver.
//! fn send(_request: &Exchange) -> Result<Vec<u8>, PeerFailure> {
//!     Err(PeerFailure::NoAnswer)
//! }
//!
//! let (config, key) = (ClientConfig::new("example.com".parse()?), StorageKey::from_bytes([5; 32]));
//! let mut store: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
//! let mut now = Timestamp::from_milliseconds(1_800_000_000_000);
//! let mut client = Client::new(config.clone(), key.clone(), [7; 32]);
//! let registration = client.register(b"a password");
//!
//! let outcome = 'done: loop {
//!     // Poll until there is no output.
//!     while let Some(output) = client.poll(now) {
//!         match output {
//!             Output::Save(save) => {
//!                 for change in save.changes {
//!                     match change.content {
//!                         Some(content) => store.insert(change.name, content),
//!                         None => store.remove(&change.name),
//!                     };
//!                 }
//!                 client.saved(save.id, Ok(()));
//!             }
//!             Output::Request(request) => client.respond(request.id, send(&request), now),
//!             Output::Event(id, event) => {
//!                 client.confirm(id);
//!                 match event {
//!                     Event::Done { intent, outcome } if intent == registration => break 'done outcome,
//!                     event => println!("{event:?}"),
//!                 }
//!             }
//!             Output::Stopped => panic!("this store never fails"),
//!         }
//!     }
//!     // Wait: for an answer, for a call by the user, or until this time.
//!     now = client.next_wake().expect("a registration that is not over waits for something");
//!
//!     // A process may end at any moment. The next one goes on with what was under way.
//!     let saved = store.iter().map(|(name, content)| StoredRecord { name: name.clone(), content: content.clone() });
//!     client = Client::restore(config.clone(), key.clone(), saved, [8; 32], now)?;
//! };
//! assert!(matches!(outcome, Err(ClientError::Unanswered { .. })), "repeated for an hour");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A client reads its queues when the application calls [`Client::read_queues`], from time to time. After the
//! request that [`Client::listen`] makes, its homeserver also signals when the fan-out queue has grown.
//!
//! # A client outlives its process
//!
//! All that a client knows is records, MLS state included: `CLIENT_KEYSPACE.md` lists them. What changed is
//! saved before anything leaves that depends on it, and [`Client::restore`] goes on from any save. What is
//! called between two polls becomes part of one save: an application that answers a message calls
//! [`Client::send`] and [`Client::confirm`] together, and whatever happens, it has answered once.
//!
//! Records are sealed under the application's [`StorageKey`]. Generators are never saved: each start takes a
//! fresh seed. Secrets that were used go from the records, and the store has to overwrite what it replaces.
//!
//! A client that was restored reads its queue before it does anything else. So it finds out whether its
//! records were an old copy ([`Event::OldCopy`]): the keys of an old copy may be used, and it sends nothing
//! with them.
//!
//! # What the client ensures
//!
//! * *Once.* A request is made once, and its bytes are repeated until there is an answer, by this process or a
//!   later one. What may have been carried out is not requested again in other words, except where that does
//!   no harm: a commit is of one epoch, and members know a repeated message.
//! * *In order.* A group's deliveries are followed by position, and repeats are dropped. The client's own
//!   commits and messages are confirmed by the answer or by the receipt in the queue, whichever comes first.
//! * *By turns.* Operations on one group wait for each other, in a lane. If another member's commit comes
//!   first, the client reads its queue until it has caught up, and begins anew.
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
//! | `records` | kinds of records, tables that note changes, and the sealed form in which they are kept |
//! | `state` | everything that a client knows: records, no procedures |
//! | `pass` | an intent's function, restarted over the state and over what it has noted |
//! | `exchange`, `answers` | a request, repeated until it is answered |
//! | `tokens`, `credentials` | the tokens that requests need; keys of homeservers, and the chains that they verify |
//! | `leaves`, `key_packages`, `joiners` | the client's own leaves and key packages; those of contacts, fetched and verified |
//! | `groups`, `commits`, `application_messages` | what the client makes with MLS: groups, commits, messages |
//! | `lent_keys` | what a client has, as an attacker has it to whom the client lends it |
//! | `old_copies` | what a client does that another copy of its state has overtaken |
//! | `verification`, `processing` | what others make with MLS: verified, and followed in order |
//! | `joining`, `fan_out_queue` | entering groups by invitation; the queue that brings invitations and deliveries |
//! | `membership`, `connections`, `direct_queue`, `account` | inviting, updating and sending; connecting; registering |
//! | `procedures`, `schedule` | which function carries out which intent, and when |
//! | `handle` | [`Client`], which begins all of it |

mod account;
mod answers;
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
#[cfg(any(feature = "forgery", test))]
mod lent_keys;
mod membership;
mod messages;
mod old_copies;
mod outcome;
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
#[cfg(any(feature = "forgery", test))]
pub use lent_keys::{LentGroup, LentKeys};
pub use records::{
    ClientRecordDeclaration, ClientRecordKind, RecordChange, RestoreError, Save, SaveFailed, SaveId,
    StorageKey, StoredRecord,
};
