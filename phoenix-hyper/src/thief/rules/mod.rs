//! The thief's rules. Each knows what was gathered of one subject or of two, and nothing of what is true.

mod amounts;
mod clue;
mod pairs;

pub use self::{amounts::amount_rules, clue::Clue, pairs::PAIR_RULES};
