//! Bounds: in many worlds homeservers and clients have little of something.

use std::time::Duration;

use phoenix_core::{config::Config, rng::Random, time::MINUTE};

use super::phases::Phases;
use crate::plan::{Action, Bound, DeviceCopy, Fault, FaultKind, Intent, Packages, ServerPlan, Settings};

/// The bounds of which there can be little.
const SCARCE: [Bound; 14] = [
    Bound::FanOutQueue,
    Bound::DirectQueue,
    Bound::OutboxEntries,
    Bound::OutboxAge,
    Bound::Registrations,
    Bound::TokenAllowance,
    Bound::DomainTokens,
    Bound::NewDomains,
    Bound::SourceRate,
    Bound::FirstContacts,
    Bound::ClientRate,
    Bound::MembershipRate,
    Bound::KeyPackages,
    Bound::ConnectionPackages,
];

/// Of this many seeds in a row, each bound is small in the world of one at least; in a third of them there is enough
/// of everything. An odd number, so that every other time the seed is even.
const CYCLE: u64 = 3 * SCARCE.len() as u64 / 2;
const _: () = assert!(CYCLE % 2 == 1);

/// When users look for each other, one shortly after the other, where homeservers ask each other once in a second.
const ALL_CONNECT: Duration = Duration::from_secs(15);
const SHORTLY: Duration = Duration::from_millis(300);

/// When all are invited where there is one key package for each.
const ALL_INVITE: Duration = Duration::from_secs(30);

/// How long a homeserver is out of reach where little may wait for it: long enough for contents to be dropped, not
/// so long that it is forgotten whom to tell.
const OUT_OF_REACH: Duration = Duration::from_secs(45);

/// The time frame that tokens count in where there are few, and how many a client fetches at a time.
const TOKEN_FRAME: Duration = MINUTE;
const TOKEN_BATCH: u64 = 20;

/// What there is little of in a world.
#[derive(Default)]
pub struct Scarcity {
    bounds: Vec<Bound>,
}

impl Scarcity {
    /// Returns none, or one bound that is the seed's and up to two that are drawn.
    pub fn of(random: &mut Random, seed: u64) -> Self {
        let Some(first) = SCARCE.get((seed % CYCLE) as usize) else { return Self { bounds: Vec::new() } };
        let others = (0..random.below(3)).map(|_| SCARCE[random.below(SCARCE.len() as u64) as usize]);
        // Where what waits for another homeserver is dropped, nothing else may hold it up for long.
        let mut bounds: Vec<Bound> = match drops(first) {
            true => vec![*first],
            false => others.filter(|bound| !drops(bound)).chain([*first]).collect(),
        };
        bounds.sort_unstable();
        bounds.dedup();
        Self { bounds }
    }

