//! Which homeservers can be reached, how, and at what cost.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use phoenix_core::identifiers::Domain;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::tls::Roots;

/// Which homeservers can be reached, and how.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Homeservers whose names are not looked up.
    pub overrides: BTreeMap<Domain, Override>,
    /// Which certificates are trusted for all other homeservers.
    pub roots: Roots,
    /// Whether names may resolve to addresses that are not public. Keep this off where strangers can name
    /// homeservers and other services listen within the own network: they could make this homeserver send
    /// requests to those (server-side request forgery).
    pub private_addresses: bool,
    /// What requests may cost.
    pub limits: PeerLimits,
}

/// The address of a homeserver, in place of the one that name servers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The address where all its services listen. May be private.
    pub address: SocketAddr,
    /// Certificates that are trusted for this homeserver and no other: an authority's, or its own. If empty,
    /// [`Reach::roots`] apply.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What a request to another homeserver may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerLimits {
    /// Time to look up a name: the system's resolver asks a second server after five seconds.
    pub look_up: Duration,
    /// Time to connect: long enough for a packet to get lost twice.
    pub connect: Duration,
    /// Time for the TLS handshake: two round trips and some cryptography.
    pub handshake: Duration,
    /// Time for the whole request, from the look-up to the last byte of the answer: the peer may have to ask
    /// a third homeserver.
    pub request: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// Between keep-alive pings to a peer that owes an answer: a peer that lost power is silent.
    pub keep_alive: Duration,
    /// How long the answer to a keep-alive ping may take.
    pub keep_alive_timeout: Duration,
    /// Connections kept at once, and attempted at once. A further one replaces the least recently used.
    pub connections: usize,
    /// Bytes of answers under way at once, over all peers: what hostile peers can make this process hold.
    pub answer_bytes: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            look_up: Duration::from_secs(7),
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            request: Duration::from_secs(30),
            idle: Duration::from_secs(90),
            keep_alive: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            connections: 1024,
            answer_bytes: 256 << 20,
        }
    }
}
