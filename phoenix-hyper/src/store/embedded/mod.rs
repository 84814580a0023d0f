//! A store on disk for one process: rows in an engine that keeps a journal (fjall), commits in groups.
//!
//! # Durability
//!
//! Commits wait for one thread. It takes all that wait, writes those whose expectations hold as one batch,
//! and has the batch on disk (`fdatasync`) before it settles any of them. The engine shows a batch to readers
//! only once it is on disk. So what is read is durable, a commit without writes is confirmed against the
//! engine on the caller's thread, and what an operation derives from its reads may leave at once.
//!
//! # Expectations
//!
//! Expectations are checked twice: on the caller's thread, many at once, against the engine; and on the
//! writing thread, in order, against what the groups since then have written and what this group is about to
//! write. The second check only needs to know before which group the first one began.
//!
//! # Limits
//!
//! * One process holds the directory; a second is refused with [`OpenError::InUse`].
//! * A damaged row is returned without content, as [`Store::read`](super::Store::read) requires. The engine
//!   keeps a checksum of each block of about 4 KiB: damage in a file costs all rows of its block. Damage in
//!   the journal, whose rows are not in files yet, is [`OpenError::Damaged`], unless it looks like a batch
//!   that a crash cut short: then the store has what was written before that batch.
//! * Without space, commits end as `Unknown`, [`Store::health`](super::Store::health) says so, and reads go
//!   on. Once there is space for another journal (about 64 MiB) and some more, the store recovers within
//!   seconds.
//! * After any other failed write, commits fail until the process is restarted. The operator restarts it once
//!   the disk is sound.
//! * A scan passes over deleted rows until the engine compacts them away: 0.1 s at worst with the default
//!   write buffer. Prefer few scans with a large limit to many with a small one.

mod committer;
mod directory;
mod engine;
mod error;
mod files;
mod handle;
mod rescue;
mod settings;
mod shared;

pub use self::{error::OpenError, handle::EmbeddedStore, settings::EmbeddedSettings};
