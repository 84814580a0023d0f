//! Homeservers with real clients, driven by hand: the operations of homeservers are timed, those of clients
//! are not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use phoenix_core::{
    client::{Client, ClientConfig, Event, Exchange, Output, StorageKey},
    config::Config,
    crypto::opaque::PasswordHashing,
    dispatch::Input,
    error::PeerFailure,
    homeserver::Homeserver,
    identifiers::{Domain, GroupId},
    keys::ServiceKeys,
    operation::{Ask, Effect, Step, Timer},
    rng::Random,
    time::{DAY, Timestamp},
    wire::{envelope::RequestEnvelope, operations::OperationKind},
};
use phoenix_hyper::store::Store;

/// Drives homeservers, each on a store of its own, and clients in virtual time.
pub struct TimedDriver<S> {
    homeservers: BTreeMap<Domain, (Homeserver, S)>,
    timers: Vec<(Domain, Timer, Timestamp)>,
    random: Random,
    now: Timestamp,
    clients: Vec<Client>,
    events: Vec<Event>,
    runtime: tokio::runtime::Runtime,
    /// The time that operations of each kind took.
    pub spent: BTreeMap<Kind, Duration>,
    /// Whether streams are delivered as soon as an entry waits.
    pub delivering: bool,
}

/// The kind that an operation counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Request(OperationKind),
    Distribute,
    Deliver,
    Sweep,
}

