//! A client that acts only when the test tells it to.
#![allow(dead_code)]

use phoenix_core::{
    client::{Client as Core, ClientConfig, Event, IntentId, Output, StorageKey},
    error::PeerFailure,
    identifiers::Domain,
};
use phoenix_hyper::{
    environment::{now, seed},
    peers::Peers,
};

/// A client, with all its events and exchanges.
pub struct Manual {
    pub core: Core,
    pub domain: Domain,
    pub peers: Peers,
    pub events: Vec<Event>,
    /// Requests and their answers.
    pub exchanges: Vec<Vec<u8>>,
}

impl Manual {
    pub async fn register(domain: &Domain, peers: &Peers, password: &str) -> Self {
        let core = Core::new(ClientConfig::new(domain.clone()), StorageKey::from_bytes(seed()), seed());
        let (domain, peers) = (domain.clone(), peers.clone());
        let mut manual = Self { core, domain, peers, events: Vec::new(), exchanges: Vec::new() };
        let intent = manual.core.register(password.as_bytes());
        manual.finish(intent).await;
        manual
    }

    /// Runs until this intent is over and nothing else can proceed.
    pub async fn finish(&mut self, intent: IntentId) {
        let mut over = false;
        while let Some(output) = self.core.poll(now()) {
            match output {
                Output::Request(exchange) => {
                    self.exchanges.push(exchange.request.clone());
                    let answer = self.peers.send(&exchange.domain, exchange.service, exchange.request).await;
                    self.exchanges.extend(answer.clone());
                    self.core.respond(exchange.id, answer.map_err(|error| PeerFailure::from(&error)), now());
                }
                Output::Event(id, event) => {
                    self.core.confirm(id);
                    match event {
                        Event::Done { intent: done, outcome } => {
                            outcome.unwrap();
                            over |= done == intent;
                        }
                        event => self.events.push(event),
                    }
                }
                // Nothing outlives the test.
                Output::Save(save) => self.core.saved(save.id, Ok(())),
                Output::Stopped => panic!("no save has failed"),
            }
        }
        assert!(over);
    }

    pub async fn read(&mut self) {
        let intent = self.core.read_queues();
        self.finish(intent).await;
    }

    /// The texts of the messages that arrived.
    pub fn texts(&self) -> Vec<&[u8]> {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::Message { text, .. } => Some(&**text),
            _ => None,
        });
        texts.collect()
    }
}
