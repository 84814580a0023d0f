//! PROTOCOL.md §2 — what holds for every request, whatever service it is for: it is recognised when it comes again,
//! its sender is authenticated, its token is spent.
//!
//! * `call`: what an operation is, and a request on its way through its checks.
//! * `lane`: what requests contend for.
//! * `redeem`: the request's token.
//! * `remembered`: its answer.

mod call;
mod lane;
pub(crate) mod redeem;
pub(crate) mod remembered;
#[cfg(test)]
mod tests;

pub(crate) use call::{Call, Serve};
