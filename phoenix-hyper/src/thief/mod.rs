//! A thief of stored bytes, to measure what a homeserver's files tell: `phoenix thief` runs this.
//!
//! Two homeservers write their stores as they do in earnest, with users who register, connect, form groups
//! and write to each other for some days, which pass on a clock of their own (`world`). The files are stolen
//! a day before the end, and at the end. The thief reads them as bytes, gathers what mentions whom, and links
//! it by rules that know nothing of what is true. The table has a score for each link, with an interval:
//!
//! | image | the thief has |
//! | --- | --- |
//! | `one` | the files of one day |
//! | `two` | besides, those of a day later |
//! | `key-file` | besides, the homeserver's key file |
//!
//! What the thief knows besides the files is the specification: which kinds of rows there are, and how they
//! are named. Its rules are general, and a thief with rules for one purpose may do better: a score is a lower
//! bound. User ↔ alias is no link of the table: there are no aliases yet.

mod cells;
mod evidence;
mod images;
mod options;
mod report;
mod rules;
mod run;
mod score;
#[cfg(test)]
mod tests;
mod view;
mod world;

pub use self::{
    cells::{Cell, Link, Otherwise},
    options::Options,
    report::Report,
    run::run,
};
