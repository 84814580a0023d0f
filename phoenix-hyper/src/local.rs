//! Homeservers as processes on this machine, each with keys, a self-signed certificate, settings and a store
//! in a folder of its own. The demonstration, the bench and tests run on these.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use phoenix_core::{
    codec::encode,
    identifiers::{Domain, RequestId},
    wire::{envelope::RequestEnvelope, operations::Service, queuing_service::GetQsKeys},
};
use serde::{Deserialize, Serialize};
use tokio::{
    process::{Child, Command},
    time,
};

use crate::{
    client::{ClientError, StartError},
    data_directory::DataDirectory,
    environment,
    peers::{Override, Peers, Reach},
    tls::{Roots, TlsError, certificates_from_pem},
};

/// A failed expectation, with what was observed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// Turns an error into a failure of `what`.
    pub fn of(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self(error.to_string())
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self(error.to_string())
    }
}

/// How long to wait for something that should happen soon. Only a failure waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The address and certificate of a homeserver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The homeserver's domain.
    pub domain: Domain,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The file with its certificate (PEM).
    pub certificate: PathBuf,
}

/// Returns the reach of a peer or client that knows these homeservers and no other.
///
/// # Errors
/// [`TlsError`] if a certificate cannot be read.
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

/// A homeserver as a process.
pub struct Homeserver {
    /// Its address and certificate.
    pub place: Place,
    folder: PathBuf,
    program: Program,
    process: Option<Child>,
}

/// The binary of homeservers, with what to pass to it.
#[derive(Debug, Clone)]
pub struct Program {
    /// The path of the binary.
    pub path: PathBuf,
    /// A bug to plant, by name, in builds for tests.
    pub plant: Option<String>,
    /// The lowest level that homeservers log.
    pub log_level: &'static str,
}

/// Names in a homeserver's folder.
const SETTINGS: &str = "settings.toml";
const LOG: &str = "log";
const DATA: &str = "data";

/// How often a starting homeserver is asked whether it answers.
const PROBE: Duration = Duration::from_millis(10);

impl Homeserver {
    /// Prepares a homeserver in a folder of its own below `folder`, with a certificate and without settings.
    ///
    /// # Errors
    /// [`Failure`] if files cannot be written or no port is free.
    pub fn create(folder: &Path, domain: Domain, program: &Program) -> Result<Self, Failure> {
        let failed = Failure::of("preparing a homeserver");
        let folder = folder.join(domain.as_str());
        let data = DataDirectory::open(&folder.join(DATA)).map_err(|error| failed(&error))?;
        data.self_signed(&domain).map_err(|error| failed(&error))?;
        let address = free_address().map_err(|error| failed(&error))?;
        let place = Place { domain, address, certificate: data.certificate() };
        Ok(Self { place, folder, program: program.clone(), process: None })
    }

    /// The number of its process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// The path of its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// The path of its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Writes its settings: the homeservers that it knows, and `more` sections of the settings file.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be written.
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

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// [`Failure`], with the end of its log, if it does not answer.
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
                time::sleep(PROBE).await;
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
        let Ok(request) =
            RequestEnvelope::to(domain.clone(), environment::now(), RequestId([0; 16]), &GetQsKeys {})
                .unsigned()
        else {
            return false;
        };
        peers.send(domain, Service::Queuing, encode(&request)).await.is_ok()
    }

    /// Kills it at once (SIGKILL) and returns when the process is gone.
    ///
    /// # Errors
    /// [`Failure`] if the system refuses.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.kill().await.map_err(|error| Failure::of("killing a homeserver")(&error))
    }

    /// Returns the last lines of its log.
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// Returns a free address of this machine. Its port is below those that systems use for outgoing connections,
/// so that it stays free while a homeserver is down.
///
/// # Errors
/// The system's error if no port is free.
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
