//! Two homeservers and three users in one process: no async, no network, no disk.
//!
//! What a driver of `phoenix-core` has to do is all here: keep rows, run operations step by step, fire timers.
//! Run it with `cargo run -p phoenix-examples --example in_memory`.
#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, error::Error};

use phoenix_core::{
    client::{Client, ClientConfig, Event, Output},
    config::Config,
    homeserver::{Homeserver, Input},
    identifiers::Domain,
    keys::ServiceKeys,
    operation::{Ask, Effect, Outcome, Step, Timer},
    rng::Random,
    store::{Commit, Key, Reads, Row, Settlement, commit::Rows},
    time::Timestamp,
};

/// A store: what a database must be able to do for a homeserver.
#[derive(Default)]
struct Store(BTreeMap<Key, Row>);

impl Store {
    fn read(&self, reads: Reads) -> Rows {
        let rows = reads.keys.into_iter().map(|key| (key.clone(), self.0.get(&key).cloned())).collect();
        let scans = reads.scans.into_iter().map(|scan| {
            let within = |key: &&Key| (&scan.first..&scan.end).contains(&&key.to_bytes());
            let keys = self.0.keys().filter(within).take(scan.limit).cloned().collect();
            (scan, keys)
        });
        Rows { rows, scans: scans.collect() }
    }

    /// All of it if every row still has the version that was read, else nothing.
    fn commit(&mut self, commit: Commit) -> Settlement {
        let version = |key: &Key| self.0.get(key).map(|row| row.version);
        if commit.expect.iter().any(|expectation| version(&expectation.key) != expectation.version) {
            return Settlement::Conflict;
        }
        for write in commit.writes {
            match write.bytes {
                Some(bytes) => self.0.insert(write.key, Row { version: commit.version, bytes }),
                None => self.0.remove(&write.key),
            };
        }
        Settlement::Committed
    }
}

/// Everything there is: the homeservers with their stores, the timers that are due, the time.
struct World {
    homeservers: BTreeMap<Domain, (Homeserver, Store)>,
    timers: Vec<(Domain, Timer, Timestamp)>,
    random: Random,
    now: Timestamp,
}

impl World {
    /// Serves one input of one homeserver to its end.
    fn serve(&mut self, domain: &Domain, input: Input<'_>) -> Option<Vec<u8>> {
        let mut operation = self.homeservers.get(domain)?.0.accept(input, self.now, self.random.array());
        loop {
            let step = operation.poll();
            let store = &mut self.homeservers.get_mut(domain)?.1;
            match step {
                Step::Read(reads) => operation.supply(store.read(reads)),
                Step::Commit(commit) => operation.settle(store.commit(commit)),
                Step::Ask(Ask { domain: peer, request, .. }) => {
                    let answer = self.serve(&peer, Input::Request(&request));
                    operation.answer(answer.ok_or(phoenix_core::error::PeerFailure));
                }
                Step::Done(Outcome { reply, effects }) => {
                    for effect in effects {
                        if let Effect::Wake { timer, due } = effect {
                            self.timers.push((domain.clone(), timer, due));
                        }
                    }
                    return reply;
                }
            }
        }
    }

    /// Runs the timers that are due, and those that they make due.
    fn run_timers(&mut self) {
        while let Some(index) = self.timers.iter().position(|(_, _, due)| *due <= self.now) {
            let (domain, timer, _) = self.timers.swap_remove(index);
            self.serve(&domain, Input::Timer(&timer));
        }
    }

    /// Lets clients and homeservers talk until nobody has anything more to say.
    fn run(&mut self, clients: &mut [Client]) -> Result<Vec<(usize, Event)>, Box<dyn Error>> {
        let mut events = Vec::new();
        loop {
            let mut quiet = true;
            for (index, client) in clients.iter_mut().enumerate() {
                while let Some(output) = client.poll(self.now) {
                    quiet = false;
                    match output {
                        Output::Request(exchange) => {
                            let answer = self.serve(&exchange.domain, Input::Request(&exchange.request));
                            client.respond(
                                exchange.id,
                                answer.ok_or(phoenix_core::error::PeerFailure),
                                self.now,
                            );
                        }
                        Output::Event(event) => events.push((index, event)),
                        Output::TaskDone(_, result) => result?,
                    }
                }
            }
            self.run_timers();
            if quiet {
                return Ok(events);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut random = Random::from_seed([1; 32]);
    let now = Timestamp::from_milliseconds(u64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis(),
    )?);
    let domains: [Domain; 2] = ["a.example".parse()?, "b.example".parse()?];
    let homeservers = domains.clone().map(|domain| {
        let keys = ServiceKeys::generate(&domain, &mut random, now);
        (domain.clone(), (Homeserver::new(Config::new(domain), keys), Store::default()))
    });
    let mut world = World { homeservers: homeservers.into(), timers: Vec::new(), random, now };

    // alice at a.example; bob and carol at b.example.
    let mut clients: Vec<Client> = [(0, 10), (1, 11), (1, 12)]
        .map(|(domain, seed): (usize, u8)| {
            Client::new(ClientConfig::new(domains[domain].clone()), [seed; 32])
        })
        .into();
    for client in &mut clients {
        client.register(b"correct horse battery staple");
    }
    world.run(&mut clients)?;
    println!("three users are registered");

    // alice asks bob and carol for a connection; they find it in their direct queues and accept.
    let users: Vec<_> = clients.iter().map(Client::user_id).collect();
    clients[0].connect(users[1].clone());
    clients[0].connect(users[2].clone());
    for _ in 0..3 {
        world.run(&mut clients)?;
        clients.iter_mut().for_each(|client| _ = client.read_queues());
    }
    world.run(&mut clients)?;
    println!("alice has {} contacts", clients[0].contacts().len());

    clients[0].create_group();
    let events = world.run(&mut clients)?;
    let group = events.into_iter().find_map(|(_, event)| match event {
        Event::GroupCreated(group) => Some(group),
        _ => None,
    });
    let group = group.ok_or("no group")?;
    clients[0].invite(&group, &users[1..]);
    world.run(&mut clients)?;
    clients.iter_mut().for_each(|client| _ = client.read_queues());
    world.run(&mut clients)?;

    clients[0].send(&group, b"hello across homeservers");
    world.run(&mut clients)?;
    clients.iter_mut().for_each(|client| _ = client.read_queues());
    for (reader, event) in world.run(&mut clients)? {
        if let Event::Message { from, text, .. } = event {
            println!("{} reads {:?} from {from}", users[reader], String::from_utf8_lossy(&text));
        }
    }
    Ok(())
}
