//! PROTOCOL.md §11.1 — what a client knows: data, no procedures. [`State`] holds all of it.

mod account;
mod contacts;
mod groups;
mod keys;
mod locks;
mod queues;
mod root;
mod tokens;

pub(crate) use account::{Identity, OwnPackage, Queuing};
pub(crate) use contacts::Contact;
pub(crate) use groups::{CommitRequest, Connection, Group, Member, PendingCommit, UnconfirmedMessage};
pub(crate) use keys::CachedSet;
pub(crate) use locks::LockName;
pub(crate) use queues::{Confirmation, InboxEntry};
pub(crate) use root::State;
