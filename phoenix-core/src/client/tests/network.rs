//! Clients, the homeservers that they talk to, and time that passes when nothing else happens.

use std::collections::BTreeMap;

use super::super::{
    Client, ClientConfig, ClientError, Event, EventId, IntentId, Output, RecordChange, StorageKey,
    StoredRecord,
};
use crate::{
    config::Config,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
        opaque::PasswordHashing,
    },
    error::PeerFailure,
    homeserver::Homeserver,
    identifiers::{Domain, GroupId, QsClientId, RequestId, UserId},
    keys::ServiceKeys,
    operation::{Effect, timers},
    rng::Random,
    testing::world::{World, homeserver},
    time::Timestamp,
    wire::{envelope::RequestEnvelope, operations::OperationKind},
};

/// What fails between clients and homeservers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// No request arrives.
    Requests,
    /// No answer arrives.
    Answers,
}

/// Changes an answer to an operation.
pub(super) type Tampering = Box<dyn FnMut(OperationKind, Vec<u8>) -> Vec<u8>>;

/// Clients, and the way between them and the homeservers of a world.
pub(super) struct Network {
    /// The homeservers, their clock, and the way between them.
    pub world: World,
    random: Random,
    pub clients: Vec<Client>,
    /// By how many milliseconds the clocks of their devices are ahead, or behind if negative.
    pub skews: BTreeMap<usize, i64>,
    /// What each client has saved.
    pub stores: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// The events that each client has shown, each once.
    pub events: Vec<Vec<Event>>,
    /// The same, by their ids.
    shown: Vec<BTreeMap<EventId, Event>>,
    pub done: Vec<BTreeMap<IntentId, Result<(), ClientError>>>,
    /// How many of every hundred steps of clients end with a crash.
    pub crashes: u64,
    /// How many clients were killed.
    pub crashed: usize,
    /// The bodies of all requests of clients, by the id of the request: one, however often it was sent.
    bodies: BTreeMap<RequestId, Vec<u8>>,
    /// All requests that left clients, if they are kept.
    kept: Option<Vec<Vec<u8>>>,
    /// How many of every hundred requests of clients are lost, and of their answers.
    pub loss: u64,
    /// Whether no request of a client arrives, or no answer.
    pub outage: Option<Outage>,
    /// Changes what homeservers answer to clients.
    pub dishonest: Option<Tampering>,
    /// The clients whose requests for signals homeservers have granted.
    pub listening: Vec<QsClientId>,
    /// How many requests and answers were lost.
    pub lost: usize,
    /// A hash over all requests of clients, in their order.
    pub trace: Hash,
    /// How many requests of each kind clients have made.
    made: BTreeMap<OperationKind, usize>,
}

impl Network {
    pub fn new(seed: u8, domains: &[&str]) -> Self {
        Self::starting(system_time(), seed, domains)
    }

    /// A network that begins at `now`.
    pub fn starting(now: Timestamp, seed: u8, domains: &[&str]) -> Self {
        let mut random = Random::from_seed([seed; 32]);
        let mut world = World::new(now);
        world.seed = random.array();
        for name in domains {
            let domain: Domain = name.parse().unwrap();
            world.add(homeserver(&mut random, &domain, now, &|_| {}));
            world.timer(&domain, &timers::SWEEP);
        }
        Self {
            world,
            random,
            clients: Vec::new(),
            skews: BTreeMap::new(),
            stores: Vec::new(),
            events: Vec::new(),
            shown: Vec::new(),
            done: Vec::new(),
            crashes: 0,
            crashed: 0,
            bodies: BTreeMap::new(),
            kept: None,
            loss: 0,
            outage: None,
            dishonest: None,
            listening: Vec::new(),
            lost: 0,
            trace: Hash::default(),
            made: BTreeMap::new(),
        }
    }

    /// Adds a client at `domain`. Returns its index in `clients`, `events` and `done`.
    pub fn client(&mut self, domain: &str, change: impl FnOnce(&mut ClientConfig)) -> usize {
        let mut config = ClientConfig::new(domain.parse().unwrap());
        config.password_hashing = PasswordHashing::CHEAP;
        config.key_packages = 3;
        config.connection_packages = 2;
        change(&mut config);
        let seed = self.random.array();
        self.clients.push(Client::new(config, KEY, seed));
        self.stores.push(BTreeMap::new());
        self.events.push(Vec::new());
        self.shown.push(BTreeMap::new());
        self.done.push(BTreeMap::new());
        self.clients.len() - 1
    }

