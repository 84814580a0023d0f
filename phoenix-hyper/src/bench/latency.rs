//! Latency: how long a message takes from the sender to a reader at another homeserver.

use std::time::{Duration, Instant};

use tokio::time::{self, MissedTickBehavior};

use super::{
    crowd::Crowd,
    deliveries::text,
    report::{Latency, Story, rounded},
};
use crate::local::Failure;

/// Messages sent each second.
const RATE: u32 = 10;

/// Sends `count` messages one by one to one recipient.
pub async fn measure(crowd: &mut Crowd, count: usize, story: &Story) -> Result<Latency, Failure> {
    let groups = crowd.groups(1, 1, story).await?;
    let group = groups.first().ok_or_else(|| Failure("no group".to_owned()))?;
    let sender = crowd.senders[group.sender].client.clone();
    sender.stock_tokens(count).await?;
    let recipient = &mut crowd.recipients[group.recipients[0]];
    let progress = story.progress("sending one by one", count);
    let mut taken = Vec::with_capacity(count);
    let mut turn = time::interval(Duration::from_secs(1) / RATE);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..count {
        turn.tick().await;
        let begun = Instant::now();
        let message = text(number);
        let (sent, read) = tokio::join!(sender.send(&group.id, &message), recipient.message());
        sent?;
        if read? != (group.id.clone(), message) {
            return Err(Failure(format!("another message came instead of message {number}")));
        }
        taken.push(begun.elapsed());
        progress.one();
    }
    taken.sort_unstable();
    let percentile = |percent: usize| {
        let index = (taken.len() * percent).div_ceil(100).saturating_sub(1);
        taken.get(index).map_or(0.0, |taken| rounded(taken.as_secs_f64() * 1000.0))
    };
    Ok(Latency {
        messages: count,
        per_second: RATE,
        p50_milliseconds: percentile(50),
        p99_milliseconds: percentile(99),
    })
}
