//! A dishonest homeserver: an ordinary homeserver with an ordinary user, whose operator uses its keys against
//! the protocol, and who runs the reverse proxy that another homeserver's operator has rented.
//!
//! It is a process of its own. It takes orders on standard input, one a line, and answers on standard output.

mod attacks;
mod error;
mod handle;
mod orders;
mod process;
mod tap;

pub use self::{
    error::EvilError,
    handle::{Evil, unexpected},
    orders::{Answer, Order, Setup, Tap, Verdict},
    process::run,
};
