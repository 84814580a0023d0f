//! What tests of whole operations share, and the tests of all operations at once. The tests of one room are
//! in its own `tests` folder.
//!
//! * `world`: homeservers in one process over stores in memory, one clock, and faults at will.
//! * `body`: an operation made of a closure.
//! * `messages`: groups and messages as far as homeservers see them.
//! * `fixtures`, `people`, `groups` and `samples`: users, tokens, records, groups and valid requests, made
//!   with real cryptography.
//! * `generate`: random values of every message.
//! * `refusals`: each operation against every way to ask wrongly.
//! * `exactness`: which records an operation reads and writes, and what it has done.
//! * `vectors`: the test vectors of the specification.
//! * `damage`: damaged rows under each operation that reads them.

pub(crate) mod body;
pub(crate) mod generate;
pub(crate) mod messages;
pub(crate) mod vectors;
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, unused_imports, reason = "what only tests with clients need")
)]
pub(crate) mod world;

#[cfg(feature = "client")]
pub(crate) mod fixtures;
#[cfg(feature = "client")]
pub(crate) mod groups;
#[cfg(feature = "client")]
pub(crate) mod people;
#[cfg(feature = "client")]
pub(crate) mod samples;

#[cfg(feature = "client")]
mod damage;
#[cfg(feature = "client")]
mod exactness;
#[cfg(feature = "client")]
mod refusals;
