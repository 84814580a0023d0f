//! Homeservers over rows in memory, clients, and time that passes when nothing else happens.

use std::collections::BTreeMap;

use super::super::{Client, ClientConfig, ClientError, Event, Output, TaskId};
use crate::{
    config::Config,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
        opaque::PasswordHashing,
    },
    error::PeerFailure,
    homeserver::{Homeserver, Input},
    identifiers::{Domain, GroupId, UserId},
    keys::ServiceKeys,
    operation::{Effect, Operation, Step, Timer},
    rng::Random,
    store::{Commit, Key, Reads, Row, Settlement, commit::Rows},
    time::Timestamp,
};

struct Server {
    homeserver: Homeserver,
    rows: BTreeMap<Vec<u8>, Row>,
    timers: Vec<(Timestamp, Timer)>,
}

/// What fails between clients and homeservers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// No request arrives.
    Requests,
    /// No answer arrives.
    Answers,
}

/// Homeservers and clients.
pub(super) struct World {
    pub now: Timestamp,
    random: Random,
    servers: BTreeMap<Domain, Server>,
    pub clients: Vec<Client>,
    pub events: Vec<Vec<Event>>,
    pub done: Vec<BTreeMap<TaskId, Result<(), ClientError>>>,
    /// Of every hundred requests of clients, and of their answers, so many are lost.
    pub loss: u64,
    /// Homeservers that nobody reaches.
    pub down: Vec<Domain>,
    /// Whether no request of a client arrives, or no answer.
    pub outage: Option<Outage>,
    /// How many requests and answers were lost.
    pub lost: usize,
    /// A hash over all requests of clients, in their order.
    pub trace: Hash,
}

impl World {
    pub fn new(seed: u8, domains: &[&str]) -> Self {
        Self::starting(system_time(), seed, domains)
    }