    pub fn user(&self, client: usize) -> UserId {
        self.clients[client].user_id()
    }

    /// Begins an intent, again if a crash came before it was saved, and goes on until it has ended. Returns
    /// its result.
    pub fn insist(
        &mut self,
        client: usize,
        begin: impl Fn(&mut Client) -> IntentId,
    ) -> Result<(), ClientError> {
        loop {
            let intent = begin(&mut self.clients[client]);
            let is_under_way =
                |network: &Self| network.clients[client].under_way().iter().any(|view| view.id == intent);
            self.run_until(|network| network.done[client].contains_key(&intent) || !is_under_way(network));
            if let Some(outcome) = self.done[client].get(&intent) {
                return outcome.clone();
            }
        }
    }

    /// Changes the settings of a homeserver while it runs.
    pub fn configure(&mut self, name: &str, change: impl FnOnce(&mut Config)) {
        let homeserver = &self.world.server(name).homeserver;
        let keys = ServiceKeys::from_bytes(&homeserver.keys().to_bytes()).unwrap();
        let mut config = homeserver.config().clone();
        change(&mut config);
        self.world.add(Homeserver::new(config, keys));
    }

    /// Goes on until `task` has ended. Returns its result.
    pub fn finish(&mut self, client: usize, task: IntentId) -> Result<(), ClientError> {
        self.run_until(|network| network.done[client].contains_key(&task));
        self.done[client][&task].clone()
    }

