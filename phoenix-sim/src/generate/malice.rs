//! Who lends keys to attackers, and when these make requests.

use std::time::Duration;

use phoenix_core::rng::Random;

use crate::plan::{Loan, Settings};

/// How often attackers make a request.
const REQUESTS: usize = 80;

/// One of this many users lends its keys at most, and one at least.
const LENDERS: u64 = 3;

/// Returns the times at which attackers make requests, each with the keys of a user: until a little after the
/// faults end, so that some reach a homeserver for certain.
pub fn loans(random: &mut Random, settings: &Settings, end: Duration) -> Vec<Loan> {
    let mut lenders: Vec<usize> = (0..settings.users).collect();
    let count = 1 + random.below((settings.users as u64 / LENDERS).max(1)) as usize;
    while lenders.len() > count {
        lenders.remove(random.below(lenders.len() as u64) as usize);
    }
    let from = Duration::from_secs(10);
    let span = (end + Duration::from_secs(30) - from).as_millis() as u64;
    let mut loan = || {
        let user = *lenders.get(random.below(lenders.len().max(1) as u64) as usize)?;
        Some(Loan { at: from + Duration::from_millis(random.below(span)), user })
    };
    (0..REQUESTS).filter_map(|_| loan()).collect()
}
