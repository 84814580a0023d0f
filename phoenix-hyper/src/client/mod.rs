//! A client at work: the sans-IO [client](phoenix_core::client) with a network, a clock, a store and a task
//! of its own (PROTOCOL.md §11).
//!
//! [`Client::start`] loads what a [`ClientStore`](store::ClientStore) has, and returns a handle, cheap to
//! clone, and the [`Events`]. The client works for as long as a handle exists. It sends requests concurrently
//! and repeats them where that helps. It listens on a web socket of its queuing service, reconnects by
//! itself, and reads its queue on every signal. It reads its direct queue, for which there are no signals,
//! from time to time.
//!
//! # A bot
//!
//! Answers each message with the same words. `examples/bot.rs` has the whole of it.
//!
//! ```no_run
//! use phoenix_core::client::StorageKey;
//! use phoenix_hyper::{
//!     client::{Client, ClientConfig, Event, Received, store::MemoryClientStore},
//!     peers::{Peers, Reach},
//! };
//!
//! # async fn bot(key: StorageKey) -> Result<(), Box<dyn std::error::Error>> {
//! let (config, peers) = (ClientConfig::new("example.com".parse()?), Peers::new(Reach::default())?);
//! // A bot that is to outlive its process has a `SqliteClientStore`.
//! let (client, mut events) = Client::start(config, peers, key, MemoryClientStore::default())?;
//! client.register(b"a password").await?;
//! loop {
//!     let Received { id, event } = events.next().await?;
//!     client
//!         .act(move |core| {
//!             if let Event::Message { group, text, .. } = event {
//!                 core.send(&group, &text);
//!             }
//!             core.confirm(id);
//!         })
//!         .await?;
//! }
//! # }
//! ```
//!
//! # Saved before it leaves
//!
//! Whatever the client sends or shows is saved first, on a thread of its own. A process that ends at any
//! moment loses nothing and repeats nothing: the client that is started on the same store goes on with what
//! was under way, with the same bytes where they may have been sent.
//!
//! If a save fails, the client stops, and every method and [`Events::next`] says so:
//! [`ClientError::SaveFailed`].
//!
//! # Events, and what methods return
//!
//! An [`Event`] is shown again after each restart until the application has confirmed it, always under the
//! same id. Two ways to handle it once:
//!
//! * [`Client::act`] confirms the event and begins what follows from it in one step: both are saved, or
//!   neither. So the bot answers each question once.
//! * An application with a database of its own stores the id there, together with what it makes of the event,
//!   and then calls [`Client::confirm`].
//!
//! A method that waits for an end returns once what it began is done or has failed for good, however long
//! that takes: [`Client::under_way`] says what it waits for, and [`Client::cancel`] gives it up. Dropping the
//! future of a method does neither. What the method returns is confirmed by the client: its [`Event::Done`],
//! the [`Event::GroupCreated`] of a [`create_group`](Client::create_group), and the
//! [`Event::MessageAcknowledged`] of a [`send`](Client::send) are not shown. They are events of the
//! application where no method is there to return them: if its future was dropped, if the intent was begun
//! within `act`, or if the process has ended since.

mod calls;
mod error;
mod events;
mod handle;
mod saver;
pub mod store;
mod task;
mod web_socket;

pub use phoenix_core::client::{
    ClientConfig, Event, EventId, GroupView, IntentId, IntentView, Intention, StorageKey,
};

pub use self::{
    error::{ClientError, StartError},
    events::{Events, Received},
    handle::Client,
};
