//! PROTOCOL.md §2 — what holds for every request, whatever service it is for: it is recognised when it comes again,
//! its sender is authenticated, its token is spent.
//!
//! * `call`: the request, and what is proved of it so far.
//! * `redeem`: its token.
//! * `remembered`: its answer.

mod call;
pub(crate) mod redeem;
pub(crate) mod remembered;

pub(crate) use call::{Call, Checks};
