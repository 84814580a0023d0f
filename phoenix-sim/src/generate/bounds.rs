//! Bounds: in many worlds homeservers and clients have little of something.

use std::time::Duration;

use phoenix_core::{config::Config, rng::Random, time::MINUTE};

use super::phases::Phases;
use crate::plan::{Bound, DeviceCopy, Fault, FaultKind, Packages, ServerPlan, Settings};

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

/// In one world of this many there is enough of everything.
const ENOUGH: u64 = 3;

/// How long a homeserver is out of reach where little may wait for it: long enough for contents to be dropped, not
/// so long that it is forgotten whom to tell.
const OUT_OF_REACH: Duration = Duration::from_secs(45);

/// The time frame that tokens count in where there are few.
const TOKEN_FRAME: Duration = MINUTE;

/// What there is little of in a world.
#[derive(Default)]
pub struct Scarcity {
    bounds: Vec<Bound>,
}

impl Scarcity {
    /// Draws one to three bounds, or none.
    pub fn of(random: &mut Random) -> Self {
        let (is_none, count) = (random.below(ENOUGH) == 0, 1 + random.below(3));
        let drawn = (0..count).map(|_| SCARCE[random.below(SCARCE.len() as u64) as usize]);
        let mut bounds: Vec<Bound> = drawn.collect();
        bounds.sort_unstable();
        bounds.dedup();
        if is_none {
            bounds.clear();
        }
        // Where what waits for another homeserver is dropped, nothing else may hold it up for long.
        if let Some(drops) =
            bounds.iter().find(|bound| [Bound::OutboxEntries, Bound::OutboxAge].contains(bound))
        {
            bounds = vec![*drops];
        }
        Self { bounds }
    }

    /// Returns whether there is enough of everything.
    pub fn is_none(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Returns whether what waits for another homeserver may be dropped.
    pub fn drops(&self) -> bool {
        self.has(Bound::OutboxEntries) || self.has(Bound::OutboxAge)
    }

    /// Returns whether there is little of something.
    pub fn has(&self, bound: Bound) -> bool {
        self.bounds.contains(&bound)
    }

    /// Gives homeservers less.
    pub fn apply(&self, random: &mut Random, servers: &mut [ServerPlan]) {
        for bound in &self.bounds {
            let draw = random.below(1_000);
            servers.iter_mut().for_each(|server| reduce(&mut server.config, *bound, draw));
        }
    }

    /// Returns how many packages clients publish.
    pub fn packages(&self) -> Packages {
        let usual = Packages::default();
        Packages {
            keys: if self.has(Bound::KeyPackages) { 1 } else { usual.keys },
            connections: if self.has(Bound::ConnectionPackages) { 1 } else { usual.connections },
        }
    }

    /// Returns the faults without which there would be enough: users and homeservers that are out of reach while
    /// others send to them.
    pub fn faults(&self, random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<Fault> {
        let span = phases.end.saturating_sub(phases.acquaintance).as_millis() as u64;
        let mut at = || phases.acquaintance + Duration::from_millis(random.below(span));
        let mut faults = Vec::new();
        if self.has(Bound::FanOutQueue) {
            for user in 0..settings.users.min(3) {
                let kind = FaultKind::ClientCrash { user, steps: 0, copy: DeviceCopy::Last };
                faults.push(Fault { at: at(), lasts: 2 * MINUTE * phases.leisure, kind });
            }
        }
        if self.drops() {
            let kind = FaultKind::Partition { one_side: vec![settings.servers - 1] };
            let lasts = if self.has(Bound::OutboxAge) { 2 * OUT_OF_REACH } else { OUT_OF_REACH };
            faults.push(Fault { at: at(), lasts, kind });
        }
        faults
    }
}

/// Has a homeserver have little of something: how little follows from `draw`, which is below 1000.
fn reduce(config: &mut Config, bound: Bound, draw: u64) {
    let Config { times, rates, sizes, .. } = config;
    match bound {
        Bound::FanOutQueue => sizes.fan_out_queue = 6 + draw % 20,
        Bound::DirectQueue => sizes.direct_queue = 2,
        Bound::OutboxEntries => sizes.outbox_entries = 12 + draw % 16,
        Bound::OutboxAge => {
            times.outbox_age = Duration::from_secs(75 + draw % 10);
            // What waits twice as long is forgotten altogether.
            (times.backoff_limit, times.key_retry) = (Duration::from_secs(8), Duration::from_secs(4));
        }
        Bound::Registrations => rates.registrations_per_minute = 1 + draw as u32 % 2,
        Bound::TokenAllowance => {
            (rates.token_allowance, rates.token_time_frame) = (20 + draw % 20, TOKEN_FRAME);
        }
        Bound::DomainTokens => {
            (rates.domain_first_day, rates.token_time_frame) = (20 + draw % 20, TOKEN_FRAME);
        }
        Bound::NewDomains => {
            (rates.new_domains, rates.token_time_frame) = (20 + draw % 20, TOKEN_FRAME);
        }
        Bound::SourceRate => (rates.source_entries_per_second, rates.source_burst) = (2, 2 + draw % 4),
        Bound::FirstContacts => (rates.first_contacts_per_second, rates.first_contact_burst) = (1, 1),
        Bound::ClientRate => rates.client_per_minute = 12 + draw as u32 % 20,
        Bound::MembershipRate => rates.membership_per_minute = 6 + draw as u32 % 12,
        Bound::KeyPackages
        | Bound::ConnectionPackages
        | Bound::Batch
        | Bound::Recipients
        | Bound::StreamEpoch
        | Bound::QueueRotation
        | Bound::TokenKey => {}
    }
}
