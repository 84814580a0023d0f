//! A few homeservers in memory: stores, the network between them, the time, and what goes wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    config::Config,
    context::Context,
    error::PeerFailure,
    fan_out::{self, LogId},
    federation::outbox::StreamName,
    homeserver::{Homeserver, Input},
    identifiers::{Domain, GroupId},
    keys::ServiceKeys,
    operation::{Ask, Effect, Interrupt, Lane, Operation, Report, Step, Timer},
    rng::Random,
    store::{Commit, Key, Reads, RecordKind, Row, Settlement, Transaction, Write, commit::Rows},
    time::{HOUR, Timestamp},
    timers,
    wire::{
        codec::{decode, encode},
        envelope::RequestEnvelope,
        fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Recipient},
        federation::{EnqueueFederated, FramePayload},
    },
};

/// When tests begin.
pub const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

/// The domain with this name.
pub fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

/// A group of `owner`.
pub fn group(owner: &str, number: u8) -> GroupId {
    GroupId { uuid: [number; 16], domain: domain(owner) }
}

/// An encrypted application message of `group`, as far as a server can see.
pub fn mls_message(group: &GroupId) -> FanOutContent {
    fn vector(bytes: &[u8]) -> Vec<u8> {
        encode(&crate::wire::codec::Bytes::<1000>::new(bytes.to_vec()).unwrap())
    }
    let head = [&[0, 1, 0, 2][..], &vector(&encode(group)), &[0; 8], &[1]].concat();
    let bytes = [head, vector(&[]), vector(&[7; 32]), vector(&[8; 100])].concat();
    FanOutContent::Message(bytes.try_into().unwrap())
}

/// `content` for these recipients.
pub fn message(
    group: &GroupId,
    position: u64,
    content: FanOutContent,
    recipients: &[ClientQueueConfig],
) -> FanOutMessage {
    let recipients = recipients.iter().map(|config| Recipient { content: 0, config: config.clone() });
    FanOutMessage {
        group_id: group.clone(),
        position,
        sent_at: NOW,
        contents: vec![content].try_into().unwrap(),
        recipients: recipients.collect::<Vec<_>>().try_into().unwrap(),
    }
}

/// One homeserver and its rows.
pub struct Server {
    pub homeserver: Homeserver,
    pub store: BTreeMap<Key, Row>,
}

/// What goes wrong.
#[derive(Default)]
pub struct Faults {
    /// The entry with this number is changed on its way, by one who has the source's signing key.
    pub corrupted: Option<u64>,
    /// So many answers are lost on the way back.
    pub lost_answers: u32,
    /// Operations are dropped at this step, counted over all of them.
    pub crash_at: Option<u64>,
    /// So many steps were made.
    pub steps: u64,
    /// In so many of a thousand steps, something goes wrong.
    pub chaos: u64,
}

pub struct Net {
    pub now: Timestamp,
    pub servers: BTreeMap<Domain, Server>,
    pub down: BTreeSet<Domain>,
    pub asks: Vec<Ask>,
    pub reports: Vec<Report>,
    pub faults: Faults,
    pub random: Random,
    /// What is appended to the asking homeserver's log while its next question is under way.
    pub meanwhile: Option<FanOutMessage>,
}

impl Net {
    /// Homeservers of these names.
    pub fn new(names: &[&str]) -> Self {
        let mut net = Self {
            now: NOW,
            servers: BTreeMap::new(),
            down: BTreeSet::new(),
            asks: Vec::new(),
            reports: Vec::new(),
            faults: Faults::default(),
            random: Random::from_seed([9; 32]),
            meanwhile: None,
        };
        for name in names {
            net.install(name, |_, _| ());
        }
        net
    }

    /// Sets `name` up, again if it is there: the same keys and rows, with what `change` makes of the settings.
    pub fn install(&mut self, name: &str, change: impl FnOnce(&mut Config, &mut ServiceKeys)) {
        let domain = domain(name);
        let mut keys = keys(name);
        let mut config = Config::new(domain.clone());
        change(&mut config, &mut keys);
        let store = self.servers.remove(&domain).map_or_else(BTreeMap::new, |server| server.store);
        let homeserver = Homeserver::new(config, keys);
        self.servers.insert(domain, Server { homeserver, store });
    }

    pub fn server(&mut self, name: &str) -> &mut Server {
        self.servers.get_mut(&domain(name)).unwrap()
    }

