//! How far each message came on its way to each member: ordered, put into a stream, carried to the member's
//! homeserver, entered into the member's queue, returned to the client, shown.
//!
//! This is no oracle: nothing fails by it. It follows rows as they are committed, so that oracles can say who
//! had to act next. What links a message to the entries of queues is the progress of the distributor, which
//! is in the same commit: it counts the deliveries of a row, which are in a fixed order.
//!
//! * `state`: what is known of each journey.
//! * `follow`: how it becomes known.
//! * `tell`: the stages in words, and who had to act.

mod follow;
mod state;
mod tell;

pub use state::Journeys;
pub use tell::Told;
