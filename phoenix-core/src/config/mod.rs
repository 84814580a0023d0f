//! What an operator decides. Every setting has a default that suits a small public homeserver.

mod policy;

pub use policy::{Direction, Pattern, Policy, Rule};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    identifiers::{Domain, NodeId},
    time::{DAY, HOUR, MINUTE},
};

/// The settings of a homeserver. Durations are serialized as serde does it: `{ secs, nanos }`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The domain that this homeserver owns.
    pub domain: Domain,
    /// Names this node among those that share one store; unique among them.
    pub node: NodeId,
    /// Who may register (PROTOCOL.md §6).
    #[serde(default)]
    pub registration: RegistrationPolicy,
    /// With whom to federate (PROTOCOL.md §9).
    #[serde(default)]
    pub federation: Policy,
    /// Times and windows.
    #[serde(default)]
    pub times: Times,
    /// Tokens and rates.
    #[serde(default)]
    pub rates: Rates,
    /// Queues, streams and groups.
    #[serde(default)]
    pub sizes: Sizes,
    /// A bug to plant, in the simulator's builds.
    #[serde(skip)]
    pub plant: Option<Plant>,
}

impl Config {
    /// The default settings for `domain`, for a node of its own.
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            node: NodeId([0; 16]),
            registration: RegistrationPolicy::default(),
            federation: Policy::default(),
            times: Times::default(),
            rates: Rates::default(),
            sizes: Sizes::default(),
            plant: None,
        }
    }
}

/// Who may register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationPolicy {
    /// Anybody.
    #[default]
    Open,
    /// Nobody.
    Closed,
}

/// Times and windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Times {
    /// How old a request may be. Answers are remembered as long.
    pub request_past: Duration,
    /// How far ahead of ours a caller's clock may be.
    pub request_future: Duration,
    /// How far a federated frame's clock may be from ours, either way.
    pub frame_window: Duration,
    /// How long a registration may take from its first to its last step.
    pub registration: Duration,
    /// How long a reserved group id stays reserved.
    pub group_reservation: Duration,
    /// Validity of a client credential.
    pub client_credential: Duration,
    /// How long published key sets are good for.
    pub key_set: Duration,
    /// How long a token key issues; it stays redeemable as long again.
    pub token_key: Duration,
    /// How often a queue's ratchet is rotated with fresh randomness.
    pub queue_rotation: Duration,
    /// How long an epoch of a federated stream lasts at most.
    pub stream_epoch: Duration,
    /// How recent a batch of key packages must be when they are added.
    pub key_package_batch: Duration,
    /// How long a lease lasts; it is renewed at half.
    pub lease: Duration,
    /// How old cached keys of a peer may be before they are refreshed.
    pub key_refresh: Duration,
    /// How long to wait after a failed fetch of a peer's keys, or an unknown key id.
    pub key_retry: Duration,
    /// First wait after a failed delivery; doubles with each further one.
    pub backoff_first: Duration,
    /// Longest wait between deliveries.
    pub backoff_limit: Duration,
    /// The oldest that an undelivered entry may become. Whom to tell that it was dropped is kept as long again.
    pub outbox_age: Duration,
    /// How often expired records are looked for.
    pub sweep: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            request_past: HOUR,
            request_future: 5 * MINUTE,
            frame_window: 5 * MINUTE,
            registration: 15 * MINUTE,
            group_reservation: HOUR,
            client_credential: 90 * DAY,
            key_set: DAY,
            token_key: 7 * DAY,
            queue_rotation: DAY,
            stream_epoch: HOUR,
            key_package_batch: DAY,
            lease: Duration::from_secs(30),
            key_refresh: HOUR,
            key_retry: MINUTE,
            backoff_first: Duration::from_secs(1),
            backoff_limit: HOUR,
            outbox_age: 7 * DAY,
            sweep: 10 * MINUTE,
        }
    }
}

/// Tokens and rates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Registrations begun per minute, by all users together: nothing else holds back who may register. More than a
    /// large public homeserver sees, and what can wait to be finished stays below 100 MB.
    pub registrations_per_minute: u32,
    /// Tokens per client and [`Rates::token_time_frame`].
    pub token_allowance: u64,
    /// The time frame of all token allowances.
    pub token_time_frame: Duration,
    /// Tokens for all clients of a registrable domain that was first seen today; as much more for each day since.
    pub domain_first_day: u64,
    /// The most that a domain's allowance grows to.
    pub domain_limit: u64,
    /// Tokens for all domains together that were first seen in the last seven days.
    pub new_domains: u64,
    /// Entries per second that one source homeserver may deliver, sustained; one with several recipients counts
    /// once for each. A message to the largest group is a second's worth.
    pub source_entries_per_second: u64,
    /// As many it may deliver at once.
    pub source_burst: u64,
    /// How often per second, sustained, those who are not authenticated yet can have us ask homeservers that we
    /// know nothing of. Each costs a connection and a row that lasts as long as what the homeserver publishes.
    pub first_contacts_per_second: u64,
    /// How often they can at once.
    pub first_contact_burst: u64,
    /// Deliveries to one client per minute.
    pub client_per_minute: u32,
    /// Deliveries to one membership (client and group) per minute.
    pub membership_per_minute: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            registrations_per_minute: 600,
            token_allowance: 500,
            token_time_frame: DAY,
            domain_first_day: 2_000,
            domain_limit: 100_000,
            new_domains: 20_000,
            source_entries_per_second: 5_000,
            source_burst: 50_000,
            first_contacts_per_second: 2,
            first_contact_burst: 100,
            client_per_minute: 6_000,
            membership_per_minute: 3_000,
        }
    }
}

/// Queues, streams and groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sizes {
    /// Entries that a client's fan-out queue holds.
    pub fan_out_queue: u64,
    /// Entries that a direct queue holds.
    pub direct_queue: u64,
    /// Entries that wait for one destination, all streams together.
    pub outbox_entries: u64,
    /// Streams to each destination: groups are spread over them.
    pub stream_shards: u8,
    /// Entries delivered in one batch.
    pub batch_entries: u64,
    /// Recipients served in one commit of the distributor.
    pub recipients_per_commit: usize,
    /// Smallest size, in bytes, that a section of a group's state is padded to.
    pub section_padding: usize,
    /// Expired records dropped in one sweep.
    pub sweep_batch: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            fan_out_queue: 100_000,
            direct_queue: 1_000,
            outbox_entries: 100_000,
            stream_shards: 4,
            batch_entries: 256,
            recipients_per_commit: 128,
            section_padding: 32 << 10,
            sweep_batch: 256,
        }
    }
}

/// Bugs that the simulator can plant, to show that its oracles find them. Without the feature `plant` they
/// have no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plant {
    /// Frames are accepted whatever their signature.
    SkipSignature,
    /// Requests are answered before their commit is durable.
    AckBeforeCommit,
    /// Frames are accepted whatever their destination.
    IgnoreDestination,
    /// Entries of a stream are accepted whatever their position.
    IgnorePosition,
    /// Spent tokens are accepted.
    ReuseNullifier,
    /// Unbound configurations authorise everything, for ever.
    UnboundForever,
}