    /// How many rows of this kind there are.
    pub fn count(&self, name: &str, kind: RecordKind) -> usize {
        self.servers[&domain(name)].store.keys().filter(|key| key.kind() == kind).count()
    }

    /// Serves a request; `None` if the operation was dropped.
    pub fn request(&mut self, at: &Domain, bytes: &[u8]) -> Option<Vec<u8>> {
        let seed = self.random.array();
        let operation = self.servers[at].homeserver.accept(Input::Request(bytes), self.now, seed);
        self.run(at, operation)
    }

    /// Runs a timer.
    pub fn timer(&mut self, at: &Domain, timer: &Timer) {
        let seed = self.random.array();
        let operation = self.servers[at].homeserver.accept(Input::Timer(timer), self.now, seed);
        self.run(at, operation);
    }

    /// Runs `body` as an operation.
    pub fn perform(
        &mut self,
        at: &Domain,
        body: impl Fn(&mut Transaction, &mut Context) -> Result<(), Interrupt> + Send + 'static,
    ) {
        let seed = self.random.array();
        let operation = Operation::new(
            self.servers[at].homeserver.clone(),
            Lane::Free,
            false,
            (self.now, seed),
            Box::new(move |transaction, context| body(transaction, context).map(|()| Some(Vec::new()))),
            Box::new(|_, _, _| None),
        );
        let chaos = std::mem::take(&mut self.faults.chaos);
        self.run(at, operation).expect("test bodies are not refused");
        self.faults.chaos = chaos;
    }

    /// Appends `message` to the log of its group, as the delivery service does.
    pub fn send(&mut self, message: FanOutMessage) {
        let owner = message.group_id.domain.clone();
        self.perform(&owner, move |transaction, context| {
            let log = LogId::Group(message.group_id.uuid);
            fan_out::append(transaction, context, log, message.position, message.clone());
            Ok(())
        });
    }

    fn run(&mut self, at: &Domain, mut operation: Operation) -> Option<Vec<u8>> {
        loop {
            let step = operation.poll();
            if self.crashes() {
                return None;
            }
            match step {
                Step::Read(reads) => operation.supply(self.read(at, reads)),
                Step::Ask(ask) => operation.answer(self.ask(at, ask)),
                Step::Commit(commit) => {
                    let settlement = self.commit(at, &commit);
                    self.check(at, &commit);
                    if self.crashes() {
                        return None;
                    }
                    operation.settle(settlement);
                }
                Step::Done(outcome) => {
                    for effect in outcome.effects {
                        if let Effect::Report(report) = effect {
                            self.reports.push(report);
                        }
                    }
                    return outcome.reply;
                }
            }
        }
    }

    fn crashes(&mut self) -> bool {
        self.faults.steps += 1;
        self.faults.crash_at == Some(self.faults.steps) || self.random.below(8000) < self.faults.chaos
    }

    fn read(&self, at: &Domain, reads: Reads) -> Rows {
        let store = &self.servers[at].store;
        let found = |scan: &crate::store::Scan| {
            let within = |key: &&Key| (&scan.first..&scan.end).contains(&&key.to_bytes());
            store.keys().filter(within).take(scan.limit).cloned().collect()
        };
        Rows {
            rows: reads.keys.into_iter().map(|key| (key.clone(), store.get(&key).cloned())).collect(),
            scans: reads.scans.into_iter().map(|scan| (scan.clone(), found(&scan))).collect(),
        }
    }

    fn ask(&mut self, from: &Domain, ask: Ask) -> Result<Vec<u8>, PeerFailure> {
        self.asks.push(ask.clone());
        if let Some(message) = self.meanwhile.take() {
            self.send(message);
            self.timer(from, &Timer::Distribute(LogId::Group([1; 16])));
        }
        if self.down.contains(&ask.domain)
            || !self.servers.contains_key(&ask.domain)
            || self.random.below(2000) < self.faults.chaos
        {
            return Err(PeerFailure);
        }
        let request = self.corrupt(from, &ask.request).unwrap_or(ask.request);
        let answer = self.request(&ask.domain, &request).ok_or(PeerFailure)?;
        if self.faults.lost_answers > 0 {
            self.faults.lost_answers -= 1;
            return Err(PeerFailure);
        }
        if self.random.below(2000) < self.faults.chaos { Err(PeerFailure) } else { Ok(answer) }
    }

