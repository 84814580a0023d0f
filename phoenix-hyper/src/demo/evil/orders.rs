//! What the dishonest homeserver is told, and what it answers.

use std::{net::SocketAddr, path::PathBuf};

use phoenix_core::identifiers::Domain;
use serde::{Deserialize, Serialize};

use crate::local::Place;

/// What the process reads from a file when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The real addresses of all homeservers, its own included.
    pub places: Vec<Place>,
    /// The domain of its own homeserver.
    pub home: Domain,
    /// The data directory of its own homeserver, with the keys.
    pub data: PathBuf,
    /// The reverse proxies to run.
    pub taps: Vec<Tap>,
}

/// A reverse proxy.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tap {
    /// The homeserver behind the proxy.
    pub domain: Domain,
    /// The address that the proxy listens on.
    pub address: SocketAddr,
    /// The data directory with the certificate and its private key: a proxy that ends TLS has both.
    pub data: PathBuf,
}

/// What the process is told to do. Users are named by their encoded ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Register a user at its own homeserver: mallory.
    Register,
    /// Wait until this user is a contact of mallory, and invite the user to a group.
    Invite(Vec<u8>),
    /// Deliver a frame to `victim` in the name of `source`.
    ForgeSource { source: Domain, victim: Domain },
    /// Deliver a frame of `source` to `victim` that was delivered before.
    Replay { source: Domain, victim: Domain },
    /// Deliver a frame of `source` to `victim` whose destination is another homeserver.
    Redirect { source: Domain, victim: Domain },
    /// Deliver to a client of `victim` with a queue configuration that was issued for another purpose.
    PresentConfiguration { victim: Domain },
    /// Spend a token at `victim` that was spent there before.
    SpendAgain { victim: Domain },
}

/// The result of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The proxies are listening.
    Ready,
    /// The encoded id of mallory.
    Registered(Vec<u8>),
    /// The order is carried out.
    Done,
    /// The victim's answer.
    Verdict(Verdict),
    /// The victim's answers at the first delivery and now.
    Replayed { before: Verdict, now: Verdict },
    /// The encoded id of the group that a configuration was presented for, and the victim's answer.
    Presented { group: Vec<u8>, verdict: Verdict },
    /// The order could not be carried out.
    Failed(String),
}

/// The answer of a victim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Refused, with code and reason.
    Refused { code: u16, reason: String },
    /// Accepted. For frames: the sequence number through which the stream is accepted.
    Accepted { through: Option<u64> },
}
