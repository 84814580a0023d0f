//! Carries the Phoenix homeserver protocol, and decides nothing: what to do, `phoenix_core` says.
//!
//! * [`store`]: what a database must be able to do, an implementation in memory, and the suite that any
//!   implementation must pass.
//! * [`node`]: drives operations over a store, lane by lane, and fires timers.
//! * [`service`]: a node as a hyper service: requests in the body of a POST, answers in the body of the response.

pub mod node;
pub mod service;
pub mod store;
