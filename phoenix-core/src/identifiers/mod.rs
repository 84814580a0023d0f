//! PROTOCOL.md §1, Names — who and what is named on the wire, and by which names.
//!
//! | name | of | chosen by |
//! | --- | --- | --- |
//! | [`Domain`] | a homeserver | its operator |
//! | [`UserId`], [`ClientId`] | a user and its devices, at the authentication service | the client |
//! | [`QsUserId`], [`QsClientId`] | the same, by pseudonyms, at the queuing service | the queuing service |
//! | [`LeafIdentity`] | a member, by a pseudonym, in one group | the client |
//! | [`GroupId`] | a group | the delivery service that owns it |
//! | [`RequestId`] | one request | the caller |
//! | [`StreamId`] | a stream from one homeserver to another | its source |
//! | [`StreamName`], [`LogId`], [`LogPosition`] | what messages wait in, at one homeserver | that homeserver |
//! | [`NodeId`] | a node of a homeserver | its operator |
//!
//! Those that people see have a text form, parsed by `FromStr`, written by `Display` and used by serde: 16
//! random bytes are 32 hexadecimal digits, users and groups `<uuid>@<domain>`, clients
//! `<uuid>@<domain>/<uuid>`.

mod domain;
mod names;
mod random;
mod streams;
pub(crate) mod text;

pub use domain::{Domain, InvalidDomain};
pub use names::{
    ClientId, ClientUuid, GroupId, GroupUuid, LeafIdentity, NodeId, QsClientId, QsUserId, RequestId, UserId,
    UserUuid,
};
pub use streams::{LogId, LogPosition, StreamId, StreamName};
pub use text::InvalidIdentifier;
