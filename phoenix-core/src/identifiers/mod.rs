//! protocol.md §1 — who and what is named on the wire, and by which names.

mod domain;
mod names;

pub use domain::{Domain, InvalidDomain};
pub use names::{ClientId, GroupId, HexId, QsClientId, QsUserId, RequestId, UserId};