    /// Has every client read its queues, again and again until `condition` holds.
    pub fn settle(&mut self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            for client in 0..self.clients.len() {
                self.insist(client, Client::read_queues).unwrap();
            }
            self.run_until(|network| network.clients.iter().all(Client::is_idle));
            if condition(self) {
                return;
            }
            self.pass(1_000);
        }
        panic!("the clients do not settle: {:?}", self.last_events());
    }

    /// Lets this many milliseconds pass.
    pub fn pass(&mut self, milliseconds: u64) {
        let end = Timestamp::from_milliseconds(self.world.now.milliseconds() + milliseconds);
        self.run_until(|network| network.world.now >= end);
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
        panic!("no end in sight: {:?}", self.last_events());
    }

    /// Does what can be done now. Returns whether there was anything to do.
    fn step(&mut self) -> bool {
        let mut busy = false;
        for number in 0..self.clients.len() {
            let now = self.device_time(number);
            while let Some(output) = self.clients[number].poll(now) {
                busy = true;
                let crash = self.random.below(100) < self.crashes && !self.stores[number].is_empty();
                if crash && self.random.below(2) == 0 {
                    self.crashed += 1;
                    self.restart(number);
                    continue;
                }
                match output {
                    Output::Request(exchange) => {
                        self.trace = kdf::hash(Label::ROW_NAME, &[&self.trace, &exchange.request]);
                        let (kind, envelope) = RequestEnvelope::read(&exchange.request).unwrap();
                        *self.made.entry(kind).or_default() += 1;
                        if let Some(kept) = &mut self.kept {
                            kept.push(exchange.request.clone());
                        }
                        let body = envelope.body.as_slice().to_vec();
                        let same = self.bodies.entry(envelope.request_id).or_insert_with(|| body.clone());
                        assert!(*same == body, "{kind:?}: another body under a used id");
                        let [request_lost, answer_lost] = [Outage::Requests, Outage::Answers]
                            .map(|outage| self.random.below(100) < self.loss || self.outage == Some(outage));
                        let answer =
                            if request_lost { None } else { self.ask(&exchange.domain, &exchange.request) };
                        self.lost += usize::from(request_lost || answer_lost);
                        if let Some(answer) = answer.filter(|_| !answer_lost) {
                            self.clients[number].respond(exchange.id, Ok(answer), now);
                        } else if self.random.below(2) == 0 {
                            self.clients[number].respond(exchange.id, Err(PeerFailure::NoAnswer), now);
                        }
                    }
                    Output::Save(save) => {
                        store(&mut self.stores[number], save.changes);
                        if !crash {
                            self.clients[number].saved(save.id, Ok(()));
                        }
                    }
                    Output::Event(id, event) => {
                        self.show(number, id, event);
                        self.clients[number].confirm(id);
                    }
                    Output::Stopped => panic!("no save fails here"),
                }
                if crash {
                    // After the output: saved and not confirmed, sent and not answered, shown and confirmed.
                    self.crashed += 1;
                    self.restart(number);
                }
            }
        }
        busy | !self.world.round().is_empty()
    }

    /// The last events of each client, and what it has under way, for a failure.
    fn last_events(&self) -> Vec<(&[Event], Vec<crate::client::IntentView>)> {
        let last = |events: &'_ Vec<Event>| events.len().saturating_sub(6);
        let all = self.events.iter().zip(&self.clients);
        all.map(|(events, client)| (&events[last(events)..], client.under_way())).collect()
    }

    /// What the clock of a client's device reads.
    pub fn device_time(&self, number: usize) -> Timestamp {
        shifted(self.world.now, self.skews.get(&number).copied().unwrap_or_default())
    }

    fn show(&mut self, number: usize, id: EventId, event: Event) {
        if let Some(before) = self.shown[number].get(&id) {
            assert_eq!(*before, event, "an event shown again is another one");
        } else {
            self.shown[number].insert(id, event.clone());
            if let Event::Done { intent, outcome } = &event {
                self.done[number].insert(*intent, outcome.clone());
            }
            self.events[number].push(event);
        }
    }

    /// Kills a client, and restores it from what it has saved.
    pub fn restart(&mut self, number: usize) {
        let saved = self.stores[number].clone();
        self.restore(number, saved);
    }

    /// Kills a client, and restores it from these records.
    pub fn restore(&mut self, number: usize, saved: BTreeMap<Vec<u8>, Vec<u8>>) {
        let config = self.clients[number].state.config.clone();
        let records = saved.clone().into_iter().map(|(name, content)| StoredRecord { name, content });
        let (seed, now) = (self.random.array(), self.device_time(number));
        self.clients[number] = Client::restore(config, KEY, records, seed, now).unwrap();
        self.stores[number] = saved;
    }

    /// Has no answer to operations of this kind arrive.
    pub fn withhold(&mut self, kind: OperationKind) {
        self.dishonest = Some(Box::new(move |of, answer| if of == kind { Vec::new() } else { answer }));
    }

    /// Keeps all requests from here on.
    pub fn keep_requests(&mut self) {
        self.kept = Some(Vec::new());
    }

    pub fn requests_kept(&self) -> &[Vec<u8>] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// How many requests of a kind clients have made.
    pub fn requests(&self, kind: OperationKind) -> usize {
        self.made.get(&kind).copied().unwrap_or_default()
    }

    /// Goes on to the next time at which something is due, in 0.1 to 10 seconds.
    fn advance(&mut self) {
        let wakes = self.clients.iter().enumerate().filter_map(|(number, client)| {
            let skew = self.skews.get(&number).copied().unwrap_or_default();
            Some(shifted(client.next_wake()?, -skew))
        });
        let next = self.world.next_due().into_iter().chain(wakes).min();
        let now = self.world.now.milliseconds();
        let next = next.unwrap_or(self.world.now).milliseconds();
        self.world.now = Timestamp::from_milliseconds(next.clamp(now + 100, now + 10_000));
    }

    /// Returns what the homeserver answers, or `None` if it is down.
    pub fn ask(&mut self, domain: &Domain, request: &[u8]) -> Option<Vec<u8>> {
        if self.world.down.contains(domain) || !self.world.servers.contains_key(domain) {
            return None;
        }
        let recorded = self.world.request(domain, request);
        self.listening.extend(recorded.effects.iter().filter_map(|effect| match effect {
            Effect::Listening(client) => Some(*client),
            Effect::Wake { .. } | Effect::Signal(_) | Effect::Report(_) => None,
        }));
        let reply = recorded.reply?;
        let kind = RequestEnvelope::read(request).map(|(kind, _)| kind);
        match (kind, &mut self.dishonest) {
            (Ok(kind), Some(dishonest)) => Some(dishonest(kind, reply)),
            _ => Some(reply),
        }
    }

    /// Asserts that no client reported anything lost, refused or unreadable.
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

    /// Returns the messages of `group` that `client` has seen, including its own, by position.
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

/// The key under which all clients' records are sealed.
pub(super) const KEY: StorageKey = StorageKey::from_bytes([0x5A; 32]);

/// Carries out what a save asks for.
pub(super) fn store(records: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: Vec<RecordChange>) {
    for RecordChange { name, content } in changes {
        match content {
            Some(content) => _ = records.insert(name, content),
            None => _ = records.remove(&name),
        }
    }
}

/// openmls compares lifetimes with the system's clock, so the network begins at its time.
#[expect(clippy::disallowed_methods, reason = "only where the network begins")]
pub(super) fn system_time() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_milliseconds(u64::try_from(since.as_millis()).unwrap())
}

fn shifted(time: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(time.milliseconds().saturating_add_signed(milliseconds))
}
