//! Homeservers as processes of their own, on this machine: each with keys, a certificate made on the spot, settings
//! and a store in a folder.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use phoenix_core::{
    identifiers::{Domain, RequestId},
    operation::Service,
    wire::{codec::encode, envelope::RequestEnvelope, queuing_service::GetQsKeys},
};
use serde::{Deserialize, Serialize};
use tokio::{
    process::{Child, Command},
    time,
};

use crate::{
    client::ClientError,
    data_directory::DataDirectory,
    environment,
    peers::{Override, Peers, Reach},
    tls::{Roots, TlsError, certificates_from_pem},
};

/// Something was not as it should be: what was seen.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// Whatever went wrong, while trying `what`.
    pub fn of(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self(error.to_string())
    }
}

/// How long something may take that should happen at once: bounds failure only.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where a homeserver is, and how one knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its domain.
    pub domain: Domain,
    /// Where it listens.
    pub address: SocketAddr,
    /// The file with its certificate.
    pub certificate: PathBuf,
}

/// The reach of whoever knows these homeservers, and no other.
///
/// # Errors
/// [`TlsError`]: a certificate cannot be read.
pub fn reach(places: &[Place]) -> Result<Reach, TlsError> {
    let mut overrides = BTreeMap::new();
    for Place { domain, address, certificate } in places {
        let certificate = fs::read(certificate)
            .map_err(|error| TlsError::Pem { what: "certificate", reason: error.to_string() })?;
        let certificates = certificates_from_pem(&certificate)?;
        overrides.insert(domain.clone(), Override { address: *address, certificates });
    }
    Ok(Reach { overrides, roots: Roots::Only(Vec::new()), ..Reach::default() })
}

/// A homeserver that is a process of its own.
pub struct Homeserver {
    /// Where it is.
    pub place: Place,
    folder: PathBuf,
    program: Program,
    process: Option<Child>,
}

/// The binary, and what else to tell it.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// A bug to plant, by name.
    pub plant: Option<String>,
    /// From which level on homeservers log.
    pub log_level: &'static str,
}

/// Files in a homeserver's folder, beside its data.
const SETTINGS: &str = "settings.toml";
const LOG: &str = "log";
const DATA: &str = "data";

/// How often a homeserver that was started is asked whether it is there.
const ASK: Duration = Duration::from_millis(10);

impl Homeserver {
    /// Makes a homeserver in a folder of its own below `folder`: with a certificate, and no settings yet.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn create(folder: &Path, domain: Domain, program: &Program) -> Result<Self, Failure> {
        let failed = Failure::of("making a homeserver");
        let folder = folder.join(domain.as_str());
        let data = DataDirectory::open(&folder.join(DATA)).map_err(|error| failed(&error))?;
        data.self_signed(&domain).map_err(|error| failed(&error))?;
        let address = free_address().map_err(|error| failed(&error))?;
        let place = Place { domain, address, certificate: data.certificate() };
        Ok(Self { place, folder, program: program.clone(), process: None })
    }

    /// The number of its process, while it has one.
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// The file that it logs to.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Writes its settings: it knows these homeservers and no others; `more` are sections of the settings file.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn configure(&self, peers: &[Place], more: &str) -> Result<(), Failure> {
        let mut settings = format!(
            "[server]\nlisten = \"{}\"\n\n[logs]\nlevel = \"{}\"\n\n{more}",
            self.place.address, self.program.log_level
        );
        for Place { domain, address, certificate } in peers {
            settings += &format!(
                "\n[[federation.peers]]\ndomain = \"{domain}\"\naddress = \"{address}\"\ncertificate = {:?}\n",
                certificate.display().to_string()
            );
        }
        let path = self.folder.join(SETTINGS);
        fs::write(path, settings).map_err(|error| Failure::of("writing settings")(&error))
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// [`Failure`], with the end of its log, if it does not.
    pub async fn start(&mut self, peers: &Peers) -> Result<(), Failure> {
        let failed = Failure::of("starting a homeserver");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log());
        let log = log.map_err(|error| failed(&error))?;
        let mut command = Command::new(&self.program.path);
        command.arg("serve").arg("--domain").arg(self.place.domain.as_str());
        command.arg("--data").arg(self.data());
        command.arg("--config").arg(self.folder.join(SETTINGS));
        if let Some(plant) = &self.program.plant {
            command.arg("--plant").arg(plant);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.process = Some(command.spawn().map_err(|error| failed(&error))?);
        let answers = async {
            while !self.answers(peers).await {
                if let Some(status) = self.process.as_mut().and_then(|child| child.try_wait().ok()?) {
                    return Err(Failure(format!(
                        "{} ended: {status}\n{}",
                        self.place.domain,
                        self.log_end()
                    )));
                }
                time::sleep(ASK).await;
            }
            Ok(())
        };
        match time::timeout(PATIENCE, answers).await {
            Ok(result) => result,
            Err(_) => Err(Failure(format!("{} does not answer\n{}", self.place.domain, self.log_end()))),
        }
    }

    async fn answers(&self, peers: &Peers) -> bool {
        let Place { domain, .. } = &self.place;
        let about = (domain.clone(), environment::now(), RequestId([0; 16]));
        let Ok(request) = RequestEnvelope::new(about, &GetQsKeys {}, None, None) else { return false };
        peers.send(domain, Service::Queuing, encode(&request)).await.is_ok()
    }

    /// Ends it at once, as a power cut would: SIGKILL. Returns when it is gone.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn kill(&mut self) -> Result<(), Failure> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.kill().await.map_err(|error| Failure::of("killing a homeserver")(&error))
    }

    /// The last lines of its log.
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// An address of this machine where nobody listens. Below the ports that systems take for outgoing connections, so
/// that it stays free while a homeserver is away.
///
/// # Errors
/// The system's.
pub fn free_address() -> io::Result<SocketAddr> {
    let mut tries = 0;
    loop {
        let [high, low, ..] = environment::seed();
        let port = 10_000 + u16::from_be_bytes([high, low]) % 20_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) if tries == 100 => return Err(error),
            Err(_) => tries += 1,
        }
    }
}