    /// Returns whether there is enough of everything.
    pub fn is_none(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Returns whether what waits for another homeserver may be dropped.
    pub fn drops(&self) -> bool {
        self.bounds.iter().any(drops)
    }

    /// Returns whether there is little of something.
    pub fn has(&self, bound: Bound) -> bool {
        self.bounds.contains(&bound)
    }

    /// Gives homeservers less.
    pub fn apply(&self, random: &mut Random, settings: &Settings, servers: &mut [ServerPlan]) {
        if self.has(Bound::Registrations) {
            // One user of each has to wait for a minute.
            let users = settings.users.div_ceil(settings.servers) as u32;
            let allowed = users.saturating_sub(1).max(1);
            servers.iter_mut().for_each(|server| server.config.rates.registrations_per_minute = allowed);
        }
        for bound in &self.bounds {
            let draw = random.below(1_000);
            servers.iter_mut().for_each(|server| reduce(&mut server.config, *bound, draw));
        }
    }

    /// Returns how many packages clients publish.
    pub fn packages(&self) -> Packages {
        let usual = Packages::default();
        Packages {
            keys: if self.has(Bound::KeyPackages) { 0 } else { usual.keys },
            connections: if self.has(Bound::ConnectionPackages) { 1 } else { usual.connections },
        }
    }

    /// Has all users do at about the same time what there would be enough for if they did it now and then.
    pub fn crowd(&self, phases: &Phases, intents: &mut [Intent]) {
        for Intent { at, action, user } in intents {
            let after = match action {
                Action::Connect { .. } if self.has(Bound::FirstContacts) => {
                    ALL_CONNECT + SHORTLY * *user as u32
                }
                Action::Invite { .. } if self.has(Bound::KeyPackages) => ALL_INVITE,
                _ => continue,
            };
            let visit = at.as_millis() / phases.stay.as_millis();
            *at = phases.stay * visit as u32 + after * phases.leisure;
        }
    }

    /// Returns the faults without which there would be enough: users and homeservers that are out of reach while
    /// others send to them.
    pub fn faults(
        &self,
        random: &mut Random,
        settings: &Settings,
        intents: &[Intent],
        phases: &Phases,
    ) -> Vec<Fault> {
        let is_message = |intent: &&Intent| matches!(intent.action, Action::Send { .. });
        let messages: Vec<Duration> = intents.iter().filter(is_message).map(|intent| intent.at).collect();
        // When there is something to miss, and not cut short by the end of all faults.
        let mut at = |lasts: Duration| {
            let message = messages.get(random.below(messages.len().max(1) as u64) as usize);
            message.copied().unwrap_or(phases.acquaintance).min(phases.end.saturating_sub(lasts))
        };
        let mut faults = Vec::new();
        if self.has(Bound::FanOutQueue) {
            for user in 0..settings.users.min(3) {
                let kind = FaultKind::ClientCrash { user, steps: 0, copy: DeviceCopy::Last };
                let lasts = 3 * MINUTE / 2 * phases.leisure;
                faults.push(Fault { at: at(lasts), lasts, kind });
            }
        }
        if self.drops() {
            let kind = FaultKind::Partition { one_side: vec![settings.servers - 1] };
            let lasts = if self.has(Bound::OutboxAge) { 2 * OUT_OF_REACH } else { OUT_OF_REACH };
            faults.push(Fault { at: at(lasts), lasts, kind });
        }
        faults
    }
}

/// Returns whether what waits for another homeserver is dropped where there is little of it.
fn drops(bound: &Bound) -> bool {
    matches!(bound, Bound::OutboxEntries | Bound::OutboxAge)
}

/// Has a homeserver have little of something: how little follows from `draw`, which is below 1000.
fn reduce(config: &mut Config, bound: Bound, draw: u64) {
    let Config { times, rates, sizes, .. } = config;
    match bound {
        Bound::FanOutQueue => sizes.fan_out_queue = 6 + draw % 8,
        Bound::DirectQueue => sizes.direct_queue = 2,
        Bound::OutboxEntries => sizes.outbox_entries = 8 + draw % 8,
        Bound::OutboxAge => {
            times.outbox_age = Duration::from_secs(50 + draw % 10);
            // What waits twice as long is forgotten altogether.
            (times.backoff_limit, times.key_retry) = (Duration::from_secs(8), Duration::from_secs(4));
        }
        Bound::TokenAllowance => {
            (rates.token_allowance, rates.token_time_frame) = (TOKEN_BATCH, 3 * TOKEN_FRAME);
        }
        Bound::DomainTokens => {
            (rates.domain_first_day, rates.token_time_frame) =
                (TOKEN_BATCH + draw % TOKEN_BATCH, TOKEN_FRAME);
        }
        Bound::NewDomains => {
            (rates.new_domains, rates.token_time_frame) = (TOKEN_BATCH + draw % TOKEN_BATCH, TOKEN_FRAME);
        }
        Bound::SourceRate => (rates.source_entries_per_second, rates.source_burst) = (2, 2 + draw % 4),
        // One at once: with three homeservers, users of both others come.
        Bound::FirstContacts => (rates.first_contacts_per_second, rates.first_contact_burst) = (1, 0),
        Bound::ClientRate => rates.client_per_minute = 12 + draw as u32 % 20,
        Bound::MembershipRate => rates.membership_per_minute = 6 + draw as u32 % 12,
        Bound::Registrations
        | Bound::KeyPackages
        | Bound::ConnectionPackages
        | Bound::Batch
        | Bound::Recipients
        | Bound::StreamEpoch
        | Bound::QueueRotation
        | Bound::TokenKey => {}
    }
}
