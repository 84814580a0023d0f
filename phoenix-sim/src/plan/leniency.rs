//! What honest users and homeservers may meet in a world: a short list that follows from the plan. Everything
//! else is a failure, in the event in which it happens.

use std::time::Duration;

use phoenix_core::{
    error::Refusal,
    limits::MAX_ASKS,
    time::{MINUTE, Timestamp},
    wire::{fan_out::GapReason, operations::OperationKind},
};

use crate::disk::StoreFaults;

use super::{
    bounds::Bound,
    faults::{DeviceCopy, Fault, FaultKind},
    harms::Harms,
    world::{Plan, ServerPlan},
};

/// How long after its cause an honest caller may still be refused for it: longer than a request takes that
/// is repeated, and than a homeserver remembers that another could not be asked.
const AFTERMATH: Duration = Duration::from_secs(180);

/// For how long a client sends the same bytes again, but for the differences of clocks.
const REPEATED_FOR: Duration = Duration::from_secs(56 * 60);

/// What honest users and homeservers may meet.
#[derive(Debug, Clone, Default)]
pub struct Leniency {
    /// Whether the store fails, or processes are in each other's way.
    stores_fail: bool,
    /// Whether a clock of a homeserver is wrong for a while.
    wrong_server_clocks: bool,
    /// Whether any clock is wrong for a while.
    wrong_clocks: bool,
    /// Whether token keys issue for a shorter time than the world lasts.
    token_keys_retire: bool,
    /// Whether clients are restored from older copies of their devices.
    older_copies: bool,
    /// How old a request is at least when its token has paid for all questions that it pays for.
    asked_for: Duration,
    /// Whether attackers overhear requests.
    is_overheard: bool,
    /// What there is little of.
    scarce: Vec<Bound>,
    /// The stores that are harmed.
    pub harms: Harms,
    /// When what goes wrong has been over for long.
    calm_from: Duration,
    /// When the world begins.
    pub start: Timestamp,
}

impl Plan {
    /// Returns what honest users and homeservers may meet in the world of this plan.
    pub fn leniency(&self) -> Leniency {
        let StoreFaults { conflicts, unknown, unreadable, .. } = self.store_faults;
        Leniency {
            stores_fail: [conflicts, unknown, unreadable].iter().any(|share| share.0 > 0),
            wrong_server_clocks: self.sets_server_clocks(),
            wrong_clocks: self.sets_clocks(),
            token_keys_retire: self.retires_token_keys(),
            older_copies: self.restores_clients(),
            asked_for: self.shortest_key_retry() * (u32::from(MAX_ASKS) - 1),
            is_overheard: !self.attempts.is_empty() || !self.loans.is_empty(),
            scarce: Bound::ALL.into_iter().filter(|bound| self.is_small(*bound)).collect(),
            harms: self.harms(),
            calm_from: self.faults_end + AFTERMATH,
            start: self.start,
        }
    }
}

impl Plan {
    fn restores_clients(&self) -> bool {
        let restores =
            |fault: &Fault| matches!(fault.kind, FaultKind::ClientCrash { copy: DeviceCopy::Older(_), .. });
        self.faults.iter().any(restores)
    }

    /// Returns how long a homeserver waits at least before it asks again for keys that it could not have.
    fn shortest_key_retry(&self) -> Duration {
        self.servers.iter().map(|server| server.config.times.key_retry).min().unwrap_or_default()
    }

    /// Returns whether a token key retires while the world lasts, by any of its clocks: all issue for a period
    /// that is counted from the Unix epoch.
    pub fn retires_token_keys(&self) -> bool {
        let first = self.start - MOST_SKEW;
        let last = self.start + self.faults_end + self.rest_bound() + MOST_SKEW;
        let retires = |server: &ServerPlan| {
            let period = server.config.times.token_key.as_secs().max(1);
            first.seconds() / period != last.seconds() / period
        };
        self.sets_server_clocks() || self.servers.iter().any(retires)
    }
}

/// How far any clock is off that is not set wrong.
const MOST_SKEW: Duration = MINUTE;

