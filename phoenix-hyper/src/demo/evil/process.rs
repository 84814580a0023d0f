//! The process: orders in, answers out.

use std::{
    fs,
    io::{self, BufRead, Write},
    path::Path,
};

use phoenix_core::{
    client::{ClientConfig, StorageKey},
    codec::{decode, encode},
    identifiers::{GroupId, UserId},
    rng::Random,
};

use super::{
    attacks::{Attacker, Presentation, Replay},
    error::EvilError,
    orders::{Answer, Order, Setup, Tap},
    tap::{self, Record},
};
use crate::{
    client::{Client, ClientError, Event, Events, store::MemoryClientStore},
    data_directory::DataDirectory,
    environment, key_file,
    local::reach,
    peers::Peers,
};

/// The dishonest homeserver, with its user.
struct Process {
    attacker: Attacker,
    /// Reaches homeservers through the proxies, so that mallory's requests are recorded.
    through_taps: Peers,
    mallory: Option<(Client, Events)>,
}

/// Runs the process until its standard input ends.
///
/// # Errors
/// [`EvilError`] if it cannot start or its pipes break.
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

/// Prints an answer on a line of its own.
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
            tap::open(address, &identity, domain.clone(), direct.clone(), record.clone()).await?;
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
                let key = StorageKey::from_bytes(attacker.random.array());
                let store = MemoryClientStore::default();
                let (client, events) = Client::start(config, self.through_taps.clone(), key, store)?;
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
                let Replay { before, now } = attacker.replay(&source, &victim).await?;
                Answer::Replayed { before, now }
            }
            Order::Redirect { source, victim } => Answer::Verdict(attacker.redirect(&source, &victim).await?),
            Order::PresentConfiguration { victim } => {
                let Presentation { group, verdict } = attacker.present_configuration(&victim).await?;
                Answer::Presented { group: encode(&group), verdict }
            }
            Order::SpendAgain { victim } => Answer::Verdict(attacker.spend_again(&victim).await?),
        })
    }

    async fn invite(&mut self, user: UserId) -> Result<(), EvilError> {
        let Some((mallory, events)) = &mut self.mallory else {
            return Err(EvilError::Missing("mallory"));
        };
        // The connection request is in mallory's direct queue.
        mallory.read().await?;
        while !mallory.contacts().await?.contains(&user) {
            let received = events.next().await?;
            mallory.confirm(received.id).await?;
            if let Event::BackgroundFailure(error) = received.event {
                return Err(ClientError::from(error).into());
            }
        }
        let group: GroupId = mallory.create_group().await?;
        Ok(mallory.invite(&group, &[user]).await?)
    }
}

fn random() -> Random {
    Random::from_seed(environment::seed())
}
