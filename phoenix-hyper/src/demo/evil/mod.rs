//! A dishonest homeserver: an ordinary one, with an ordinary user, whose operator does more with its keys than the
//! protocol says; and who runs the reverse proxy that another homeserver's operator has rented.
//!
//! It is a process of its own that is told on its standard input what to do, one order a line, and says on its
//! standard output what came of it.

mod attacks;
mod frames;
mod handle;
mod tap;

use std::{
    fs, io,
    io::{BufRead, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use phoenix_core::{
    client::ClientConfig,
    error::Refusal,
    identifiers::{Domain, GroupId, UserId},
    rng::Random,
    wire::codec::{DecodeError, decode, encode},
};
use serde::{Deserialize, Serialize};

pub use self::handle::{Evil, unexpected};
use self::{attacks::Attacker, tap::Record};
use crate::{
    client::{Client, ClientError, Event, Events},
    data_directory::{DataDirectory, DataError},
    environment, key_file,
    local::{Place, reach},
    peers::{Peers, SendError},
    tls::TlsError,
};

/// What the process is told at its start, in a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The own homeserver, and those of others: where each really is.
    pub places: Vec<Place>,
    /// The own homeserver.
    pub home: Domain,
    /// Its data directory, with the keys.
    pub data: PathBuf,
    /// The proxies to run.
    pub taps: Vec<Tap>,
}

/// A proxy.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tap {
    /// Before which homeserver.
    pub domain: Domain,
    /// Where.
    pub address: SocketAddr,
    /// Where the certificate's private key is, which whoever ends TLS has.
    pub data: PathBuf,
}

/// What it is told to do. Whoever is named is named by the encoding of the name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Have a user of the own homeserver, mallory.
    Register,
    /// Wait for this user to be a contact of mallory's, and invite it to a group.
    Invite(Vec<u8>),
    /// Deliver to `victim` in the name of `source`.
    ForgeSource { source: Domain, victim: Domain },
    /// Deliver to `victim` a frame of `source` that was delivered before.
    Replay { source: Domain, victim: Domain },
    /// Deliver to `victim` a frame of `source` that was meant for us.
    Redirect { source: Domain, victim: Domain },
    /// Deliver to a client of `victim` with a configuration that was made for others.
    PresentConfiguration { victim: Domain },
    /// Spend at `victim` a token that was spent there.
    SpendAgain { victim: Domain },
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The proxies are there.
    Ready,
    /// Mallory's name.
    Registered(Vec<u8>),
    /// It is done.
    Done,
    /// What the victim answered.
    Verdict(Verdict),
    /// What the victim answered at the time, and what now.
    Replayed { before: Verdict, now: Verdict },
    /// In the name of which group a configuration was presented, and what the victim answered.
    Presented { group: Vec<u8>, verdict: Verdict },
    /// It could not even be tried.
    Failed(String),
}

/// What a victim answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No, and why.
    Refused { code: u16, reason: String },
    /// Yes; for frames, how far the stream is accepted.
    Accepted { through: Option<u64> },
}

/// Why something could not even be tried.
#[derive(Debug, thiserror::Error)]
pub enum EvilError {
    /// Something that it takes has not passed by.
    #[error("missing: {0}")]
    NothingHeard(&'static str),
    /// A homeserver gave no answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// An honest request was refused.
    #[error("an honest request was refused: {0}")]
    Refused(#[from] Refusal),
    /// Something is not validly encoded.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Mallory got no further.
    #[error("mallory: {0}")]
    Client(#[from] ClientError),
    /// The own proxies cannot run.
    #[error(transparent)]
    Tap(#[from] tap::TapError),
    /// Certificates are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The own files cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The own keys cannot be read.
    #[error(transparent)]
    Keys(#[from] key_file::KeyFileError),
    /// Files or pipes.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An order makes no sense.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

struct Process {
    attacker: Attacker,
    /// By way of the proxies, so that what she does is written down.
    through_taps: Peers,
    mallory: Option<(Client, Events)>,
}

/// Runs the process: until its standard input ends.
///
/// # Errors
/// [`EvilError`]: it cannot start, or its pipes are broken.
pub fn run(setup: &Path) -> Result<(), EvilError> {
    let setup: Setup = serde_json::from_slice(&fs::read(setup)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut process = runtime.block_on(Process::start(setup))?;
    say(&Answer::Ready)?;
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let answer = runtime.block_on(process.obey(order));
        say(&answer.unwrap_or_else(|error| Answer::Failed(error.to_string())))?;
    }
    Ok(())
}

fn say(answer: &Answer) -> Result<(), EvilError> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(answer)?)?;
    Ok(output.flush()?)
}

impl Process {
    async fn start(setup: Setup) -> Result<Self, EvilError> {
        let Setup { places, home, data, taps } = setup;
        let direct = Peers::new(reach(&places)?)?;
        let record = Record::default();
        let mut through = places.clone();
        for Tap { domain, address, data } in taps {
            let Some(place) = through.iter_mut().find(|place| place.domain == domain) else { continue };
            let (identity, _) = DataDirectory::open(&data)?.self_signed(&domain)?;
            tap::open(address, (domain.clone(), &identity), direct.clone(), record.clone()).await?;
            if domain != home {
                place.address = address;
            }
        }
        let keys = key_file::read_for(&DataDirectory::open(&data)?.keys(), &home)?;
        let attacker = Attacker { domain: home, keys, peers: direct, record, random: random() };
        Ok(Self { attacker, through_taps: Peers::new(reach(&through)?)?, mallory: None })
    }

    async fn obey(&mut self, order: Order) -> Result<Answer, EvilError> {
        let attacker = &mut self.attacker;
        Ok(match order {
            Order::Register => {
                let config = ClientConfig::new(attacker.domain.clone());
                let (client, events) =
                    Client::start(config, self.through_taps.clone(), attacker.random.array());
                client.register(b"a password like any other").await?;
                let user = encode(client.user_id());
                self.mallory = Some((client, events));
                Answer::Registered(user)
            }
            Order::Invite(user) => {
                self.invite(decode(&user)?).await?;
                Answer::Done
            }
            Order::ForgeSource { source, victim } => {
                Answer::Verdict(attacker.forge_source(&source, &victim).await?)
            }
            Order::Replay { source, victim } => {
                let (before, now) = attacker.replay(&source, &victim).await?;
                Answer::Replayed { before, now }
            }
            Order::Redirect { source, victim } => Answer::Verdict(attacker.redirect(&source, &victim).await?),
            Order::PresentConfiguration { victim } => {
                let (group, verdict) = attacker.present_configuration(&victim).await?;
                Answer::Presented { group: encode(&group), verdict }
            }
            Order::SpendAgain { victim } => Answer::Verdict(attacker.spend_again(&victim).await?),
        })
    }

    async fn invite(&mut self, user: UserId) -> Result<(), EvilError> {
        let Some((mallory, events)) = &mut self.mallory else {
            return Err(EvilError::NothingHeard("mallory"));
        };
        // The connection request lies in her direct queue.
        mallory.read().await?;
        while !mallory.contacts().await?.contains(&user) {
            match events.next().await {
                Some(Event::BackgroundFailure(error)) => return Err(ClientError::from(error).into()),
                Some(_) => {}
                None => return Err(ClientError::Stopped.into()),
            }
        }
        let group: GroupId = mallory.create_group().await?;
        Ok(mallory.invite(&group, &[user]).await?)
    }
}

fn random() -> Random {
    Random::from_seed(environment::seed())
}
