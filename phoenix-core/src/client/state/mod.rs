//! PROTOCOL.md §11 — what a client knows: data, no procedure.

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
pub(crate) use groups::{CommitRequest, Connection, Group, Member, PendingCommit, Unconfirmed};
pub(crate) use keys::Known;
pub(crate) use locks::LockName;
pub(crate) use queues::{Ordered, Waiting};
pub(crate) use root::State;
