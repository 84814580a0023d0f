//! What users want: to register, to connect, to found groups and to talk in them; and to leave in the end.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::rng::Random;

use super::phases::Phases;
use crate::plan::{Action, Intent, Settings, UserPlan};

/// The clock of a device is off by less than this, in milliseconds.
const SKEW: u64 = 60_000;

/// The plan of one group: users by their index.
pub struct GroupPlan {
    /// When its members come.
    from: Duration,
    creator: usize,
    /// Those whom the creator invites.
    others: Vec<usize>,
}

/// Returns all users: those of each visit in turn.
pub fn users(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<UserPlan> {
    let user = |number: usize| UserPlan {
        server: number % settings.users % settings.servers.max(1),
        skew_milliseconds: random.below(2 * SKEW) as i64 - SKEW as i64,
    };
    (0..settings.users * phases.visits).map(user).collect()
}

/// Returns the groups of all visits: each is one of users who are there at the same time.
pub fn groups(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<GroupPlan> {
    let users = settings.users;
    let count = (users / 3).max(1);
    let group = |number: usize| {
        let visit = number / count;
        let first = visit * users;
        let creator = number % count;
        let wanted = (2 + random.below(4) as usize).min(users.saturating_sub(1));
        let mut others = BTreeSet::new();
        while others.len() < wanted {
            let other = random.below(users as u64) as usize;
            if other != creator {
                others.insert(first + other);
            }
        }
        let from = phases.stay * visit as u32;
        GroupPlan { from, creator: first + creator, others: others.into_iter().collect() }
    };
    (0..count * phases.visits).map(group).collect()
}

/// Returns the intents before the messages: all users register, and the creator of a group connects with
/// those whom it invites.
pub fn beginnings(
    random: &mut Random,
    settings: &Settings,
    phases: &Phases,
    groups: &[GroupPlan],
) -> Vec<Intent> {
    let mut within =
        |from: u64, range: u64| Duration::from_millis(from + random.below(range)) * phases.leisure;
    let mut intents: Vec<Intent> = (0..settings.users * phases.visits)
        .map(|user| {
            let from = phases.stay * (user / settings.users) as u32;
            Intent { at: from + within(0, 3_000), user, action: Action::Register }
        })
        .collect();
    let mut connected = BTreeSet::new();
    for (number, group) in groups.iter().enumerate() {
        let GroupPlan { from, creator: user, others } = group;
        let mut intend =
            |after: Duration, action: Action| intents.push(Intent { at: *from + after, user: *user, action });
        for other in others {
            // One request connects both. In every other group there may be two, which cross.
            if connected.insert((user.min(other), user.max(other))) || number % 2 == 1 {
                intend(within(4_000, 10_000), Action::Connect { other: *other });
            }
        }
        intend(within(5_000, 20_000), Action::CreateGroup { group: number });
        for (index, other) in others.iter().enumerate() {
            // Most are members before the first message; some join while messages are sent.
            let range = if is_late(number, index) { 100_000 } else { 15_000 };
            intend(within(15_000, range), Action::Invite { group: number, other: *other });
        }
    }
    intents
}

/// Returns whether a user is invited late: one in every other group is.
fn is_late(group: usize, index: usize) -> bool {
    group % 2 == 1 && index == 1
}

/// Returns the intents of members to send messages and, a tenth as often, to renew their keys.
pub fn messages(
    random: &mut Random,
    settings: &Settings,
    phases: &Phases,
    groups: &[GroupPlan],
) -> Vec<Intent> {
    let mut intents = Vec::new();
    let spread = phases.stay.saturating_sub(phases.acquaintance).as_millis() as u64;
    let mut intend = |random: &mut Random, action: &dyn Fn(usize, usize) -> Action| {
        let number = random.below(groups.len() as u64) as usize;
        let GroupPlan { from, creator, others } = &groups[number];
        let index = random.below(others.len() as u64 + 1) as usize;
        let user = others.get(index).copied().unwrap_or(*creator);
        let at = *from + phases.acquaintance + Duration::from_millis(random.below(spread));
        intents.push(Intent { at, user, action: action(number, user) });
    };
    for message in 0..settings.messages {
        intend(random, &|group, user| Action::Send {
            group,
            text: format!("message {message} of user {user} to group {group}"),
        });
    }
    for _ in 0..settings.messages.div_ceil(10) {
        intend(random, &|group, _| Action::Update { group });
    }
    intents
}

/// Returns the intents of those to leave in whose place others come.
pub fn departures(settings: &Settings, phases: &Phases) -> Vec<Intent> {
    let leave = |user: usize| {
        let at = phases.stay * (user / settings.users + 1) as u32;
        Intent { at, user, action: Action::Leave }
    };
    (0..settings.users * (phases.visits - 1)).map(leave).collect()
}
