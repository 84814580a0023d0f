//! Recovery: how soon all messages are delivered when a homeserver comes back.

use std::time::Instant;

use super::{
    crowd::Crowd,
    deliveries::text,
    report::{Outage, Story, rounded},
};
use crate::{
    local::{Failure, Homeserver},
    peers::Peers,
};

/// Kills a homeserver, sends `count` messages to a user there, and starts it again.
pub async fn measure(
    crowd: &mut Crowd,
    away: &mut Homeserver,
    peers: &Peers,
    count: usize,
    story: &Story,
) -> Result<Outage, Failure> {
    let groups = crowd.groups(1, 1, story).await?;
    let group = groups.first().ok_or_else(|| Failure("no group".to_owned()))?;
    let sender = crowd.senders[group.sender].client.clone();
    sender.stock_tokens(count).await?;
    away.kill().await?;
    let progress = story.progress("sending to a homeserver that is down", count);
    for number in 0..count {
        sender.send(&group.id, &text(number)).await?;
        progress.one();
    }
    drop(progress);
    away.start(peers).await?;
    let begun = Instant::now();
    let recipient = &mut crowd.recipients[group.recipients[0]];
    for number in 0..count {
        if recipient.message().await? != (group.id.clone(), text(number)) {
            return Err(Failure(format!("message {number} is missing, comes twice or out of order")));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Outage { messages: count, seconds_after_return: rounded(seconds) })
}
