//! PROTOCOL.md §2, Limits — what an operator decides (PROTOCOL.md, Appendix C). Every setting has a default
//! that suits a small public homeserver.
//!
//! Settings are given when a [`Homeserver`](crate::homeserver::Homeserver) is made, and stay for its life;
//! another one is made from others. The nodes of one homeserver have the same settings, [`Config::node`]
//! apart.

mod policy;

pub use policy::{Direction, Pattern, Policy, Rule};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    identifiers::{Domain, NodeId},
    time::{DAY, HOUR, MINUTE},
};

/// The settings of a homeserver.
///
/// Serde refuses names that it does not know, so that a misspelt setting is not lost. Durations are
/// serialized as serde does it: `{ secs, nanos }`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The domain that this homeserver owns.
    pub domain: Domain,
    /// This node, among those that share one store: no two of them may have the same id.
    pub node: NodeId,
    /// Who may register (PROTOCOL.md §6, Registration).
    #[serde(default)]
    pub registration: RegistrationPolicy,
    /// Which homeservers to federate with (PROTOCOL.md §9, Policy).
    #[serde(default)]
    pub federation: Policy,
    /// How long things last and may take.
    #[serde(default)]
    pub times: Times,
    /// How much may be asked for in a time.
    #[serde(default)]
    pub rates: Rates,
    /// How much is kept, and done in one step.
    #[serde(default)]
    pub sizes: Sizes,
    /// A bug to plant. It has an effect in builds with the feature `plant` only, which are the simulator's.
    #[serde(skip)]
    pub plant: Option<Plant>,
}

impl Config {
    /// Returns the default settings for `domain`, with its only node.
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

/// Who may register (PROTOCOL.md §6, Registration).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationPolicy {
    /// Everyone may.
    #[default]
    Open,
    /// No one may: users that are registered stay.
    Closed,
}

/// How long things last and may take. Appendix C of PROTOCOL.md has the reasons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Times {
    /// How old a request may be. Answers are remembered for as long.
    pub request_past: Duration,
    /// How far a caller's clock may be ahead of the homeserver's.
    pub request_future: Duration,
    /// How far the clock of a frame's source may be from the homeserver's, either way.
    pub frame_window: Duration,
    /// How long a registration may take from its first to its last step.
    pub registration: Duration,
    /// How long a reserved group id stays reserved.
    pub group_reservation: Duration,
    /// How long a client credential is valid.
    pub client_credential: Duration,
    /// How long published key sets are valid, at most 7 days.
    pub key_set: Duration,
    /// How long a token key issues. Its tokens can be redeemed for as long again.
    pub token_key: Duration,
    /// How often a queue's ratchet is rotated with fresh randomness.
    pub queue_rotation: Duration,
    /// How long an epoch of a stream to another homeserver lasts at most.
    pub stream_epoch: Duration,
    /// How old a batch of key packages may be when they are added.
    pub key_package_batch: Duration,
    /// How long a node's lease of a share of the timers lasts. It is renewed at half of it.
    pub lease: Duration,
    /// How old kept keys of a peer may be before they are fetched again.
    pub key_refresh: Duration,
    /// How long a peer's keys are not fetched again after a fetch that failed, or did not have the key that
    /// was wanted.
    pub key_retry: Duration,
    /// The first wait after a failed delivery. It doubles with each further one.
    pub backoff_first: Duration,
    /// The longest wait between attempts to deliver.
    pub backoff_limit: Duration,
    /// How old an undelivered entry may become before it is dropped. Whom to tell of it is kept for as long
    /// again.
    pub outbox_age: Duration,
    /// How often expired records are looked for.
    pub sweep: Duration,
}

