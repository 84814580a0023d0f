//! PROTOCOL.md §11.15 — what a save holds, what waits for it, and what is left of secrets that were used.

use std::collections::BTreeMap;

use super::{
    connect, create_group, joined,
    network::{KEY, Network, store},
    three_users,
};
use crate::{
    client::{
        Client, ClientConfig, ClientError, Event, Exchange, Output, RestoreError, SaveFailed, StorageKey,
        StoredRecord,
        records::{PlainRecord, Vault},
    },
    crypto::opaque::PasswordHashing,
    error::PeerFailure,
    rng::Random,
    time::Timestamp,
    wire::envelope::RequestEnvelope,
};

fn records(saved: &BTreeMap<Vec<u8>, Vec<u8>>) -> impl Iterator<Item = StoredRecord> {
    saved.clone().into_iter().map(|(name, content)| StoredRecord { name, content })
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new("one.example".parse().unwrap());
    config.password_hashing = PasswordHashing::CHEAP;
    config
}

const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

#[test]
fn nothing_leaves_before_it_is_saved() {
    let mut client = Client::new(config(), KEY, [1; 32]);
    client.register(b"a password");
    let Some(Output::Save(save)) = client.poll(NOW) else { panic!("a save comes first") };
    assert_eq!(client.poll(NOW), None, "the request waits");
    assert!(!client.is_idle());
    client.saved(save.id, Ok(()));
    assert!(matches!(client.poll(NOW), Some(Output::Request(_))));
    assert_eq!(client.poll(NOW), None);
}

#[test]
fn what_is_sent_again_during_a_save_leaves_after_it() {
    let mut client = Client::new(config(), KEY, [1; 32]);
    client.register(b"a password");
    let (mut now, mut copies) = (NOW, Vec::new());
    // The second copy is noted, and so saved; the third changes nothing.
    while copies.len() < 2 {
        match client.poll(now) {
            Some(Output::Save(save)) => client.saved(save.id, Ok(())),
            Some(Output::Request(Exchange { id, request, .. })) => {
                copies.push(request);
                client.respond(id, Err(PeerFailure::Unreachable), now);
            }
            Some(output) => panic!("{output:?}"),
            None => now = client.next_wake().unwrap(),
        }
    }
    assert_eq!(client.poll(now), None);
    let refused = client.accept(client.user_id());
    let Some(Output::Save(save)) = client.poll(now) else { panic!("that it failed is saved") };
    now = client.next_wake().unwrap();
    assert_eq!(client.poll(now), None, "the third copy waits");
    client.saved(save.id, Ok(()));
    let done = |output: &Output| matches!(output, Output::Event(_, Event::Done { intent, .. }) if *intent == refused);
    assert!(client.poll(now).as_ref().is_some_and(done));
    let Some(Output::Request(third)) = client.poll(now) else { panic!("the third copy leaves") };
    assert_eq!(copies, [third.request.clone(), third.request]);
}

#[test]
fn a_failed_save_stops_all_output_and_says_so() {
    let mut client = Client::new(config(), KEY, [1; 32]);
    client.register(b"a password");
    let Some(Output::Save(save)) = client.poll(NOW) else { panic!("a save comes first") };
    client.saved(save.id, Err(SaveFailed));
    assert_eq!(client.poll(NOW), Some(Output::Stopped));
    client.create_group();
    assert_eq!(client.poll(NOW), None);
    assert_eq!(client.next_wake(), None);
}

#[test]
fn an_event_is_shown_until_it_is_confirmed() {
    let mut client = Client::new(config(), KEY, [1; 32]);
    let refused = client.accept("0188a1b200007000800000000000aaaa@two.example".parse().unwrap());
    let mut saved = BTreeMap::new();
    let mut shown = Vec::new();
    for start in 0..3 {
        while let Some(output) = client.poll(NOW) {
            match output {
                Output::Save(save) => {
                    store(&mut saved, save.changes);
                    client.saved(save.id, Ok(()));
                }
                Output::Event(id, event) => {
                    shown.push((start, id, event));
                    if start == 1 {
                        client.confirm(id);
                    }
                }
                other @ (Output::Request(_) | Output::Stopped) => panic!("{other:?}"),
            }
        }
        client = Client::restore(config(), KEY, records(&saved), [start; 32], NOW).unwrap();
    }
    let [(0, first, event), (1, again, repeated)] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((first, event), (again, repeated));
    assert!(matches!(
        event,
        Event::Done { intent, outcome: Err(ClientError::NotAContact(_)) } if *intent == refused
    ));
}

