//! PROTOCOL.md §1 — who and what is named on the wire, and by which names.

mod domain;
mod names;
mod streams;

pub use domain::{Domain, InvalidDomain};
pub use names::{ClientId, GroupId, HexId, LeafIdentity, QsClientId, QsUserId, RequestId, UserId};
pub use streams::{LogId, LogPosition, StreamId, StreamName};
