//! PROTOCOL.md §1 — who and what is named on the wire, and by which names.
//!
//! All of them have a text form that people read and write, parsed by `FromStr`, printed by `Display` and used by serde:
//! random parts are 32 hexadecimal digits, users and groups `<uuid>@<domain>`, clients `<uuid>@<domain>/<uuid>`.

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
