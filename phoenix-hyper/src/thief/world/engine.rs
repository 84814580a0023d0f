//! The machinery of the world: operations over stores, timers, clients, and the clock that all of them are
//! given. One step comes after the other, so that the engine's batches are commits of single operations: the
//! worst that a homeserver with little traffic can leave to a thief.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use phoenix_core::{
    Input, Random, Timestamp,
    client::{Client, Event, Exchange, IntentId, Output},
    error::PeerFailure,
    identifiers::Domain,
    operation::{Ask, Effect, Step, Timer, timers::SWEEP},
    store::{Commit, RecordKind, Settlement},
};
use tokio::runtime::Runtime;

use super::site::{Deed, Site};
use crate::{local::Failure, store::Store};

/// Homeservers, clients, and one clock.
pub struct Engine {
    /// The homeservers.
    pub sites: Vec<Site>,
    /// The clients, one for each user.
    pub clients: Vec<Client>,
    /// The rows written for the first time since the last look.
    pub deeds: Vec<Deed>,
    /// Where chance comes from.
    pub random: Random,
    now: Timestamp,
    timers: BTreeMap<(usize, Timer), Timestamp>,
    ended: BTreeMap<(usize, IntentId), Result<(), String>>,
    known: BTreeSet<(usize, Vec<u8>)>,
    runtime: Runtime,
}

/// How long an answer takes at least, and how many milliseconds more at most.
const FASTEST: Duration = Duration::from_millis(20);
const SPREAD: u64 = 200;

/// The kinds of rows that are noted when they are written first.
const NOTED: [RecordKind; 7] = [
    RecordKind::User,
    RecordKind::Client,
    RecordKind::QsClient,
    RecordKind::ClientAllowance,
    RecordKind::Nullifier,
    RecordKind::GroupHead,
    RecordKind::FanOutRow,
];

impl Engine {
    /// Starts these homeservers at `now`.
    pub fn start(sites: Vec<Site>, random: Random, now: Timestamp) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::of("starting a runtime")(&error))?;
        let timers = (0..sites.len()).map(|site| ((site, SWEEP), now)).collect();
        Ok(Self {
            sites,
            clients: Vec::new(),
            deeds: Vec::new(),
            random,
            now,
            timers,
            ended: BTreeMap::new(),
            known: BTreeSet::new(),
            runtime,
        })
    }

    /// The time that all are given.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets the time come, with all that is due until then.
    pub fn pass_to(&mut self, time: Timestamp) -> Result<(), Failure> {
        while let Some((name, due)) = self.next_timer().filter(|(_, due)| *due <= time) {
            self.timers.remove(&name);
            self.now = self.now.max(due);
            self.serve(name.0, Input::Timer(&name.1), None)?;
        }
        self.now = self.now.max(time);
        Ok(())
    }

    fn next_timer(&self) -> Option<((usize, Timer), Timestamp)> {
        self.timers.iter().min_by_key(|(_, due)| **due).map(|(name, due)| (name.clone(), *due))
    }

    /// Works until nobody has anything to do at this time.
    pub fn run(&mut self) -> Result<(), Failure> {
        loop {
            let mut quiet = true;
            for user in 0..self.clients.len() {
                while let Some(output) = self.clients[user].poll(self.now) {
                    quiet = false;
                    self.handle(user, output)?;
                }
            }
            if quiet {
                return Ok(());
            }
            self.pass_to(self.now)?;
        }
    }

    fn handle(&mut self, user: usize, output: Output) -> Result<(), Failure> {
        match output {
            Output::Save(save) => self.clients[user].saved(save.id, Ok(())),
            Output::Request(Exchange { id, domain, request, .. }) => {
                let answer = match self.site(&domain) {
                    Some(site) => self.serve(site, Input::Request(&request), Some(user))?,
                    None => None,
                };
                // Answers take their time: no two requests are served in the same millisecond.
                let taken = FASTEST + Duration::from_millis(self.random.below(SPREAD));
                self.now = self.now + taken;
                self.clients[user].respond(id, answer.ok_or(PeerFailure::NoAnswer), self.now);
            }
            Output::Event(id, event) => {
                self.clients[user].confirm(id);
                if let Event::Done { intent, outcome } = event {
                    self.ended.insert((user, intent), outcome.map_err(|error| error.to_string()));
                }
            }
            Output::Stopped => return Err(Failure("a client has stopped".to_owned())),
        }
        Ok(())
    }

    /// Returns how an intent ended, once.
    pub fn take_end(&mut self, user: usize, intent: IntentId) -> Option<Result<(), String>> {
        self.ended.remove(&(user, intent))
    }

    fn site(&self, domain: &Domain) -> Option<usize> {
        self.sites.iter().position(|site| site.domain() == domain)
    }

    /// Drives one operation to its end.
    fn serve(
        &mut self,
        site: usize,
        input: Input<'_>,
        user: Option<usize>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut operation = self.sites[site].homeserver.accept(input, self.now, self.random.array());
        let outcome = loop {
            match operation.poll() {
                Step::Read(reads) => {
                    let rows = self.runtime.block_on(self.sites[site].store.read(reads));
                    operation.supply(rows.map_err(|error| Failure::of("reading a store")(&error))?);
                }
                Step::Commit(commit) => operation.settle(self.commit(site, user, commit)),
                Step::Ask(Ask { domain, request, .. }) => {
                    let answer = match self.site(&domain) {
                        Some(peer) => self.serve(peer, Input::Request(&request), None)?,
                        None => None,
                    };
                    operation.answer(answer.ok_or(PeerFailure::NoAnswer));
                }
                Step::Done(outcome) => break outcome,
            }
        };
        for effect in outcome.effects {
            if let Effect::Wake { timer, due } = effect {
                let known = self.timers.entry((site, timer)).or_insert(due);
                *known = due.min(*known);
            }
        }
        Ok(outcome.reply)
    }

    /// Commits to the store of a homeserver, which serves this user.
    pub fn commit(&mut self, site: usize, user: Option<usize>, commit: Commit) -> Settlement {
        let written = commit.writes.iter().filter(|write| write.bytes.is_some());
        let noted = written.filter(|write| NOTED.contains(&write.key.kind()));
        let keys: Vec<_> = noted.map(|write| (write.key.kind(), write.key.to_bytes())).collect();
        let settlement = self.runtime.block_on(self.sites[site].store.commit(commit));
        if let (Some(user), Settlement::Committed) = (user, settlement) {
            for (kind, key) in keys {
                if self.known.insert((site, key.clone())) {
                    self.deeds.push(Deed { site, user, kind, key });
                }
            }
        }
        settlement
    }
}
