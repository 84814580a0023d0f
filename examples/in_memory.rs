//! Two homeservers, a user of each, and a message from one to the other: no async, no network, no disk.
//!
//! Everything that an embedder of `phoenix-core` does is here: drive operations step by step over a store,
//! run timers. The clients forget everything at the end; `bot.rs` has one that does not. Run it with `cargo
//! run -p phoenix-examples --example in_memory`.
#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, error::Error, time::SystemTime};

use phoenix_core::{
    Config, Effect, Homeserver, Input, Random, ServiceKeys, Step, Timestamp,
    client::{Client, ClientConfig, Event, Output, StorageKey},
    error::PeerFailure,
    identifiers::Domain,
    operation::Timer,
    store::MemoryStore,
};

/// Drives homeservers and clients while the time stands still.
struct Driver {
    homeservers: BTreeMap<Domain, (Homeserver, MemoryStore)>,
    clients: [Client; 2],
    timers: Vec<(Domain, Timer, Timestamp)>,
    random: Random,
    now: Timestamp,
}

impl Driver {
    /// Drives one operation of one homeserver to its end.
    fn serve(&mut self, domain: &Domain, input: Input<'_>) -> Result<Vec<u8>, PeerFailure> {
        let (homeserver, _) = self.homeservers.get(domain).ok_or(PeerFailure::NoAnswer)?;
        let mut operation = homeserver.accept(input, self.now, self.random.array());
        loop {
            let step = operation.poll();
            let (_, store) = self.homeservers.get_mut(domain).ok_or(PeerFailure::NoAnswer)?;
            match step {
                Step::Read(reads) => operation.supply(store.read(&reads)),
                Step::Commit(commit) => operation.settle(store.apply(&commit)),
                Step::Ask(ask) => operation.answer(self.serve(&ask.domain, Input::Request(&ask.request))),
                Step::Done(outcome) => {
                    for effect in outcome.effects {
                        if let Effect::Wake { timer, due } = effect {
                            self.timers.push((domain.clone(), timer, due));
                        }
                    }
                    return outcome.reply.ok_or(PeerFailure::NoAnswer);
                }
            }
        }
    }

    /// Lets clients read their queues, serves their requests, and runs due timers, until no further event
    /// comes. Returns the events.
    fn run(&mut self) -> Result<Vec<Event>, Box<dyn Error>> {
        let mut events = Vec::new();
        loop {
            let told = events.len();
            for number in [0, 1] {
                if self.clients[number].qs_client().is_some() {
                    self.clients[number].read_queues();
                }
                while let Some(output) = self.clients[number].poll(self.now) {
                    match output {
                        Output::Request(exchange) => {
                            let answer = self.serve(&exchange.domain, Input::Request(&exchange.request));
                            self.clients[number].respond(exchange.id, answer, self.now);
                        }
                        Output::Save(save) => self.clients[number].saved(save.id, Ok(())),
                        Output::Event(id, event) => {
                            self.clients[number].confirm(id);
                            match event {
                                Event::Done { outcome, .. } => outcome?,
                                event => events.push(event),
                            }
                        }
                        Output::Stopped => return Err("a save has failed".into()),
                    }
                }
                while let Some(due) = self.timers.iter().position(|(_, _, due)| *due <= self.now) {
                    let (domain, timer, _) = self.timers.swap_remove(due);
                    // A timer has no answer.
                    let _ = self.serve(&domain, Input::Timer(&timer));
                }
            }
            if events.len() == told {
                return Ok(events);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut random, since) = (Random::from_seed([1; 32]), SystemTime::UNIX_EPOCH.elapsed()?);
    let now = Timestamp::from_milliseconds(u64::try_from(since.as_millis())?);
    let domains: [Domain; 2] = ["a.example".parse()?, "b.example".parse()?];
    let homeservers = domains.clone().map(|domain| {
        let keys = ServiceKeys::generate(&domain, &mut random, now);
        (domain.clone(), (Homeserver::new(Config::new(domain), keys), MemoryStore::default()))
    });
    let clients = domains.map(|domain| {
        let key = StorageKey::from_bytes(random.array());
        Client::new(ClientConfig::new(domain), key, random.array())
    });
    let mut driver = Driver { homeservers: homeservers.into(), clients, timers: Vec::new(), random, now };

    for client in &mut driver.clients {
        client.register(b"correct horse battery staple");
    }
    driver.run()?;

    // Alice, at a.example, asks Bob, at b.example, for a connection, which his client accepts.
    let bob = driver.clients[1].user_id();
    driver.clients[0].connect(bob.clone());
    driver.run()?;

    // A connection is a group of two, which carries messages at once.
    let connection = driver.clients[0].groups().remove(0).group_id;
    driver.clients[0].send(&connection, b"hello across homeservers");
    for event in driver.run()? {
        if let Event::Message { from, text, .. } = event {
            println!("{bob} reads {:?} from {from}", String::from_utf8_lossy(&text));
        }
    }
    Ok(())
}
