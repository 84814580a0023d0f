//! PROTOCOL.md §2, Order of checks — what holds for every request, whatever service it is for: a repetition
//! is recognised, the sender is authenticated, the token is spent.
//!
//! A service implements [`Serve`] for the body of each of its operations. The dispatch reads the request,
//! looks for the answer that was remembered, and calls `serve` with a [`Call`]. Through the call, the
//! operation authenticates the sender and redeems the token, in the order that its section gives. Each step
//! is noted in the transaction (its [`Standing`](crate::operation::Standing)); the dispatch lets an answer go
//! only if the standing is what the operation's [`Rules`](crate::wire::operations::Rules) ask for. So an
//! operation can choose when it checks, but not whether.
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
