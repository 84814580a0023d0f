//! A database of your own under a homeserver: here a sorted list behind a lock, gone when the process ends.
//!
//! The conformance suite says what every store must do. For a store that outlives the process, run
//! `conformance::check_durable`, too. Run the example with `cargo run -p phoenix-examples --example
//! custom_store`.

use std::{
    error::Error,
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use phoenix_core::{
    Config, Homeserver, Random, ServiceKeys, Timestamp,
    client::{Client, ClientConfig, Event, Output, StorageKey},
    error::PeerFailure,
    identifiers::Domain,
    operation::{Ask, Report},
    store::{Commit, Key, Reads, Row, Settlement, commit::Rows},
};
use phoenix_hyper::{
    node::{Environment, Node, NodeLimits},
    store::{Store, StoreError, conformance},
};

/// Rows sorted by key.
#[derive(Default)]
struct ListStore(Mutex<Vec<(Key, Row)>>);

fn find<'a>(list: &'a [(Key, Row)], key: &Key) -> Option<&'a Row> {
    list.binary_search_by_key(&key, |(key, _)| key).ok().map(|place| &list[place].1)
}

impl Store for ListStore {
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        let list = self.0.lock().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let rows = reads.keys.into_iter().map(|key| (key.clone(), find(&list, &key).cloned())).collect();
        let scans = reads.scans.into_iter().map(|scan| {
            let within = |key: &&Key| (&scan.first..&scan.end).contains(&&key.to_bytes());
            let keys = list.iter().map(|(key, _)| key).filter(within).take(scan.limit).cloned().collect();
            (scan, keys)
        });
        Ok(Rows { rows, scans: scans.collect() })
    }

    async fn commit(&self, Commit { expect, writes, version }: Commit) -> Settlement {
        let Ok(mut list) = self.0.lock() else { return Settlement::Unknown };
        if expect.iter().any(|expected| find(&list, &expected.key).map(|row| row.version) != expected.version)
        {
            return Settlement::Conflict;
        }
        for write in writes {
            list.retain(|(key, _)| *key != write.key);
            let place = list.partition_point(|(key, _)| *key < write.key);
            list.splice(place..place, write.bytes.map(|bytes| (write.key, Row { version, bytes })));
        }
        Settlement::Committed
    }
}

/// An environment without other homeservers. Its randomness is predictable: for examples only.
struct Alone(Mutex<Random>);

impl Environment for Alone {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_milliseconds(now.as_millis() as u64)
    }

    fn seed(&self) -> [u8; 32] {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).array()
    }

    async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
        Err(PeerFailure::NoAnswer)
    }

    fn report(&self, _: Report) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    conformance::check(async || Ok(ListStore::default())).await?;
    writeln!(std::io::stdout(), "the store conforms")?;

    let domain: Domain = "a.example".parse()?;
    let environment = Alone(Mutex::new(Random::from_seed([1; 32])));
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([2; 32]), environment.now());
    let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
    let workers = tokio::runtime::Handle::current();
    let node = Node::new(homeserver, ListStore::default(), environment, NodeLimits::default(), workers);
    node.start();

    let mut client = Client::new(ClientConfig::new(domain), StorageKey::from_bytes([3; 32]), [4; 32]);
    client.register(b"correct horse battery staple");
    while let Some(output) = client.poll(node.environment().now()) {
        match output {
            Output::Request(exchange) => {
                let answer = node.serve(exchange.request).await;
                client.respond(exchange.id, Ok(answer), node.environment().now());
            }
            Output::Event(_, Event::Done { outcome, .. }) => outcome?,
            // This client ends with the example.
            Output::Save(save) => client.saved(save.id, Ok(())),
            Output::Event(..) | Output::Stopped => {}
        }
    }
    node.drain().await;
    writeln!(std::io::stdout(), "{} is registered", client.user_id())?;
    Ok(())
}
