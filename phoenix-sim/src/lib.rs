//! Deterministic simulation of many Phoenix homeservers with real clients, faults, a dishonest homeserver and
//! malicious clients.
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
//! Minutes of a world take seconds, or less. Worlds begin at any time within ten years. In most of them users
//! talk for minutes, in others for hours, days, weeks or months, so that what is rotated, swept and renewed is;
//! `--span` says how long. Who stays longer than an account lives comes back with another one.
//!
//! Each homeserver's clock, and that of each device, is off by up to a minute, either way. In one world of four
//! some are set wrong for a while: ahead by up to 100 minutes, or behind by up to two days. Dependencies that read the system's clock or draw ambient randomness get simulated ones as well (see
//! [`interpose`]).
//!
//! # What goes wrong
//!
//! | room | faults |
//! | --- | --- |
//! | [`network`] | messages are delayed, overtake each other, are lost, are duplicated; the network partitions |
//! | [`disk`] | reads fail; rows of one read are of different times; commits conflict or have an unknown outcome |
//! | [`plan`] | processes crash at any step and restart; commits on their way to the store may outlive the crash |
//! | [`plan`] | in one world of eight, all of odd seeds, the store of a homeserver is restored from a backup |
//! | [`plan`] | in another of ten, rows of a store are lost or damaged |
//! | [`plan`] | processes pause for milliseconds to minutes, beyond their leases, and go on with what has arrived |
//! | [`plan`] | clocks of homeservers and devices are set wrong, and right again |
//! | [`journal`] | power fails: commits that no one has seen yet are rolled back, saves under way are lost |
//! | [`device`] | clients crash and are restored from what they saved or from an older copy; saves are slow, fail |
//! | [`adversary`] | frames are forged, changed, late, early, redirected, replayed; configurations and tokens are stolen |
//! | [`malice`] | requests are forged with keys that users lend: in another's name, without right, changed, repeated |
//!
//! All faults end when the last message has been sent. From then on everything must settle within a time that
//! follows from the plan's own waits ([`rest_bound`](plan::Plan::rest_bound)).
//!
//! # Which bounds are met
//!
//! In two worlds of three, homeservers and clients have little of something: of room in queues and outboxes, of
//! rates, of tokens, of packages. One of these bounds follows from the seed, so that each comes in some of any
//! 50 seeds in a row. Reports count how often each [`Bound`](plan::Bound) was met, and a run of at
//! least 50 worlds of three homeservers, nine users and 100 messages fails if one was met in none. Where a bound is met, a member is told by a marker that it
//! cannot follow a group any further; what is behind its last message there is excused, and nothing else.
//!
//! What honest callers may be told is a short list that follows from the plan
//! ([`Leniency`](plan::Leniency)): any other refusal fails the run in the event in which it is given.
//!
//! # Who looks again
//!
//! A process that looks for timers from time to time, and a user that reads its queues from time to time,
//! find what no one told them. So they hide that a wake or a signal was forgotten. In half of the worlds
//! neither does, and in a quarter only one of them: there a process looks for timers when it starts, and a
//! client reads its queues when it is signalled, after it starts, and when a process of its homeserver starts
//! again. A user that requests a connection tells the other one, for direct queues have no signals. Such a
//! world has no faults that may lose an effect: the outcome of every commit is known, and a commit that
//! outlives the crash of its process is applied before the restart. Everything settles there as elsewhere.
//!
//! In a third of the worlds of minutes queues are rotated, and streams begin new epochs, within a minute; in a
//! quarter token keys retire within minutes.
//!
//! # What a harmed store loses
//!
//! In a quarter of the worlds a store is harmed: it is restored from a backup that is seconds to a minute old, or
//! single rows of it are removed or changed. What it had acknowledged since the backup is lost, and nothing else:
//! who must learn of it does (`repaired`), no key meets a nonce twice (`reuse`), and whom it does not concern goes
//! on. What others were told meanwhile stays true for them, so such a world has no attackers, no older copies of
//! devices, no wrong clocks and no scarcity: what is lost for another reason could not be told apart. What honest
//! callers may be told there is as exact as elsewhere ([`Harms`](plan::Harms)).
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
//! # Who attacks
//!
//! The dishonest homeserver has a domain and keys of its own. Malicious clients have the keys of users: up to a
//! third of the users lend theirs, and their own clients go on honestly beside the attackers. Both have
//! overheard what everyone sends. Each attack is aimed at one check, and the report counts its outcomes:
//! `refused`, or `no verdict` where the homeserver was too busy to look, `outdated` where the lender's membership
//! had changed meanwhile, `no answer` where the network lost it. What the attacks are, [`malice`] lists.
//!
//! One user more founds two groups that are hostile: in one, an attacker damages what it sends to the others; in
//! the other, what is delivered to it is led to a stranger. All else that this user does is honest.
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
//! | `waiting` | what waits in a log or a stream has its timer, after each commit |
//! | `counted` | heads of queues, pools, logs and streams agree with the rows that they count |
//! | `kept` | no row is left that nothing will drop |
//! | `secrecy` | no row holds a key that opens entries of the past; ratchets are renewed in time |
//! | `allowances` | no more tokens are issued than are allowed, and no more are spent |
//! | `effects` | operations wake timers that they set, and signal clients whose queues they make longer |
//! | `malformed` | what a member damages, the others are told of and take for nothing else |
//! | `misdelivered` | contents reach no homeserver and no client that they are not for |
//! | `refused` | no attack of the dishonest homeserver or of malicious clients succeeds |
//! | `refusals` | honest callers are refused for no reason but those of the plan |
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
//! keeps all checks and protects nothing, but in one seed of twenty, or as `--cryptography` says. Worlds run
//! side by side, one for each core.
//!
//! With `--json`, each seed prints a [`Report`](report::Report) as one line; `--log` writes the events to a
//! file. A test does the same by [`world::run`]:
//!
//! ```
//! use phoenix_sim::{plan::{Cryptography, Settings}, world};
//!
//! let settings = Settings {
//!     seed: 2, servers: 2, users: 3, messages: 6, span: None, plant: None, cryptography: Cryptography::Null,
//! };
//! let report = world::run(&settings)?;
//! assert!(report.passed(), "{report}");
//! assert_eq!(report.acknowledged, 6);
//! # Ok::<(), phoenix_sim::interpose::WorldError>(())
//! ```
//!
//! # Plans as text
//!
//! `phoenix-sim plan --seed 7 --servers 2 --users 3 --messages 12` prints the plan of a world, `--write-plan
//! FILE` writes that of the first world that fails, and `phoenix-sim run --plan FILE` runs one. Everything
//! that decides the world is in it, so it gives the same world after the generator has changed. A plan can be
//! written by hand too; two homeservers, three users, ten messages and a crash are:
//!
//! ```toml
#![doc = include_str!("../tests/plans/two_homeservers.toml")]
//! ```
//!
//! | field | what it is | if it is left out |
//! | --- | --- | --- |
//! | `settings` | the [seed, the bug to plant, the cryptography](plan::Settings) | 0, none, null |
//! | `servers` | the [homeservers](plan::ServerPlan); `config` has what is not the default | |
//! | `users` | the [users](plan::UserPlan): the homeserver of each | none |
//! | `intents` | what [users want](plan::Intent); with `times` and `every`, several times | none |
//! | `faults` | what [goes wrong](plan::Fault), when and for how long | none |
//! | `network` | what [messages](network::Conditions) suffer until the faults end | nothing |
//! | `store_faults` | what [stores](disk::StoreFaults) suffer until the faults end | nothing |
//! | `start`, `packages`, `periodic`, `habits` | see the [plan](plan::Plan) | as usual |
//! | `faults_end` | from when on everything must settle | at once |
//! | `attempts` | when the dishonest homeserver attacks, the last of `servers` | there is none |
//!
//! Durations are written `20ms`, `82.5s`, `3m`, `26h`. What a plan does not know, it refuses, and says in
//! which line. The text is read and written in [`plan::text`]; a new field needs no more than serde's
//! derives.
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
//! Here is a planted bug, printed as it is by `phoenix-sim run --plan
//! phoenix-sim/tests/plans/lost_message.toml`:
//!
//! ```text
#![doc = include_str!("../tests/plans/lost_message.txt")]
//! ```
//!
//! From the top:
//!
//! * **What is wrong**: the name of the oracle, how many events there were until then, and what it found.
//!   User 0 was told that the message is ordered, and user 1, who is a member, has not seen it.
//! * **What should have happened** says in one sentence who had to act, where it went wrong: a client, the
//!   distributor of a homeserver, a delivery service. So that is where to look first: in the client of user
//!   1, between an answer with an entry and an event that it shows.
//! * **How far the message came**: its stages, with the time and number of the event in which each was
//!   reached, until the first that was not. Failures about something else have none.
//! * **What led to it** is a chain of causes: each line is an event that was scheduled during the one before,
//!   with its virtual time, its number and, behind semicolons, what was noted while it was handled. The chain
//!   ends with the last stage that was reached, or with an earlier event that the failure contradicts. Here
//!   it is event 667: the client receives the entry, and begins to save what it has read.
//! * **What happened next**: the events after that one, anywhere, that came of it or tell something else. The
//!   save of the client reaches its device, and the client crashes before it has shown the message; when it
//!   starts again, it goes on behind it, for nothing of it was kept to be shown.
//! * **… and now** the chain of causes of the event in which the oracle failed: an hour later, the world is
//!   not settled. If there is no earlier event, there is this chain alone; what both have in common is shown
//!   once.
//! * **The last events** of the whole world, for what happened at the same time elsewhere.
//! * **Repeat it by**: the command that makes the same world, with the same numbers of events.
//!
//! Users, homeservers, groups, intents and faults have the numbers of the [plan], from 0. A process that was
//! restarted is called so: `(start 3)` is the third one in its place. Calls and operations are numbered as
//! they come, operations in each process. Ids that stand for nothing in the plan are shortened: `1a2b3c4d…`.
//! Names in capitals are those of the code: requests, and kinds of rows that a commit writes.
//!
//! Routine is left out: scans for timers that find none, reads of empty queues, timeouts of calls that were
//! answered, checks whether everything has settled, and steps during which nothing was noted. `--log FILE`
//! writes all events of a world.
//!
//! Smaller numbers of users and messages, though other worlds, often show a failure with fewer events. To
//! take a world apart, write its plan and remove from that whatever the failure does not need.
//!
//! # How to extend it
//!
//! * *An oracle* is a file in [`oracle`]; the documentation of that room says what is in it and who calls it.
//! * *An event* says in its `sort` whether it is routine, and [`Trace::tells`](trace::Trace::tells) ends
//!   that. What has an id gets a name in the world's `naming`.
//! * *A planted bug* is a variant of [`Plant`](phoenix_core::config::Plant) or, for clients, of
//!   [`ClientPlant`](phoenix_core::client::ClientPlant), a place in `phoenix-core` that asks whether it is
//!   planted, a name on the command line, and an entry in `tests/plants.rs` with the oracles that find it in
//!   the world of some seed. Trust no oracle before it has found one that no other finds.
//! * *An attack* is a function in [`malice`] or [`adversary`] and a line of its table; a planted bug in the
//!   check that it is aimed at, and a test in `tests/malice.rs` that this attack finds it.
//! * *A fault* belongs to [`network`], [`disk`], [`device`] or [`plan`]; draw it from a stream of randomness
//!   of its own, so that it does not shift what others draw.
//!
//! # Reading order
//!
//! [`plan`] (what is to happen), [`world`] (how it happens), [`names`] (what it is called),
//! [`node`] (how a process drives operations),
//! [`disk`], [`device`] and [`network`] (what goes wrong), [`adversary`] and [`malice`] (who attacks), [`oracle`] (what must
//! hold), [`interpose`] (why it can be repeated). A file imports only from rooms below its own;
//! `tests/tower.rs` has their order.

pub mod adversary;
pub mod clock;
pub mod device;
pub mod disk;
pub mod generate;
pub mod interpose;
pub mod journal;
pub mod malice;
pub mod names;
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
