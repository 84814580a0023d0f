//! The `phoenix` binary, run as its operator runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod keys;
mod refusals;
mod running;
mod serving;