impl<S: Store> TimedDriver<S> {
    /// Creates homeservers named a, b and so on, each on a store that `open` returns. Rates do not limit
    /// them.
    pub fn new(count: u8, open: impl Fn(&Domain) -> S) -> Self {
        let mut random = Random::from_seed([7; 32]);
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = Timestamp::from_milliseconds(elapsed.as_millis() as u64);
        let homeservers = (b'a'..b'a' + count).map(|name| {
            let domain: Domain = format!("{}.localhost", char::from(name)).parse().expect("a domain");
            let mut config = Config::new(domain.clone());
            config.rates.registrations_per_minute = u32::MAX;
            config.rates.token_allowance = u64::MAX / 4;
            config.rates.domain_first_day = u64::MAX / 4;
            config.rates.domain_limit = u64::MAX / 4;
            config.rates.new_domains = u64::MAX / 4;
            config.rates.source_entries_per_second = u64::MAX / (1 << 20);
            config.rates.source_burst = u64::MAX / (1 << 20);
            config.rates.client_per_minute = u32::MAX;
            config.rates.membership_per_minute = u32::MAX;
            let keys = ServiceKeys::generate(&domain, &mut random, now);
            let store = open(&domain);
            (domain, (Homeserver::new(config, keys), store))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            homeservers: homeservers.collect(),
            timers: Vec::new(),
            random,
            now,
            clients: Vec::new(),
            events: Vec::new(),
            runtime: runtime.expect("a runtime"),
            spent: BTreeMap::new(),
            delivering: true,
        }
    }

    /// Adds a client at `domain` that begins to register. Returns its index.
    pub fn client(&mut self, domain: &str) -> usize {
        let config = ClientConfig {
            password_hashing: PasswordHashing::CHEAP,
            tokens_per_batch: 100,
            key_packages: 2,
            connection_packages: 2,
            key_refresh: 365 * DAY,
            ..ClientConfig::new(domain.parse().expect("a domain"))
        };
        let key = StorageKey::from_bytes(self.random.array());
        let mut client = Client::new(config, key, self.random.array());
        client.register(b"password");
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// Creates a group of the first client with `members` clients at `domain`.
    pub fn group(&mut self, members: usize, domain: &str) -> GroupId {
        let first = self.client("a.localhost");
        let members: Vec<usize> = (0..members).map(|_| self.client(domain)).collect();
        self.run();
        let users: Vec<_> = members.iter().map(|member| self.clients[*member].user_id()).collect();
        for user in &users {
            self.clients[first].connect(user.clone());
        }
        self.run();
        for _ in 0..3 {
            self.read_all();
        }
        self.clients[first].create_group();
        self.run();
        let created = self.events.drain(..).find_map(|event| match event {
            Event::GroupCreated { group, .. } => Some(group),
            _ => None,
        });
        let group = created.expect("a group");
        for users in users.chunks(20) {
            self.clients[first].invite(&group, users);
            self.run();
            self.read_all();
        }
        self.read_all();
        let view = self.clients[first].groups().into_iter().find(|view| view.group_id == group);
        assert_eq!(view.expect("the group").members.len(), users.len() + 1, "all are members");
        group
    }

    /// Sends `count` messages from the first client.
    pub fn send(&mut self, group: &GroupId, count: usize) {
        for _ in 0..count {
            self.clients[0].send(group, &[0x55; 200]);
            self.run();
        }
    }

    /// Creates a group of the first client alone.
    pub fn create_group(&mut self) {
        self.clients[0].create_group();
        self.run();
    }

    /// Lets all clients read their queues.
    pub fn read_all(&mut self) {
        self.clients.iter_mut().for_each(|client| _ = client.read_queues());
        self.run();
    }

    /// Runs clients and homeservers until all are idle.
    pub fn run(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for index in 0..self.clients.len() {
                while let Some(output) = self.clients[index].poll(self.now) {
                    quiet = false;
                    match output {
                        Output::Request(Exchange { id, domain, request, .. }) => {
                            let answer = self.request(&domain, &request).ok_or(PeerFailure::NoAnswer);
                            self.clients[index].respond(id, answer, self.now);
                        }
                        Output::Event(id, event) => {
                            self.clients[index].confirm(id);
                            match event {
                                Event::Done { outcome, .. } => outcome.expect("clients succeed"),
                                event => self.events.push(event),
                            }
                        }
                        Output::Save(save) => self.clients[index].saved(save.id, Ok(())),
                        Output::Stopped => unreachable!("no save has failed"),
                    }
                }
            }
            self.run_timers();
        }
    }

    /// Runs the timers that are due.
    pub fn run_timers(&mut self) {
        let (delivering, now) = (self.delivering, self.now);
        let due = |(_, timer, due): &(Domain, Timer, Timestamp)| {
            *due <= now && (delivering || !matches!(timer, Timer::Deliver(_)))
        };
        while let Some(index) = self.timers.iter().position(due) {
            let (domain, timer, _) = self.timers.remove(index);
            let kind = match timer {
                Timer::Distribute(_) => Kind::Distribute,
                Timer::Deliver(_) => Kind::Deliver,
                Timer::Sweep => Kind::Sweep,
            };
            self.serve(&domain, Input::Timer(&timer), kind);
        }
    }

    fn request(&mut self, domain: &Domain, request: &[u8]) -> Option<Vec<u8>> {
        let (kind, _) = RequestEnvelope::read(request).ok()?;
        self.serve(domain, Input::Request(request), Kind::Request(kind))
    }

    /// Drives one operation to its end. The time of a peer that it asks counts for the peer.
    fn serve(&mut self, domain: &Domain, input: Input<'_>, kind: Kind) -> Option<Vec<u8>> {
        let mut begun = Instant::now();
        let mut spent = Duration::ZERO;
        let mut operation = self.homeservers[domain].0.accept(input, self.now, self.random.array());
        let outcome = loop {
            let step = operation.poll();
            let store = &self.homeservers[domain].1;
            match step {
                Step::Read(reads) => {
                    operation.supply(self.runtime.block_on(store.read(reads)).expect("readable"));
                }
                Step::Commit(commit) => operation.settle(self.runtime.block_on(store.commit(commit))),
                Step::Ask(Ask { domain: peer, request, .. }) => {
                    spent += begun.elapsed();
                    let answer = self.request(&peer, &request).ok_or(PeerFailure::NoAnswer);
                    begun = Instant::now();
                    operation.answer(answer);
                }
                Step::Done(outcome) => break outcome,
            }
        };
        spent += begun.elapsed();
        *self.spent.entry(kind).or_default() += spent;
        for effect in outcome.effects {
            if let Effect::Wake { timer, due } = effect
                && !self.timers.iter().any(|(at, known, _)| at == domain && *known == timer)
            {
                self.timers.push((domain.clone(), timer, due));
            }
        }
        outcome.reply
    }

    /// Returns the time that operations of these kinds took since the last call.
    pub fn take_spent(&mut self, kinds: &[Kind]) -> Duration {
        let spent = std::mem::take(&mut self.spent);
        kinds.iter().filter_map(|kind| spent.get(kind)).sum()
    }
}
