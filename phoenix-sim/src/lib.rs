//! Deterministic simulation of many Phoenix homeservers with real clients, faults and a dishonest homeserver.
//!
//! The simulator runs the servers and clients of `phoenix-core` unchanged and simulates everything around
//! them: network, stores, clocks, crashes and users. One number, the seed, decides all of it. So a failure
//! that occurs once in a thousand worlds can be repeated as often as it takes to understand it.
//!
//! # What a world is
//!
//! A [`World`](world::World) has honest homeservers, the first of them with two processes that share a store;
//! users who register, connect, create groups, invite each other and send messages; and one dishonest
//! homeserver. What they do and what goes wrong is fixed beforehand in a [`Plan`](plan::Plan), which
//! [`generate`] makes from [`Settings`](plan::Settings). The rest follows event by event.
//!
//! A world ends when everything has settled after the faults have ended, or as soon as an oracle fails.
//!
//! # How time goes
//!
//! Time is virtual: it jumps to the next event of the [`schedule`] and stands still while that is handled.
//! Minutes of a world take seconds, or less. Each homeserver's clock is off by up to a minute, either way.
//! Dependencies that read the system's clock or draw ambient randomness get simulated ones as well (see
//! [`interpose`]).
//!
//! # What goes wrong
//!
//! | room | faults |
//! | --- | --- |
//! | [`network`] | messages are delayed, overtake each other, are lost, are duplicated; the network partitions |
//! | [`disk`] | reads fail; rows of one read are of different times; commits conflict or have an unknown outcome |
//! | [`plan`] | processes crash at any step and restart; commits on their way to the store may outlive the crash |
//! | [`plan`] | in one world of eight, the store of a homeserver is restored from a backup |
//! | [`plan`] | in another of eight, rows of a store are lost or damaged |
//! | [`plan`] | processes pause for milliseconds to minutes, beyond their leases, and go on with what has arrived |
//! | [`journal`] | power fails: commits that no one has seen yet are rolled back, saves under way are lost |
//! | [`device`] | clients crash and are restored from what they saved or from an older copy; saves are slow, fail |
//! | [`adversary`] | frames are forged, changed, late, redirected, replayed; configurations and tokens are stolen |
//!
//! All faults end when the last message has been sent. From then on everything must settle within twenty
//! virtual minutes.
//!
//! # How clients crash
//!
//! What a client saves reaches its device a while later, and only then does the client go on with what
//! depends on it. Events that it shows are confirmed a while later too, some not before the next start. A
//! crash ends the process between any two of its outputs: answers under way find no one, and a save under way
//! is on the device or never will be. After a while the client is restored with a fresh seed and goes on by
//! itself. What its user had begun and is in no save is begun anew.
//!
//! In one world of five, a client is restored from an older copy of its device instead, in the middle of its
//! conversations. It must notice, and harm no one; what its user wanted in the groups that it had is given
//! up, though tried all the same. The copy is always one from before an acknowledgement of queue entries:
//! before that nothing tells a copy from what it was copied from.
//!
//! # What the oracles check
//!
//! Each oracle checks one property of PROTOCOL.md §12, whatever goes wrong. A failure names the oracle:
//!
//! | oracle | property |
//! | --- | --- |
//! | `acknowledged` | an acknowledged message reaches every member of its epoch |
//! | `duplicates` | no message reaches a member twice |
//! | `order` | a group has one order, without forks |
//! | `enqueued` | every delivery enters its recipient's queue exactly once |
//! | `queues` | the owner of a queue can read everything in it |
//! | `epochs` | members of an epoch agree on its secret and on its members |
//! | `tokens` | no token is spent twice |
//! | `refused` | no attack of the dishonest homeserver succeeds |
//! | `restored` | a restored client repeats the same words, reuses nothing, and knows an older copy |
//! | `repaired` | what a restored or damaged store has lost is all that is lost, and who must be told of it is told |
//! | `reuse` | no nonce meets one key of a queue or stream twice, whatever was rolled back or restored |
//! | `drained` | logs and outboxes drain after the faults end |
//! | `unfinished` | users' intents and clients' own finish after the faults end |
//!
//! # How to run it
//!
//! ```text
//! cargo run --release -p phoenix-sim -- run --seed 1 --seeds 100 --servers 3 --users 9 --messages 200
//! ```
//!
//! Signatures, HPKE, tokens and passwords are those of the [null provider](phoenix_core::crypto::null), which
//! keeps all checks and protects nothing, but in one seed of twenty, or as `--cryptography` says. Worlds run side
//! by side, one for each core.
//!
//! With `--json`, each seed prints a [`Report`](report::Report) as one line; `--log` writes the events to a
//! file. A test does the same by [`world::run`]:
//!
//! ```
//! use phoenix_sim::{plan::{Cryptography, Settings}, world};
//!
//! let settings = Settings {
//!     seed: 2, servers: 2, users: 3, messages: 6, plant: None, cryptography: Cryptography::Null,
//! };
//! let report = world::run(&settings)?;
//! assert!(report.passed(), "{report}");
//! assert_eq!(report.acknowledged, 6);
//! # Ok::<(), phoenix_sim::interpose::WorldError>(())
//! ```
//!
//! # What the trace hash covers
//!
//! Two runs of the same settings are the same if and only if their `trace_hash` is. It covers the time,
//! number and cause of every event and all bytes that were sent, answered or committed. It does not cover
//! texts, such as descriptions of events, refusals' reasons and names in Rust; what was read from stores,
//! which follows from what was committed; nor the figures of the report. So a change that only renames things
//! keeps the hash, and one that adds a random draw, changes an encoding or moves an event does not. Debug and
//! release builds have the same hashes.
//!
//! # How to read a failure
//!
//! A failure says which oracle failed, on what, and why in a chain of causes: each line is an event that was
//! scheduled during the one before, with its virtual time, its number and what was noted while it was
//! handled. The last line of the chain is the event in which the oracle failed. If that contradicts an
//! earlier event, such as the acknowledgement of a message that is missing now, the chain of the earlier one
//! comes first, up to the line `… and now:`. Below, for what happened at the same time elsewhere, are the
//! last events of the whole world.
//!
//! The same seed and size repeat the failure. Smaller numbers of users and messages, though other worlds,
//! often show it with fewer events.
//!
//! # How to extend it
//!
//! * *An oracle* is a file in [`oracle`]; the documentation of that room says what is in it and who calls it.
//! * *A planted bug* is a variant of [`Plant`](phoenix_core::config::Plant) or, for clients, of
//!   [`ClientPlant`](phoenix_core::client::ClientPlant), a place in `phoenix-core` that asks whether it is planted,
//!   a name on the command line, and a test in `tests/plants.rs` that some seed finds it. Trust no oracle before it
//!   has found one.
//! * *A fault* belongs to [`network`], [`disk`], [`device`] or [`plan`]; draw it from a stream of randomness of its
//!   own, so that it does not shift what others draw.
//!
//! # Reading order
//!
//! [`plan`] (what is to happen), [`world`] (how it happens), [`node`] (how a process drives operations),
//! [`disk`], [`device`] and [`network`] (what goes wrong), [`adversary`] (who attacks), [`oracle`] (what must
//! hold), [`interpose`] (why it can be repeated). A file imports only from rooms below its own;
//! `tests/tower.rs` has their order.

pub mod adversary;
pub mod clock;
pub mod device;
pub mod disk;
pub mod generate;
pub mod interpose;
pub mod journal;
pub mod network;
pub mod node;
pub mod oracle;
pub mod plan;
pub mod report;
pub mod schedule;
pub mod server;
pub mod trace;
pub mod user;
pub mod world;
