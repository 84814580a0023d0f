//! Bounds that worlds meet: what homeservers and clients have little of.

use std::fmt;

use phoenix_core::config::{Config, Rates, Sizes, Times};
use serde::{Deserialize, Serialize};

use super::world::Plan;

/// Something bounded. Over many worlds each bound must be met (see [`Report::bounds`](crate::report::Report)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A fan-out queue is full.
    FanOutQueue,
    /// A direct queue is full.
    DirectQueue,
    /// Too many entries wait for a homeserver.
    OutboxEntries,
    /// Entries wait for a homeserver for too long.
    OutboxAge,
    /// Too many users register in a minute.
    Registrations,
    /// A client has had as many tokens as it may in a time frame.
    TokenAllowance,
    /// The clients of one other homeserver have had as many tokens as they may together.
    DomainTokens,
    /// The clients of all other homeservers that are new have had as many tokens as they may together.
    NewDomains,
    /// A homeserver delivers faster than it may.
    SourceRate,
    /// Strangers have this homeserver ask too often.
    FirstContacts,
    /// A client gets more deliveries in a minute than it may.
    ClientRate,
    /// A client gets more deliveries of one group in a minute than it may.
    MembershipRate,
    /// All key packages of a client but the last resort are used up.
    KeyPackages,
    /// All connection packages of a client but the last are used up.
    ConnectionPackages,
    /// A frame carries as many entries as it may.
    Batch,
    /// A message has more recipients than one commit of the distributor serves.
    Recipients,
    /// An epoch of a stream is over.
    StreamEpoch,
    /// A queue's ratchet is rotated.
    QueueRotation,
    /// A token key issues no more.
    TokenKey,
}

impl Bound {
    /// All bounds.
    pub const ALL: [Self; 19] = [
        Self::FanOutQueue,
        Self::DirectQueue,
        Self::OutboxEntries,
        Self::OutboxAge,
        Self::Registrations,
        Self::TokenAllowance,
        Self::DomainTokens,
        Self::NewDomains,
        Self::SourceRate,
        Self::FirstContacts,
        Self::ClientRate,
        Self::MembershipRate,
        Self::KeyPackages,
        Self::ConnectionPackages,
        Self::Batch,
        Self::Recipients,
        Self::StreamEpoch,
        Self::QueueRotation,
        Self::TokenKey,
    ];

    /// Returns whether homeservers with these settings have less of it than generated worlds need.
    fn is_small(self, config: &Config) -> bool {
        let Config { times, rates, sizes, .. } = config;
        let (Times { outbox_age, .. }, usual) = (times, Usual::default());
        match self {
            Self::FanOutQueue => sizes.fan_out_queue < usual.sizes.fan_out_queue,
            Self::DirectQueue => sizes.direct_queue < usual.sizes.direct_queue,
            Self::OutboxEntries => sizes.outbox_entries < usual.sizes.outbox_entries,
            Self::OutboxAge => *outbox_age < usual.times.outbox_age,
            Self::Registrations => rates.registrations_per_minute < usual.rates.registrations_per_minute,
            Self::TokenAllowance => rates.token_allowance < usual.rates.token_allowance,
            Self::DomainTokens => rates.domain_first_day < usual.rates.domain_first_day,
            Self::NewDomains => rates.new_domains < usual.rates.new_domains,
            Self::SourceRate => rates.source_burst < usual.rates.source_burst,
            Self::FirstContacts => rates.first_contact_burst < usual.rates.first_contact_burst,
            Self::ClientRate => rates.client_per_minute < usual.rates.client_per_minute,
            Self::MembershipRate => rates.membership_per_minute < usual.rates.membership_per_minute,
            Self::KeyPackages
            | Self::ConnectionPackages
            | Self::Batch
            | Self::Recipients
            | Self::StreamEpoch
            | Self::QueueRotation
            | Self::TokenKey => false,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As it is written in plans and reports.
        self.serialize(formatter)
    }
}

/// What public homeservers have of it.
#[derive(Default)]
struct Usual {
    times: Times,
    rates: Rates,
    sizes: Sizes,
}

impl Plan {
    /// Returns whether homeservers have less of something than the world needs.
    pub fn is_small(&self, bound: Bound) -> bool {
        self.servers.iter().any(|server| bound.is_small(&server.config))
    }
}
