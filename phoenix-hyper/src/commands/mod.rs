//! The commands, their output, and how they end.

mod bench;
mod command_line;
mod config;
mod demo;
mod exit;
mod keys;
mod output;
mod serve;
mod thief;

pub use self::command_line::run;
