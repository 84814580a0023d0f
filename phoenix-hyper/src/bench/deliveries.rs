//! How many deliveries a second, and what each costs.

use std::{collections::BTreeMap, time::Instant};

use futures_util::future::try_join_all;

use super::{
    crowd::{Crowd, Group},
    processor_time,
    report::{Deliveries, Story, rounded},
};
use crate::local::{Failure, Homeserver};

/// Sends `messages` to groups of `recipients` each, from all senders at the same time.
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

/// Up to where each recipient will have read, who from now on reads, acknowledges, and keeps for later.
async fn expectations(crowd: &Crowd, groups: &[Group], each: usize) -> Result<BTreeMap<usize, u64>, Failure> {
    let mut expected = BTreeMap::new();
    for group in groups {
        for recipient in &group.recipients {
            let client = &crowd.recipients[*recipient].client;
            client.hold_deliveries(true).await?;
            // Whatever the making of the groups has brought, it is not to be taken for messages.
            client.read().await?;
            let read = client.entries_read().await?;
            *expected.entry(*recipient).or_insert(read) += each as u64;
        }
    }
    Ok(expected)
}

/// Everything that was sent is there for everybody: in order, once.
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
            let Some(next) = next else { return Err(Failure("a message in a group of nobody".to_owned())) };
            if text_read != text(*next) {
                return Err(Failure(format!("message {next} is missing, comes twice or out of order")));
            }
            *next += 1;
        }
    }
    Ok(())
}

/// A message of the length of many that people write, that says which it is.
pub fn text(number: usize) -> Vec<u8> {
    format!("{number:>100}").into_bytes()
}
