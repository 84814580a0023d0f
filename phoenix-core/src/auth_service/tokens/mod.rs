//! PROTOCOL.md §6, Tokens — tokens for clients of this homeserver and of others, within allowances.
//!
//! * `issue`: tokens are issued.
//! * `allowance`: how many.

pub(crate) mod allowance;
mod issue;