    fn corrupt(&self, from: &Domain, request: &[u8]) -> Option<Vec<u8>> {
        let corrupted = self.faults.corrupted?;
        let (_, mut envelope) = RequestEnvelope::read(request).ok()?;
        let mut body = decode::<EnqueueFederated>(envelope.body.as_slice()).ok()?;
        let FramePayload::Batch(batch) = &mut body.frame.content.payload else { return None };
        let index = corrupted.checked_sub(batch.first_sequence)?;
        batch.entries.get_mut(usize::try_from(index).ok()?)?.nonce[0] ^= 1;
        body.frame.signature = keys(from.as_str()).queuing_key()?.0.sign(&body.frame.content);
        envelope.body = encode(&body).try_into().ok()?;
        Some(encode(&envelope))
    }

    fn commit(&mut self, at: &Domain, commit: &Commit) -> Settlement {
        let chance = self.random.below(1000);
        let Some(server) = self.servers.get_mut(at) else { return Settlement::Conflict };
        let holds = commit.expect.iter().all(|expectation| {
            server.store.get(&expectation.key).map(|row| row.version) == expectation.version
        });
        if !holds || chance < self.faults.chaos / 3 {
            return Settlement::Conflict;
        }
        if chance < self.faults.chaos / 2 {
            return Settlement::Unknown;
        }
        for write in &commit.writes {
            match &write.bytes {
                Some(bytes) => {
                    let row = Row { version: commit.version, bytes: bytes.clone() };
                    server.store.insert(write.key.clone(), row);
                }
                None => drop(server.store.remove(&write.key)),
            }
        }
        if chance < self.faults.chaos { Settlement::Unknown } else { Settlement::Committed }
    }

    /// What must hold after every commit: nothing waits without a timer, and no timer is far away.
    fn check(&self, at: &Domain, commit: &Commit) {
        let store = &self.servers[at].store;
        let cleared = |write: &Write| write.bytes.is_none() && write.key.kind() == RecordKind::Timer;
        if commit.writes.iter().any(cleared) {
            store.iter().for_each(|(key, row)| self.check_row(at, key, row));
        }
        for write in &commit.writes {
            if let Some(row) = store.get(&write.key) {
                self.check_row(at, &write.key, row);
            }
        }
    }

    fn check_row(&self, at: &Domain, key: &Key, row: &Row) {
        let name = key.name();
        let timer = match key.kind() {
            RecordKind::FanOutRow => Timer::Distribute(decode::<LogId>(&name[..name.len() - 8]).unwrap()),
            RecordKind::OutboundEntry => {
                Timer::Deliver(decode::<StreamName>(&name[..name.len() - 8]).unwrap())
            }
            RecordKind::Timer => {
                let (_, due) = timers::from_row(key, row).unwrap();
                assert!(due <= self.now + HOUR, "nothing waits for ever");
                return;
            }
            _ => return,
        };
        let key = [&[RecordKind::Timer as u8][..], &encode(&timer)].concat();
        let key = Key::from_bytes(&key).unwrap();
        assert!(self.servers[at].store.contains_key(&key), "{timer:?} has no row");
    }

    /// All timers, found from rows alone.
    pub fn timers(&self) -> Vec<(Domain, Timer, Timestamp)> {
        let of = |(domain, server): (&Domain, &Server)| {
            // Timers come first among all rows.
            let rows = server.store.iter().map_while(|(key, row)| timers::from_row(key, row));
            rows.map(|(timer, due)| (domain.clone(), timer, due)).collect::<Vec<_>>()
        };
        self.servers.iter().flat_map(of).collect()
    }

    /// Runs every timer that is due, once. Whether there was one.
    pub fn round(&mut self) -> bool {
        let now = self.now;
        let due: Vec<_> = self.timers().into_iter().filter(|(_, _, due)| *due <= now).collect();
        for (domain, timer, _) in &due {
            self.timer(domain, timer);
        }
        !due.is_empty()
    }

    /// Lets at most `longest` pass, and less if there is nothing left to do. Whether that is so.
    pub fn settle(&mut self, longest: Duration) -> bool {
        let end = self.now + longest;
        for _ in 0..20_000 {
            if self.round() {
                continue;
            }
            let Some(next) = self.timers().into_iter().map(|(_, _, due)| due).min() else { return true };
            if next > end {
                self.now = end;
                return false;
            }
            self.now = next;
        }
        panic!("work that never ends");
    }
}

/// The keys of the homeserver with this name: always the same ones.
pub fn keys(name: &str) -> ServiceKeys {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    ServiceKeys::generate(&domain(name), &mut Random::from_seed(seed), NOW)
}
