//! Collections: a head row that counts, and rows behind it. No decision rests on a scan.
//!
//! * [`queue`]: what waits for a client, in order.
//! * [`pool`]: packages that are handed out, each once.
//! * [`log`]: messages on their way to their recipients.

pub(crate) mod log;
pub(crate) mod pool;
pub(crate) mod queue;
#[cfg(test)]
mod tests;