#[test]
fn what_cannot_be_restored_says_why() {
    let mut client = Client::new(config(), KEY, [1; 32]);
    let Some(Output::Save(save)) = client.poll(NOW) else { panic!("a new client is saved") };
    let mut saved = BTreeMap::new();
    store(&mut saved, save.changes);
    let restored =
        |saved: &BTreeMap<_, _>, key| Client::restore(config(), key, records(saved), [2; 32], NOW).err();
    assert_eq!(restored(&saved, KEY), None);
    assert_eq!(restored(&BTreeMap::new(), KEY), Some(RestoreError::Nothing));
    assert_eq!(restored(&saved, StorageKey::from_bytes([9; 32])), Some(RestoreError::WrongKey));
    for name in saved.keys() {
        let mut damaged = saved.clone();
        *damaged.get_mut(name).unwrap().last_mut().unwrap() ^= 1;
        assert_eq!(restored(&damaged, KEY), Some(RestoreError::Damaged));
        let mut missing = saved.clone();
        missing.remove(name);
        assert_eq!(restored(&missing, KEY), Some(RestoreError::Damaged));
        // The content of one record under the name of another.
        let mut exchanged = saved.clone();
        let other = saved.iter().find(|(of, _)| *of != name).unwrap().1.clone();
        exchanged.insert(name.clone(), other);
        assert_eq!(restored(&exchanged, KEY), Some(RestoreError::Damaged));
    }
    let mut elsewhere = config();
    elsewhere.domain = "two.example".parse().unwrap();
    let restored = Client::restore(elsewhere, KEY, records(&saved), [2; 32], NOW);
    assert_eq!(restored.err(), Some(RestoreError::Domain));
}

/// All that a thief of the store and its key has, as one string of bytes.
fn opened(saved: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<PlainRecord> {
    let vault = Vault::new(KEY);
    records(saved).map(|record| vault.open(&record).unwrap()).collect()
}

fn contains(records: &[PlainRecord], secret: &[u8]) -> bool {
    records.iter().any(|record| record.content.windows(secret.len()).any(|window| window == secret))
}

#[test]
fn used_secrets_are_gone_from_what_is_saved() {
    let mut network = Network::new(50, &["one.example", "two.example"]);
    network.keep_requests();
    let users = three_users(&mut network);
    let [first, second, _] = users;
    assert!(!contains(&opened(&network.stores[first]), b"a password"));
    connect(&mut network, users);
    let group = create_group(&mut network, first);
    let invited = [network.user(second)];
    let published = opened(&network.stores[second]);
    network.insist(first, |client| client.invite(&group, &invited)).unwrap();
    network.settle(|network| joined(network, second, &group));

    // Each snapshot is taken before a message, and holds the keys that the message uses.
    let mut snapshots = Vec::new();
    for text in [b"the first secret".as_slice(), b"the second secret"] {
        snapshots.push([first, second].map(|user| opened(&network.stores[user])));
        network.insist(first, |client| client.send(&group, text)).unwrap();
        network.settle(|network| !network.messages(second, &group).is_empty());
        for user in [first, second] {
            assert!(!contains(&opened(&network.stores[user]), text), "a text that was shown and confirmed");
        }
    }
    network.insist(second, |client| client.update(&group)).unwrap();
    network.settle(|_| true);
    let now = [first, second].map(|user| opened(&network.stores[user]));

    // Tokens that were spent.
    let mut spent = 0;
    for request in network.requests_kept() {
        let (_, envelope) = RequestEnvelope::read(request).unwrap();
        if let Some(token) = envelope.token {
            spent += 1;
            assert!(!now.iter().any(|records| contains(records, &token.output)), "a spent token");
        }
    }
    assert!(spent > 10);
    // Ratchet keys of queues, which have moved on with each entry.
    for snapshot in &snapshots {
        for (records, now) in snapshot.iter().zip(&now) {
            let queue = fan_out_secret(records);
            assert!(contains(records, &queue) && !contains(now, &queue), "a used ratchet key");
        }
    }
    // The private keys of the key package that was used.
    let gone = used_key_packages(&published, &now[1]);
    assert_eq!(gone.len(), 1);
    assert!(gone.iter().all(|package| !contains(&now[1], &package[package.len() / 2..])));
}

/// The ratchet key of the fan-out queue: the last 32 bytes before the hash of the entry that was read last.
fn fan_out_secret(records: &[PlainRecord]) -> Vec<u8> {
    let kind = crate::client::ClientRecordKind::FanOutQueue;
    let record = records.iter().find(|record| record.kind == kind).unwrap();
    let queue: crate::client::state::FanOutQueue = crate::codec::decode(&record.content).unwrap();
    queue.0.unwrap().reader().secret_bytes().unwrap()
}

/// The MLS records of key packages that are there no more.
fn used_key_packages(before: &[PlainRecord], after: &[PlainRecord]) -> Vec<Vec<u8>> {
    let kind = crate::mls::MlsRecordKind::KeyPackage as u8;
    let packages = before.iter().filter(|record| {
        record.kind == crate::client::ClientRecordKind::Mls && record.key.get(4) == Some(&kind)
    });
    let gone = packages.filter(|record| !after.iter().any(|other| other.key == record.key));
    gone.map(|record| record.content.to_vec()).collect()
}

#[test]
fn equal_states_are_sealed_differently_and_say_nothing() {
    let mut random = Random::from_seed([7; 32]);
    let mut client = Client::new(config(), StorageKey::from_bytes(random.array()), [1; 32]);
    let Some(Output::Save(save)) = client.poll(NOW) else { panic!("a new client is saved") };
    let uuid = client.user_id().uuid.0;
    for change in &save.changes {
        assert_eq!(change.name.len(), 32);
        let content = change.content.as_ref().unwrap();
        assert!(!content.windows(16).any(|window| window == uuid));
    }
    let mut other = Client::new(config(), StorageKey::from_bytes(random.array()), [1; 32]);
    let Some(Output::Save(same)) = other.poll(NOW) else { panic!("a new client is saved") };
    for (one, other) in save.changes.iter().zip(&same.changes) {
        assert!(one.name != other.name && one.content != other.content);
    }
}
