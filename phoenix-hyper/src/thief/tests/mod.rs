//! The thief finds what is planted, and nothing where there is nothing.

mod planted;
mod small_world;
