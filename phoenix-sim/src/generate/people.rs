//! What users want: to register, to connect, to found groups and to talk in them.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::rng::Random;

use super::phases::{MESSAGES_FROM, sending_time};
use crate::plan::{Action, Intent, Settings};

/// The plan of one group: users by their index.
pub struct GroupPlan {
    pub creator: usize,
    /// Those whom the creator invites.
    pub others: Vec<usize>,
}

pub fn groups(random: &mut Random, settings: &Settings) -> Vec<GroupPlan> {
    let users = settings.users;
    let count = (users / 3).max(1);
    let group = |number: usize| {
        let creator = number % users.max(1);
        let wanted = (2 + random.below(4) as usize).min(users.saturating_sub(1));
        let mut others = BTreeSet::new();
        while others.len() < wanted {
            let other = random.below(users as u64) as usize;
            if other != creator {
                others.insert(other);
            }
        }
        GroupPlan { creator, others: others.into_iter().collect() }
    };
    (0..count).map(group).collect()
}

/// Returns the intents before the messages: all users register, and the creator of a group connects with
/// those whom it invites.
pub fn beginnings(random: &mut Random, settings: &Settings, groups: &[GroupPlan]) -> Vec<Intent> {
    let mut within = |from: u64, range: u64| Duration::from_millis(from + random.below(range));
    let mut intents: Vec<Intent> = (0..settings.users)
        .map(|user| Intent { at: within(0, 3_000), user, action: Action::Register })
        .collect();
    let mut connected = BTreeSet::new();
    for (number, group) in groups.iter().enumerate() {
        let user = group.creator;
        for other in &group.others {
            // One request connects both. In every other group there may be two, which cross.
            if connected.insert((user.min(*other), user.max(*other))) || number % 2 == 1 {
                intents.push(Intent {
                    at: within(4_000, 10_000),
                    user,
                    action: Action::Connect { other: *other },
                });
            }
        }
        intents.push(Intent {
            at: within(5_000, 20_000),
            user,
            action: Action::CreateGroup { group: number },
        });
        for (index, other) in group.others.iter().enumerate() {
            // Most are members before the first message; some join while messages are sent.
            let range = if is_late(number, index) { 100_000 } else { 15_000 };
            let at = within(15_000, range);
            intents.push(Intent { at, user, action: Action::Invite { group: number, other: *other } });
        }
    }
    intents
}

/// Returns whether a user is invited late: one in every other group is.
fn is_late(group: usize, index: usize) -> bool {
    group % 2 == 1 && index == 1
}

/// Returns the intents of members to send messages and, a tenth as often, to renew their keys.
pub fn messages(random: &mut Random, settings: &Settings, groups: &[GroupPlan]) -> Vec<Intent> {
    let mut intents = Vec::new();
    let spread = sending_time(settings);
    let member = |random: &mut Random| {
        let number = random.below(groups.len() as u64) as usize;
        let group = &groups[number];
        let index = random.below(group.others.len() as u64 + 1) as usize;
        (number, group.others.get(index).copied().unwrap_or(group.creator))
    };
    for message in 0..settings.messages {
        let (group, user) = member(random);
        let at = MESSAGES_FROM + Duration::from_millis(random.below(spread));
        let text = format!("message {message} of user {user} to group {group}");
        intents.push(Intent { at, user, action: Action::Send { group, text } });
    }
    for _ in 0..settings.messages.div_ceil(10) {
        let (group, user) = member(random);
        let at = MESSAGES_FROM + Duration::from_millis(random.below(spread));
        intents.push(Intent { at, user, action: Action::Update { group } });
    }
    intents
}
