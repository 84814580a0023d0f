//! What an operator decides, as a TOML file. Every setting has a default; none is secret.
//!
//! `phoenix config` prints [`DEFAULT_FILE`], which names and explains every one. Unknown names are refused, and so
//! are values that cannot work, before anything is started.

mod checks;
mod duration;
mod section;

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use phoenix_core::{
    config::{Config, Pattern, Plant, Policy, Rates, RegistrationPolicy, Rule, Sizes, Times},
    identifiers::Domain,
};
use serde::{Deserialize, Serialize};

use crate::{
    node::NodeLimits, peers::PeerLimits, server::ServerLimits, service::BodyLimits,
    store::embedded::EmbeddedSettings,
};

/// The settings file that says the defaults, with an explanation of each setting.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// Everything that an operator decides.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where clients and other homeservers connect.
    pub server: ServerSettings,
    /// What connections may cost.
    #[serde(with = "section")]
    pub connections: ServerLimits,
    /// What bodies of requests and answers may cost.
    #[serde(with = "section")]
    pub bodies: BodyLimits,
    /// What requests to other homeservers may cost.
    #[serde(with = "section")]
    pub outgoing: PeerLimits,
    /// How much is done at once.
    #[serde(with = "section")]
    pub work: NodeLimits,
    /// How much memory and how many threads the store takes.
    #[serde(with = "section")]
    pub store: EmbeddedSettings,
    /// Who may register.
    pub registration: RegistrationSettings,
    /// With whom to federate, and how others are reached.
    pub federation: FederationSettings,
    /// What is logged, and how.
    pub logs: LogSettings,
    /// The operator's own address.
    pub admin: AdminSettings,
    /// The protocol's times and windows.
    #[serde(with = "section")]
    pub times: Times,
    /// The protocol's tokens and rates.
    #[serde(with = "section")]
    pub rates: Rates,
    /// The protocol's queues, streams and groups.
    #[serde(with = "section")]
    pub sizes: Sizes,
    /// A bug to plant, in tests' builds.
    #[serde(skip)]
    pub plant: Option<Plant>,
}

/// Where clients and other homeservers connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// The address to listen on; see [`Settings::listen`] for the default.
    pub listen: Option<SocketAddr>,
    /// File with the certificate chain (PEM) for `as.`, `qs.` and `ds.` below the domain.
    pub certificate: Option<PathBuf>,
    /// File with the certificate's private key (PEM).
    pub key: Option<PathBuf>,
    /// Threads that serve sockets.
    pub network_threads: usize,
    /// Threads that run operations; 0 for as many as there are cores.
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
    /// Anybody or nobody.
    pub policy: RegistrationPolicy,
}

/// With whom to federate, and how others are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FederationSettings {
    /// Whether homeservers may be connected to at private, local and otherwise special addresses.
    pub private_addresses: bool,
    /// File with the certificates (PEM) of the authorities that are trusted, instead of the public ones.
    pub authorities: Option<PathBuf>,
    /// Who may ask and deliver here.
    pub inbound: FederationRule,
    /// Whom to ask and deliver to.
    pub outbound: FederationRule,
    /// Homeservers whose addresses are not looked up.
    pub peers: Vec<PeerSettings>,
}

/// The rule for one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FederationRule {
    /// Which list counts.
    pub policy: FederationPolicy,
    /// With [`FederationPolicy::Allowlist`]: only these.
    pub allow: Vec<Pattern>,
    /// With [`FederationPolicy::Open`]: not these.
    pub block: Vec<Pattern>,
}

/// Which homeservers are federated with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FederationPolicy {
    /// All but those blocked.
    #[default]
    Open,
    /// Only those allowed.
    Allowlist,
    /// None.
    Closed,
}

impl FederationRule {
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
    /// Its domain.
    pub domain: Domain,
    /// Where it listens.
    pub address: SocketAddr,
    /// File with the only certificates (PEM) that are accepted of it; without one, what authorities say counts.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// From which level on.
    pub level: LogLevel,
    /// Levels of single modules, `phoenix_hyper::node` for example.
    pub targets: BTreeMap<String, LogLevel>,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What an operator must act on.
    Error,
    /// What an operator should look at.
    Warn,
    /// Start, stop and settings.
    #[default]
    Info,
    /// Every request.
    Debug,
    /// Every timer and connection.
    Trace,
}

/// The operator's own address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Where metrics and health are served, in plain HTTP; nowhere without one.
    pub address: Option<SocketAddr>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings file {path} cannot be read: {error}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file is no TOML, has an unknown name, or a value of the wrong kind. Says where.
    #[error("{0}")]
    Invalid(#[from] toml::de::Error),
    /// A value cannot work.
    #[error("{name} = {value}: {reason}")]
    Refused {
        /// The setting, section first.
        name: String,
        /// Its value.
        value: String,
        /// Why it cannot work.
        reason: String,
    },
}

impl SettingsError {
    pub(crate) fn refused(name: &str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::Refused { name: name.to_owned(), value: value.to_string(), reason: reason.into() }
    }
}

impl Settings {
    /// Reads a settings file. Files that it names are found from the directory that it is in.
    ///
    /// # Errors
    /// [`SettingsError`], with what to change.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |error| SettingsError::Unreadable { path: path.to_owned(), error };
        let mut settings = Self::parse(&fs::read_to_string(path).map_err(unreadable)?)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for file in settings.files() {
            *file = directory.join(&*file);
        }
        Ok(settings)
    }

    /// Reads the text of a settings file.
    ///
    /// # Errors
    /// [`SettingsError`], with what to change.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = toml::from_str(text)?;
        checks::check(&settings)?;
        Ok(settings)
    }

    /// The address to listen on: as set, or for development on this machine only, or where others expect it.
    pub fn listen(&self, domain: &Domain) -> SocketAddr {
        self.server.listen.unwrap_or(if domain.is_localhost() {
            (Ipv4Addr::LOCALHOST, 8443).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 443).into()
        })
    }

    /// The core's share of the settings.
    pub fn core(&self, domain: Domain, node: [u8; 16]) -> Config {
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

    fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let peers = self.federation.peers.iter_mut().map(|peer| &mut peer.certificate);
        let own = [&mut self.server.certificate, &mut self.server.key, &mut self.federation.authorities];
        own.into_iter().chain(peers).flatten()
    }
}

#[cfg(test)]
mod tests;