    /// A world that begins at `now`.
    pub fn starting(now: Timestamp, seed: u8, domains: &[&str]) -> Self {
        let mut random = Random::from_seed([seed; 32]);
        let mut servers = BTreeMap::new();
        for name in domains {
            let domain: Domain = name.parse().unwrap();
            let keys = ServiceKeys::generate(&domain, &mut random, now);
            let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
            let timers = vec![(now, crate::timers::SWEEP)];
            servers.insert(domain, Server { homeserver, rows: BTreeMap::new(), timers });
        }
        let (clients, events, done) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            now,
            random,
            servers,
            clients,
            events,
            done,
            loss: 0,
            down: Vec::new(),
            outage: None,
            lost: 0,
            trace: Hash::default(),
        }
    }

    /// A client at `domain`; what it hears of comes to `events` at its number.
    pub fn client(&mut self, domain: &str, change: impl FnOnce(&mut ClientConfig)) -> usize {
        let mut config = ClientConfig::new(domain.parse().unwrap());
        config.password_hashing = PasswordHashing::CHEAP;
        config.key_packages = 3;
        config.connection_packages = 2;
        change(&mut config);
        let seed = self.random.array();
        self.clients.push(Client::new(config, seed));
        self.events.push(Vec::new());
        self.done.push(BTreeMap::new());
        self.clients.len() - 1
    }

    pub fn user(&self, client: usize) -> UserId {
        self.clients[client].user_id()
    }

    /// Carries on until `task` is over.
    pub fn finish(&mut self, client: usize, task: TaskId) -> Result<(), ClientError> {
        self.run_until(|world| world.done[client].contains_key(&task));
        self.done[client][&task].clone()
    }

    /// Has every client read its queues, again and again until `condition` holds.
    pub fn settle(&mut self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            let tasks: Vec<TaskId> = self.clients.iter_mut().map(Client::read_queues).collect();
            for (client, task) in tasks.into_iter().enumerate() {
                self.finish(client, task).unwrap();
            }
            self.run_until(|world| world.clients.iter().all(Client::is_idle));
            if condition(self) {
                return;
            }
            self.pass(1_000);
        }
        panic!("the clients do not settle: {:#?}", self.events);
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, milliseconds: u64) {
        let end = Timestamp::from_milliseconds(self.now.milliseconds() + milliseconds);
        self.run_until(|world| world.now >= end);
    }

    fn run_until(&mut self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if !self.step() {
                if condition(self) {
                    return;
                }
                self.advance();
            }
        }
        panic!("no end in sight: {:#?}", self.events);
    }

    /// Does what can be done now. Whether there was anything.
    fn step(&mut self) -> bool {
        let mut busy = false;
        for number in 0..self.clients.len() {
            while let Some(output) = self.clients[number].poll(self.now) {
                busy = true;
                match output {
                    Output::Request(exchange) => {
                        self.trace = kdf::hash(Label::ROW_NAME, &[&self.trace, &exchange.request]);
                        let [request_lost, answer_lost] = [Outage::Requests, Outage::Answers]
                            .map(|outage| self.random.below(100) < self.loss || self.outage == Some(outage));
                        let answer =
                            if request_lost { None } else { self.ask(&exchange.domain, &exchange.request) };
                        self.lost += usize::from(request_lost || answer_lost);
                        if let Some(answer) = answer.filter(|_| !answer_lost) {
                            self.clients[number].respond(exchange.id, Ok(answer), self.now);
                        } else if self.random.below(2) == 0 {
                            self.clients[number].respond(exchange.id, Err(PeerFailure), self.now);
                        }
                    }
                    Output::Event(event) => self.events[number].push(event),
                    Output::TaskDone(task, result) => {
                        self.done[number].insert(task, result);
                    }
                }
            }
        }
        let domains: Vec<Domain> = self.servers.keys().cloned().collect();
        for domain in domains {
            let now = self.now;
            let server = self.servers.get_mut(&domain).unwrap();
            let due = server.timers.iter().position(|(due, _)| *due <= now);
            if let Some(due) = due {
                let (_, timer) = server.timers.swap_remove(due);
                let seed = self.random.array();
                let operation = self.servers[&domain].homeserver.accept(Input::Timer(&timer), now, seed);
                self.run(&domain, operation);
                busy = true;
            }
        }
        busy
    }

    /// On to the next moment at which something is due: a tenth of a second at least, ten at most.
    fn advance(&mut self) {
        let timers = self.servers.values().flat_map(|server| server.timers.iter().map(|(due, _)| *due));
        let wakes = self.clients.iter().filter_map(Client::next_wake);
        let next = timers.chain(wakes).min().unwrap_or(self.now).milliseconds();
        let now = self.now.milliseconds();
        self.now = Timestamp::from_milliseconds(next.clamp(now + 100, now + 10_000));
    }

    /// What the homeserver answers.
    fn ask(&mut self, domain: &Domain, request: &[u8]) -> Option<Vec<u8>> {
        if self.down.contains(domain) {
            return None;
        }
        let seed = self.random.array();
        let operation = self.servers.get(domain)?.homeserver.accept(Input::Request(request), self.now, seed);
        self.run(domain, operation)
    }

    fn run(&mut self, domain: &Domain, mut operation: Operation) -> Option<Vec<u8>> {
        loop {
            match operation.poll() {
                Step::Read(reads) => operation.supply(self.read(domain, reads)),
                Step::Ask(ask) => {
                    let unreachable = self.down.contains(domain);
                    let answer = if unreachable { None } else { self.ask(&ask.domain, &ask.request) };
                    operation.answer(answer.ok_or(PeerFailure));
                }
                Step::Commit(commit) => operation.settle(self.commit(domain, commit)),
                Step::Done(outcome) => {
                    let server = self.servers.get_mut(domain)?;
                    for effect in outcome.effects {
                        if let Effect::Wake { timer, due } = effect {
                            server.timers.retain(|(_, waiting)| *waiting != timer);
                            server.timers.push((due, timer));
                        }
                    }
                    return outcome.reply;
                }
            }
        }
    }

    fn read(&self, domain: &Domain, reads: Reads) -> Rows {
        let rows = &self.servers[domain].rows;
        let found = |key: Key| {
            let row = rows.get(&key.to_bytes()).cloned();
            (key, row)
        };
        let scanned = |scan: crate::store::Scan| {
            let keys = rows.range(scan.first.clone()..scan.end.clone()).take(scan.limit);
            let keys = keys.filter_map(|(key, _)| Key::from_bytes(key)).collect();
            (scan, keys)
        };
        Rows {
            rows: reads.keys.into_iter().map(found).collect(),
            scans: reads.scans.into_iter().map(scanned).collect(),
        }
    }

    fn commit(&mut self, domain: &Domain, commit: Commit) -> Settlement {
        let rows = &mut self.servers.get_mut(domain).unwrap().rows;
        let holds = commit
            .expect
            .iter()
            .all(|expected| rows.get(&expected.key.to_bytes()).map(|row| row.version) == expected.version);
        if !holds {
            return Settlement::Conflict;
        }
        for write in commit.writes {
            match write.bytes {
                Some(bytes) => {
                    rows.insert(write.key.to_bytes(), Row { version: commit.version, bytes });
                }
                None => {
                    rows.remove(&write.key.to_bytes());
                }
            }
        }
        Settlement::Committed
    }

    /// Nobody heard of anything being lost, refused or unreadable.
    pub fn assert_untroubled(&self) {
        for event in self.events.iter().flatten() {
            let trouble = matches!(
                event,
                Event::Gap { .. }
                    | Event::Missing { .. }
                    | Event::Declined { .. }
                    | Event::MessageUnreadable { .. }
                    | Event::CommitUnprocessable { .. }
                    | Event::QueueUnreadable { .. }
                    | Event::Removed(_)
                    | Event::BackgroundFailure(_)
            );
            assert!(!trouble, "{event:?}");
        }
    }

    /// The messages of `group` that `client` has seen, own ones included, by position.
    pub fn messages(&self, client: usize, group: &GroupId) -> Vec<(u64, Vec<u8>)> {
        let mut messages: Vec<(u64, Vec<u8>)> = self.events[client]
            .iter()
            .filter_map(|event| match event {
                Event::Message { group: of, position, text, .. }
                | Event::MessageAcknowledged { group: of, position, text, .. }
                    if of == group =>
                {
                    Some((*position, text.clone()))
                }
                _ => None,
            })
            .collect();
        messages.sort();
        messages
    }
}

/// openmls compares lifetimes with the system's clock, so the world begins at its time.
#[expect(clippy::disallowed_methods, reason = "only where the world begins")]
pub(super) fn system_time() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_milliseconds(u64::try_from(since.as_millis()).unwrap())
}
