//! Who lends keys to attackers, and when these make requests.

use std::time::Duration;

use phoenix_core::rng::Random;

use super::phases::Phases;
use crate::plan::{Action, GroupNumber, Hostile, Intent, Loan, Settings};

/// How often attackers make a request.
const REQUESTS: usize = 80;

/// How many messages the founder of a hostile group sends to itself, in another one.
const LONE_MESSAGES: usize = 5;

/// One of this many users lends its keys at most, and one at least.
const LENDERS: u64 = 3;

/// Returns the times at which attackers make requests, each with the keys of a user: until a little after the
/// faults end, so that some reach a homeserver for certain.
pub fn loans(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<Loan> {
    let mut lenders: Vec<usize> = (0..settings.users).collect();
    let count = 1 + random.below((settings.users as u64 / LENDERS).max(1)) as usize;
    while lenders.len() > count {
        lenders.remove(random.below(lenders.len() as u64) as usize);
    }
    let from = Duration::from_secs(10);
    let span = (phases.stay + Duration::from_secs(30) - from).as_millis() as u64;
    let mut loan = || {
        let user = *lenders.get(random.below(lenders.len().max(1) as u64) as usize)?;
        Some(Loan { at: from + Duration::from_millis(random.below(span)), user })
    };
    (0..REQUESTS).filter_map(|_| loan()).collect()
}

/// Returns the group in which an attacker damages what its founder sends, and what the founder wants there: to
/// invite two others, to send before and after the second invitation, and to renew its keys. `None` if there are
/// too few users.
pub fn hostile_group(
    random: &mut Random,
    settings: &Settings,
    group: GroupNumber,
    phases: &Phases,
) -> (Option<Hostile>, Vec<Intent>) {
    if settings.users < 3 {
        return (None, Vec::new());
    }
    let mut users: Vec<usize> = (0..settings.users).collect();
    let mut draw = |random: &mut Random| users.remove(random.below(users.len() as u64) as usize);
    let [user, first, second] = [draw(random), draw(random), draw(random)];
    let span = (phases.end - phases.acquaintance).as_millis() as u64;
    let mut within = |from: u64, range: u64| Duration::from_millis(from + random.below(range));
    let start = phases.acquaintance.as_millis() as u64;
    let text = |number: u64| format!("message {number} of user {user} to its hostile group");
    let intents = [
        (within(4_000, 10_000), Action::Connect { other: first }),
        (within(4_000, 10_000), Action::Connect { other: second }),
        (within(5_000, 20_000), Action::CreateGroup { group }),
        (within(15_000, 15_000), Action::Invite { group, other: first }),
        (within(start, span / 4), Action::Send { group, text: text(0) }),
        (within(start + span / 4, span / 4), Action::Invite { group, other: second }),
        (within(start + span / 2, span / 4), Action::Send { group, text: text(1) }),
        (within(start + span / 4, span / 2), Action::Update { group }),
        (within(start + 3 * span / 4, span / 4), Action::Send { group, text: text(2) }),
    ];
    let intents = intents.map(|(at, action)| Intent { at, user, action });
    let lone = group + 1;
    let mut intents = Vec::from(intents);
    let at = within(5_000, 20_000);
    intents.push(Intent { at, user, action: Action::CreateGroup { group: lone } });
    for number in 0..LONE_MESSAGES {
        let text = format!("message {number} of user {user} to itself");
        let at = within(start, span);
        intents.push(Intent { at, user, action: Action::Send { group: lone, text } });
    }
    (Some(Hostile { user, group, lone }), intents)
}
