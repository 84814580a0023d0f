//! A client that acts only when the test tells it to.
#![allow(dead_code)]

use phoenix_core::{
    client::{Client as Core, ClientConfig, Event, Output, TaskId},
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
        let core = Core::new(ClientConfig::new(domain.clone()), seed());
        let (domain, peers) = (domain.clone(), peers.clone());
        let mut manual = Self { core, domain, peers, events: Vec::new(), exchanges: Vec::new() };
        let task = manual.core.register(password.as_bytes());
        manual.finish(task).await;
        manual
    }

    /// Runs until this task is over and nothing else can proceed.
    pub async fn finish(&mut self, task: TaskId) {
        let mut over = false;
        while let Some(output) = self.core.poll(now()) {
            match output {
                Output::Request(exchange) => {
                    self.exchanges.push(exchange.request.clone());
                    let answer = self.peers.send(&exchange.domain, exchange.service, exchange.request).await;
                    self.exchanges.extend(answer.clone());
                    self.core.respond(exchange.id, answer.map_err(|error| PeerFailure::from(&error)), now());
                }
                Output::Event(event) => self.events.push(event),
                Output::TaskDone(done, result) => {
                    result.unwrap();
                    over |= done == task;
                }
            }
        }
        assert!(over);
    }

    pub async fn read(&mut self) {
        let task = self.core.read_queues();
        self.finish(task).await;
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