impl Leniency {
    /// Returns why an honest caller may be refused so at the time `now`. `None`: it must not be. `age`: how long ago
    /// the request was made.
    pub fn permits(
        &self,
        operation: OperationKind,
        refusal: &Refusal,
        age: Duration,
        now: Timestamp,
    ) -> Option<&'static str> {
        let is_calm = now - self.start > self.calm_from;
        let when = |condition: bool, why: &'static str| condition.then_some(why);
        match refusal {
            Refusal::WrongEpoch { .. } => when(changes_groups(operation), "another member was faster"),
            Refusal::Unavailable { .. } => {
                when(self.stores_fail && !is_calm, "the store fails, or others are in the way")
            }
            Refusal::PeerUnavailable { .. } => when(asks(operation) && !is_calm, "the network fails"),
            Refusal::TokenSpent if operation == OperationKind::AddUsers && self.may_have_asked(age) => {
                Some("its token has paid for all questions that it pays for")
            }
            Refusal::TokenSpent => when(self.is_overheard, "an attacker was faster with an overheard token"),
            Refusal::OutsideTimeWindow { .. } => when(
                self.wrong_clocks || age > REPEATED_FOR,
                "a clock is wrong, or it was repeated for an hour",
            ),
            Refusal::FrameOutsideTimeWindow { .. } | Refusal::NoValidKey { .. } => {
                when(self.wrong_server_clocks && !is_calm, "the clock of a homeserver is wrong")
            }
            Refusal::KeyPackageNotCovered | Refusal::InvalidKeyPackage => {
                when(self.wrong_clocks, "it was made or handed out while a clock was wrong")
            }
            Refusal::Unauthenticated
                if operation == OperationKind::ExternalCommitInfo && self.older_copies =>
            {
                Some("a client has joined, and knows nothing of it as it is an older copy")
            }
            Refusal::NoSuchGroup if operation == OperationKind::WelcomeInfo => {
                when(self.older_copies, "an older copy was invited long ago: what joiners pick up is gone")
            }
            Refusal::InvalidCredential { .. } | Refusal::Unauthenticated | Refusal::InvalidGroupState => {
                when(self.wrong_clocks && !is_calm, "a clock is wrong: what is valid is not yet, or no more")
            }
            Refusal::NotAwaitingConnection | Refusal::NoSuchRegistration | Refusal::NotFound => {
                when(self.wrong_server_clocks, "a wrong clock has forgotten what was kept for a time")
            }
            Refusal::UnknownTokenKey | Refusal::TokenNeeded => {
                when(self.token_keys_retire, "the token key has retired meanwhile")
            }
            Refusal::StreamDiverged if operation == OperationKind::EnqueueFederated => when(
                self.drops(),
                "a frame from before a skip arrives after it, and no one waits for its answer",
            ),
            Refusal::RateLimited { .. } if operation == OperationKind::AddUsers => {
                when(!is_calm, "a copy of it asks, or it came too early")
            }
            Refusal::RateLimited { .. } => when(self.limits(operation), "a rate is low"),
            Refusal::QueueFull => when(self.is_scarce(Bound::DirectQueue), "the direct queue is short"),
            _ => None,
        }
    }

    /// Returns whether deliveries may be replaced by a marker for this reason.
    pub fn permits_gap(&self, reason: GapReason) -> bool {
        match reason {
            GapReason::QueueFull => self.is_scarce(Bound::FanOutQueue),
            GapReason::Rate => self.is_scarce(Bound::ClientRate) || self.is_scarce(Bound::MembershipRate),
            GapReason::Dropped => self.drops(),
            // The Welcome, which authorises what follows, was dropped.
            GapReason::NotAuthorised => self.drops(),
            GapReason::Expired => false,
        }
    }

    /// Returns whether some delivery may be replaced by a marker.
    pub fn permits_gaps(&self) -> bool {
        [GapReason::QueueFull, GapReason::Rate, GapReason::Dropped]
            .into_iter()
            .any(|reason| self.permits_gap(reason))
    }

    /// Returns whether deliveries may be missing without a marker: whom to tell was forgotten, too.
    pub fn permits_missing(&self) -> bool {
        self.drops()
    }

    /// Returns whether an invitation may be declined: what it rests on is not valid by a wrong clock.
    pub fn permits_declining(&self) -> bool {
        self.wrong_clocks
    }

    /// Returns whether a request of this age may have asked as often as its token pays for: each time it waits.
    fn may_have_asked(&self, age: Duration) -> bool {
        self.wrong_clocks || age + MOST_SKEW >= self.asked_for
    }

    fn drops(&self) -> bool {
        self.is_scarce(Bound::OutboxEntries) || self.is_scarce(Bound::OutboxAge)
    }

    fn is_scarce(&self, bound: Bound) -> bool {
        self.scarce.contains(&bound)
    }

    fn limits(&self, operation: OperationKind) -> bool {
        let any = |bounds: &[Bound]| bounds.iter().any(|bound| self.is_scarce(*bound));
        match operation {
            OperationKind::InitRegistration => any(&[Bound::Registrations]),
            OperationKind::IssueTokens => {
                any(&[Bound::TokenAllowance, Bound::DomainTokens, Bound::NewDomains, Bound::FirstContacts])
            }
            OperationKind::EnqueueFederated => any(&[Bound::SourceRate, Bound::FirstContacts]),
            _ => false,
        }
    }
}

fn changes_groups(operation: OperationKind) -> bool {
    matches!(operation, OperationKind::SendMessage | OperationKind::AddUsers | OperationKind::UpdateClient)
}

/// Returns whether an operation may have to ask another homeserver.
fn asks(operation: OperationKind) -> bool {
    matches!(
        operation,
        OperationKind::AddUsers | OperationKind::IssueTokens | OperationKind::EnqueueFederated
    )
}
