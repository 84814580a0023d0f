//! What a thief carries away: the files of a store, and what stands in them.
//!
//! The files are read as bytes, not through the engine: with deleted and replaced rows, sequence numbers and
//! places, as far as the engine has left them.

mod cursor;
mod files;
mod image;
mod journal;
mod open;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub use self::{files::steal, image::Image, row::Written};
