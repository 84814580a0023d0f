//! PROTOCOL.md §11 — the settings of a client.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::opaque::PasswordHashing,
    identifiers::Domain,
    time::{DAY, HOUR},
};

/// The settings of a client. [`ClientConfig::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The homeserver that the client registers with.
    pub domain: Domain,
    /// The cost of hashing the password.
    pub password_hashing: PasswordHashing,
    /// How long to wait for an answer before the same bytes are sent again.
    pub request_timeout: Duration,
    /// For how long the same bytes are sent again, at most: the homeservers' authentication window.
    pub request_window: Duration,
    /// The first wait after a failure; it doubles with each further one.
    pub backoff_first: Duration,
    /// The longest wait after a failure.
    pub backoff_limit: Duration,
    /// How many tokens are fetched in a batch, at most [`crate::crypto::tokens::MAX_BATCH`].
    pub tokens_per_batch: usize,
    /// How many key packages are published besides the last resort.
    pub key_packages: usize,
    /// How many connection packages are published.
    pub connection_packages: usize,
    /// How long to wait between two readings of the queue while a procedure waits for something in it.
    pub poll_interval: Duration,
    /// Whether connection requests are accepted without asking. If not, each is an
    /// [`Event::ConnectionRequested`](crate::client::Event::ConnectionRequested).
    pub auto_accept: bool,
    /// How old cached keys of a homeserver may be before they are fetched again.
    pub key_refresh: Duration,
    /// How long a key package is valid, at most 83 days.
    pub key_package_lifetime: Duration,
    /// For how long a queue configuration authorises deliveries.
    pub queue_config_lifetime: Duration,
    /// A bug to plant. It has an effect in builds with the feature `plant` only, which are the simulator's.
    #[doc(hidden)]
    pub plant: Option<ClientPlant>,
}

/// A bug that the simulator can plant in clients, to show that its oracles find it. Without the feature `plant`
/// it has no effect.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientPlant {
    /// Requests leave before what they depend on is saved.
    SaveAfterRequest,
    /// A restored client goes on with the generator that the saved one had.
    SavedGenerator,
    /// An event is forgotten with the save before it is shown.
    ConfirmBeforeShown,
    /// A message is shown by the process that received it, or never.
    ForgetMessage,
    /// A restored client shows events that were not confirmed as new ones.
    ShowAnew,
    /// Joiners whom others add are not taken in.
    ForgetJoiners,
    /// The end of an intent is told by the process in which it ended, or never.
    ForgetEnd,
    /// Connection requests are sent to the client's own homeserver instead of the recipient's.
    AskAtHome,
    /// Messages that cannot be read are passed over in silence.
    HideUnreadable,
}

impl ClientConfig {
    /// Returns the default settings for a client of `domain`.
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            password_hashing: PasswordHashing::default(),
            request_timeout: Duration::from_secs(10),
            request_window: HOUR,
            backoff_first: Duration::from_millis(500),
            backoff_limit: Duration::from_secs(30),
            tokens_per_batch: 20,
            key_packages: 10,
            connection_packages: 5,
            poll_interval: Duration::from_secs(2),
            auto_accept: true,
            key_refresh: HOUR,
            key_package_lifetime: 60 * DAY,
            queue_config_lifetime: 90 * DAY,
            plant: None,
        }
    }

    /// Whether a planted bug is active: never, outside the simulator's builds.
    pub(super) fn planted(&self, plant: ClientPlant) -> bool {
        cfg!(feature = "plant") && self.plant == Some(plant)
    }
}
