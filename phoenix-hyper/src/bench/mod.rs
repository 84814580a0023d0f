//! `phoenix bench`: homeservers as processes of their own, over TLS, on durable stores, with real clients;
//! what they deliver, how long it takes, and what it costs them.
//!
//! The clients share the machine with the homeservers. To keep their work out of the figures, deliveries are
//! timed until the recipients have read and acknowledged them, and decrypted only after that. Then every
//! message is checked: all there, in order, once. Processor time is that of the homeservers alone.

mod cost;
mod crowd;
mod deliveries;
mod latency;
mod options;
mod outage;
mod report;
mod run;

pub use self::{
    options::Options,
    report::{Report, Story},
    run::run,
};
