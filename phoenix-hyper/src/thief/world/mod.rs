//! The world that writes the stores: two homeservers, users who register, connect, form groups and write, and
//! days that pass as fast as the machine can compute them.

mod engine;
mod life;
mod people;
mod site;
pub mod truth;

pub use self::{
    life::{FIRST, SECOND, World},
    truth::{RowKey, Truth},
};
