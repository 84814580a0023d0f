//! Throughput: how many deliveries a second, and what each costs.

use std::{collections::BTreeMap, time::Instant};

use futures_util::future::try_join_all;

use super::{
    cost::processor_time,
    crowd::{Crowd, Group},
    report::{Deliveries, Story, rounded},
};
use crate::local::{Failure, Homeserver};

/// Sends `messages` to groups of `recipients` each, from several senders at the same time.
pub async fn measure(
    crowd: &mut Crowd,
    homeservers: &[Homeserver],
    recipients: usize,
    messages: usize,
    story: &Story,
) -> Result<Deliveries, Failure> {
    let count = crowd.groups_of(recipients).min(messages);
    let groups = crowd.groups(count, recipients, story).await?;
    let each = messages.div_ceil(groups.len());
    let expected = expectations(crowd, &groups, each).await?;
    for group in &groups {
        crowd.senders[group.sender].client.stock_tokens(each).await?;
    }
    let progress = story.progress("sending", groups.len() * each);
    let (begun, spent) = (Instant::now(), processor_time(homeservers));
    let sending = groups.iter().map(async |group| {
        for number in 0..each {
            crowd.senders[group.sender].client.send(&group.id, &text(number)).await?;
            progress.one();
        }
        Ok::<_, Failure>(())
    });
    let reading = expected.iter().map(async |(recipient, entries)| {
        Ok::<_, Failure>(crowd.recipients[*recipient].client.has_read(*entries).await?)
    });
    tokio::try_join!(try_join_all(sending), try_join_all(reading))?;
    let (seconds, spent) = (begun.elapsed().as_secs_f64(), processor_time(homeservers) - spent);
    drop(progress);
    check(crowd, &groups, each, story).await?;
    let deliveries = groups.len() * each * recipients;
    Ok(Deliveries {
        recipients,
        groups: groups.len(),
        messages: groups.len() * each,
        deliveries,
        seconds: rounded(seconds),
        deliveries_per_second: rounded(deliveries as f64 / seconds),
        cpu_seconds_per_1000_deliveries: rounded(spent * 1000.0 / deliveries as f64),
    })
}

/// Makes all recipients read and acknowledge without processing. Returns how many entries each will have read
/// once all messages are delivered.
async fn expectations(crowd: &Crowd, groups: &[Group], each: usize) -> Result<BTreeMap<usize, u64>, Failure> {
    let mut expected = BTreeMap::new();
    for group in groups {
        for recipient in &group.recipients {
            let client = &crowd.recipients[*recipient].client;
            client.hold_deliveries(true).await?;
            // Entries that the creation of the groups has left are read now, so that they do not count as
            // messages.
            client.read().await?;
            let read = client.entries_read().await?;
            *expected.entry(*recipient).or_insert(read) += each as u64;
        }
    }
    Ok(expected)
}

/// Checks that every recipient has every message: in order, once.
async fn check(crowd: &mut Crowd, groups: &[Group], each: usize, story: &Story) -> Result<(), Failure> {
    let progress = story.progress("decrypting and checking", groups.len());
    for group in groups {
        for recipient in &group.recipients {
            crowd.recipients[*recipient].client.hold_deliveries(false).await?;
        }
    }
    let mut left: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut total: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        for recipient in &group.recipients {
            left.insert((*recipient, index), 0);
            *total.entry(*recipient).or_default() += each;
        }
        progress.one();
    }
    for (recipient, count) in total {
        for _ in 0..count {
            let (group, text_read) = crowd.recipients[recipient].message().await?;
            let index = groups.iter().position(|known| known.id == group);
            let next = index.and_then(|index| left.get_mut(&(recipient, index)));
            let Some(next) = next else { return Err(Failure("a message in an unknown group".to_owned())) };
            if text_read != text(*next) {
                return Err(Failure(format!("message {next} is missing, comes twice or out of order")));
            }
            *next += 1;
        }
    }
    Ok(())
}

/// A numbered message, of a length that people write.
pub fn text(number: usize) -> Vec<u8> {
    format!("{number:>100}").into_bytes()
}
