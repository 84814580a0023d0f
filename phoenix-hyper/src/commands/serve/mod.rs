//! `phoenix serve`: one homeserver, from its start to its end.

mod run;
mod setup;

pub use self::run::{Arguments, run};
