//! PROTOCOL.md §11.1, §11.15 — what a client knows: records, no procedures. [`State`] holds all of it.

mod account;
mod contacts;
mod events;
mod group_access;
mod groups;
mod header;
mod inbox;
mod intents;
mod keys;
mod queues;
mod restore;
mod root;
mod sending;
mod stock;
mod tokens;
mod views;

pub(crate) use account::{Identity, OwnPackage, Queuing};
pub(crate) use contacts::Contact;
pub(crate) use group_access::mls_group_id;
pub(crate) use groups::{
    Awaited, CommitRequest, Connection, GivenUp, Group, Member, PendingCommit, RECENT_MESSAGES,
};
pub(crate) use intents::{Answer, Call, Held, Intent, Lane, Note, Password, SignedRequest, Want};
pub(crate) use keys::{Fetched, Validated};
pub(crate) use queues::{BroughtEntry, Confirmation, FanOutQueue, Inbox, InboxEntry, OwnQueue};
pub(crate) use root::{Departure, State};
pub(crate) use sending::{Sending, Wait};