impl Times {
    /// Returns the longest time that any timer waits.
    pub fn longest_wait(&self) -> Duration {
        HOUR.max(self.backoff_limit).max(self.sweep)
    }
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

/// How much may be asked for in a time. Appendix C of PROTOCOL.md has the reasons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Registrations begun per minute, by all users together: nothing else holds strangers back. The default
    /// is more than a large public homeserver sees, and what can wait to be finished stays below 100 MB.
    pub registrations_per_minute: u32,
    /// Tokens issued to one client per [`token_time_frame`](Self::token_time_frame).
    pub token_allowance: u64,
    /// The time frame that all token allowances count in.
    pub token_time_frame: Duration,
    /// Tokens issued, per time frame, to all clients of a registrable domain that was first seen today. For
    /// each day since then there are as many more.
    pub domain_first_day: u64,
    /// The most tokens per time frame that a domain's allowance grows to.
    pub domain_limit: u64,
    /// Tokens issued, per time frame, to all domains together that were first seen in the last seven days.
    pub new_domains: u64,
    /// Entries per second that one source homeserver may deliver, sustained. An entry with several recipients
    /// counts once for each: a message to the largest group is a second's worth.
    pub source_entries_per_second: u64,
    /// Entries that one source homeserver may deliver at once, counted likewise.
    pub source_burst: u64,
    /// How often per second, sustained, callers that are not authenticated yet can make this homeserver ask
    /// others that it knows nothing of. Each question costs a connection, and a row that lasts as long as
    /// what the other one publishes.
    pub first_contacts_per_second: u64,
    /// How often they can make it ask at once.
    pub first_contact_burst: u64,
    /// Deliveries to one client per minute. More become a gap marker.
    pub client_per_minute: u32,
    /// Deliveries to one membership (a client in a group) per minute. More become a gap marker.
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

/// How much is kept, and done in one step. Appendix C of PROTOCOL.md has the reasons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sizes {
    /// The most entries of a client's fan-out queue. Further deliveries become a gap marker.
    pub fan_out_queue: u64,
    /// The most entries of a client's direct queue. Further connection requests are refused.
    pub direct_queue: u64,
    /// The most entries that wait for one destination, in all streams together. Then the oldest are dropped.
    pub outbox_entries: u64,
    /// Streams to each destination: groups are spread over them. At least one.
    pub stream_shards: u8,
    /// The most entries of one frame.
    pub batch_entries: u64,
    /// The most recipients that the distributor serves in one commit.
    pub recipients_per_commit: usize,
    /// The smallest size, in bytes, that a section of a group's state is padded to. It hides how many members
    /// a small group has.
    pub section_padding: usize,
    /// The most expired records that one sweep drops.
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

/// A bug that the simulator can plant, to show that its oracles find it. Without the feature `plant` it has
/// no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plant {
    /// Frames are accepted whatever their signature.
    SkipSignature,
    /// Answers leave before their commit is durable.
    AckBeforeCommit,
    /// Frames are accepted whatever their destination.
    IgnoreDestination,
    /// Entries of a stream are accepted whatever their position.
    IgnorePosition,
    /// Spent tokens are accepted.
    ReuseNullifier,
    /// Unbound queue configurations authorise everything, for ever.
    UnboundForever,
    /// Queues go on as they are, though their owners have read what they do not have.
    KeepGeneration,
    /// Entries of queues all have the same nonce.
    FixedNonce,
    /// A group that a client was invited to is not pinned.
    ForgetPin,
    /// A log's timer ends with each commit of the distributor.
    EndTimer,
    /// A log's timer is not woken again while there is more to distribute.
    ForgetWake,
    /// A client is not told that its queue has grown.
    ForgetSignal,
    /// A package that is handed out stays.
    KeepPackage,
    /// Entries of a stream stay when the peer has accepted all of them.
    KeepAccepted,
    /// The answer to a message names the position before its own.
    EarlierPosition,
    /// The ratchets of queues are never rotated.
    NeverRotate,
    /// The seed of a stream's epoch stays as it was before it was sealed to the peer.
    KeepSeed,
    /// Of a stream from another homeserver, the first ratchet key that was kept stays.
    KeepChain,
    /// An epoch of a stream lasts until it is full.
    EndlessEpoch,
    /// Nothing says when the keys of a peer expire.
    ForgetExpiry,
    /// Tokens issued to a client are not counted.
    UncountedClient,
    /// Tokens issued to the clients of a domain are not counted.
    UncountedDomain,
    /// Tokens issued to new domains are not counted together.
    UncountedNewDomains,
    /// Requests that are ahead of the homeserver's clock are refused, however little they are.
    NoFuture,
    /// Queue configurations that are bound to one group authorise every group.
    IgnoreBinding,
    /// Requests are accepted whatever their signature.
    SkipAuthentication,
    /// A signature that was verified once is not verified again, whatever it is put on.
    TrustKnownSignatures,
    /// Requests are accepted whatever their time.
    IgnoreRequestTime,
    /// Frames are accepted whatever their time.
    IgnoreFrameTime,
    /// Answers are remembered by the id of the request alone.
    AnswersByRequestId,
    /// Tokens are accepted whatever their scope.
    IgnoreTokenScope,
    /// Tokens are accepted whoever has issued them.
    SkipTokenCheck,
    /// Everyone may read every direct queue.
    IgnoreQueueOwner,
    /// Clients may publish connection packages of others.
    IgnorePackageOwner,
    /// Key packages are handed out whatever the friendship token.
    IgnoreFriendshipToken,
    /// Groups are created whether or not their id is reserved.
    IgnoreReservation,
    /// Every member may add users.
    IgnoreRoles,
    /// Messages are accepted whatever their epoch.
    IgnoreEpoch,
    /// Messages are accepted whatever their group.
    IgnoreMessageGroup,
    /// Members may have their messages delivered to another homeserver than before.
    IgnoreConfigDomain,
    /// Everyone who has the key of a group may join it, or learn what a join takes.
    IgnoreAwaiting,
    /// Key packages are added whoever has signed the batch that covers them.
    SkipBatchSignature,
    /// What a homeserver gets of a message names the recipients at all others too.
    ExtraRecipients,
}
