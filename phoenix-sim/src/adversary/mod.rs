//! A dishonest homeserver. It owns a domain and valid, published keys, reads every request and answer, and
//! uses both to deliver what no client has authorised.
//!
//! To read requests in the clear is more than transport security gives an attacker, so what holds here holds
//! for weaker attackers too.
//!
//! * `attempt`: what it tries, and what must come of it.
//! * `knowledge`: what it has and what it has overheard.
//! * `attacks`: from that to the next attempt.

mod attacks;
mod attempt;
mod knowledge;

pub use attempt::{Attempt, AttemptId, Expected, Intrusion};
pub use knowledge::Adversary;
