//! A client store in one SQLite file.
//!
//! SQLite, because it changes pages where they are: a log-structured store, like that of a homeserver, keeps
//! older values until it happens to compact them.
//!
//! # Nothing that was replaced stays in the file
//!
//! SQLite's `secure_delete` overwrites what is deleted, but when it moves rows from one page of its tree to
//! another, as it does to keep the tree balanced, it leaves copies in the free space of pages: of some
//! thousand contents that were replaced, a few were still readable. So this store gives SQLite no reason to
//! move a row. A record lies in a *slot*: a row whose size never changes, and which is never deleted.
//! Contents are padded to the size of their slot and written over what was there; the slot of a deleted
//! record is filled with zeros and used again; new slots are appended. SQLite writes a row of unchanged size
//! in its place, and appends rows without touching others.
//!
//! The price is that the file never shrinks, and is up to half larger than the records in it.
//!
//! The journal holds what pages held before, until the save is durable. Then it is truncated.

mod error;
mod file;
mod handle;
mod slots;

pub use self::handle::SqliteClientStore;
