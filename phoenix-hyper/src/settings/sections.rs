//! The sections of the settings.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use phoenix_core::{
    config::{Config, Pattern, Plant, Policy, Rates, RegistrationPolicy, Rule, Sizes, Times},
    identifiers::{Domain, NodeId},
};
use serde::{Deserialize, Serialize};

use super::logs::LogSettings;
use crate::{
    node::NodeLimits, peers::PeerLimits, server::ServerLimits, service::BodyLimits,
    store::embedded::EmbeddedSettings,
};

/// All settings of a homeserver.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where clients and other homeservers connect.
    pub server: ServerSettings,
    /// What connections may cost.
    #[serde(with = "super::duration")]
    pub connections: ServerLimits,
    /// What the bodies of requests and answers may cost.
    #[serde(with = "super::duration")]
    pub bodies: BodyLimits,
    /// What requests to other homeservers may cost.
    #[serde(with = "super::duration")]
    pub outgoing: PeerLimits,
    /// How much a node does at once.
    #[serde(with = "super::duration")]
    pub work: NodeLimits,
    /// How much memory and how many threads the store takes.
    #[serde(with = "super::duration")]
    pub store: EmbeddedSettings,
    /// Who may register.
    pub registration: RegistrationSettings,
    /// Which homeservers to federate with, and how they are reached.
    pub federation: FederationSettings,
    /// What is logged, and in which form.
    pub logs: LogSettings,
    /// The address for the operator.
    pub admin: AdminSettings,
    /// The times and windows of the protocol.
    #[serde(with = "super::duration")]
    pub times: Times,
    /// The tokens and rates of the protocol.
    #[serde(with = "super::duration")]
    pub rates: Rates,
    /// The sizes of queues, streams and groups.
    #[serde(with = "super::duration")]
    pub sizes: Sizes,
    /// A bug to plant, in builds for tests.
    #[serde(skip)]
    pub plant: Option<Plant>,
}

/// Where clients and other homeservers connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// The address to listen on; [`Settings::listen`] has the default.
    pub listen: Option<SocketAddr>,
    /// File with the certificate chain (PEM) for `as.`, `qs.` and `ds.` below the domain.
    pub certificate: Option<PathBuf>,
    /// File with the certificate's private key (PEM).
    pub key: Option<PathBuf>,
    /// Threads that serve sockets.
    pub network_threads: usize,
    /// Threads that run operations; 0 means one for each core.
    pub operation_threads: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { listen: None, certificate: None, key: None, network_threads: 1, operation_threads: 0 }
    }
}

/// Who may register.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrationSettings {
    /// Whether registration is open.
    pub policy: RegistrationPolicy,
}

/// Which homeservers to federate with, and how they are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FederationSettings {
    /// Whether homeservers may be reached at private, local and other special addresses.
    pub private_addresses: bool,
    /// File with the certificates (PEM) of the authorities to trust instead of the public ones.
    pub authorities: Option<PathBuf>,
    /// Which homeservers may send requests and deliver here.
    pub inbound: FederationRule,
    /// Which homeservers to send requests and deliver to.
    pub outbound: FederationRule,
    /// Homeservers whose addresses are not looked up.
    pub peers: Vec<PeerSettings>,
}

/// The rule for one direction of federation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FederationRule {
    /// Which list applies.
    pub policy: FederationPolicy,
    /// The homeservers allowed by [`FederationPolicy::Allowlist`].
    pub allow: Vec<Pattern>,
    /// The homeservers excluded from [`FederationPolicy::Open`].
    pub block: Vec<Pattern>,
}

/// Which list of a [`FederationRule`] applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FederationPolicy {
    /// All homeservers but the blocked ones.
    #[default]
    Open,
    /// Only the allowed homeservers.
    Allowlist,
    /// No homeserver.
    Closed,
}

impl FederationRule {
    /// The rule in the core's terms.
    fn rule(&self) -> Rule {
        match self.policy {
            FederationPolicy::Open => Rule::Open { blocklist: self.block.clone() },
            FederationPolicy::Allowlist => Rule::Allowlist(self.allow.clone()),
            FederationPolicy::Closed => Rule::Closed,
        }
    }
}

/// A homeserver whose address is not looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    /// The homeserver's domain.
    pub domain: Domain,
    /// The address that all its services listen on.
    pub address: SocketAddr,
    /// File with the only certificates (PEM) accepted of it; without one, authorities decide.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
}

/// The address for the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// The address that serves metrics and health in plain HTTP; without one, they are not served.
    pub address: Option<SocketAddr>,
}

impl Settings {
    /// Returns the address to listen on. The default is `127.0.0.1:8443` for a domain under localhost, and
    /// `[::]:443`, where other homeservers look, for any other.
    pub fn listen(&self, domain: &Domain) -> SocketAddr {
        self.server.listen.unwrap_or(if domain.is_localhost() {
            (Ipv4Addr::LOCALHOST, 8443).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 443).into()
        })
    }

    /// Returns the configuration of the protocol core.
    pub fn core(&self, domain: Domain, node: NodeId) -> Config {
        Config {
            node,
            registration: self.registration.policy.clone(),
            federation: Policy {
                inbound: self.federation.inbound.rule(),
                outbound: self.federation.outbound.rule(),
            },
            times: self.times.clone(),
            rates: self.rates.clone(),
            sizes: self.sizes.clone(),
            plant: self.plant,
            ..Config::new(domain)
        }
    }

    /// The files that the settings name.
    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let peers = self.federation.peers.iter_mut().map(|peer| &mut peer.certificate);
        let own = [&mut self.server.certificate, &mut self.server.key, &mut self.federation.authorities];
        own.into_iter().chain(peers).flatten()
    }
}
