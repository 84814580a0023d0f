//! A member's state as records: what is saved is enough to go on, and holds nothing that was used up.

use std::collections::BTreeMap;

use openmls::prelude::{GroupId, MlsGroup, OpenMlsProvider as _, ProcessedMessageContent};
use zeroize::Zeroizing;

use super::client::{Client, GROUP_ID, extensions, lifetime};
use crate::{
    crypto::provider::MlsCrypto,
    mls::{MlsProvider, MlsRecordChange, MlsRecordKind, MlsRecordName, MlsRecords, parse_message},
};

/// What a client has saved.
#[derive(Default, Clone)]
struct Saved(BTreeMap<MlsRecordName, Zeroizing<Vec<u8>>>);

impl Saved {
    /// Saves what has changed.
    fn save(&mut self, client: &Client) -> usize {
        let changes = client.provider.records().take_changes();
        for change in &changes {
            match &change.content {
                Some(content) => self.0.insert(change.name.clone(), content.clone()),
                None => self.0.remove(&change.name),
            };
        }
        changes.len()
    }

    /// The client in another process, that goes on from here.
    fn restore(&self, client: &Client, seed: u8) -> (Client, MlsGroup) {
        let mut restored = client.without_state(seed);
        let saved = self.0.iter();
        let changes = saved
            .map(|(name, content)| MlsRecordChange { name: name.clone(), content: Some(content.clone()) });
        let records = MlsRecords::restore(changes);
        restored.provider = MlsProvider::new(MlsCrypto::new([seed; 32]), records);
        let group = MlsGroup::load(restored.provider.storage(), &GroupId::from_slice(GROUP_ID));
        (restored, group.unwrap().expect("the group is saved"))
    }

    fn holds(&self, secret: &[u8]) -> bool {
        self.0.values().any(|content| content.windows(secret.len()).any(|window| window == secret))
    }
}

/// Alice, Bob and their group.
fn pair() -> (Client, MlsGroup, Client, MlsGroup) {
    let (alice, bob, service) = (Client::new(1), Client::new(2), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b"roles"));
    let package = bob.key_package(lifetime());
    let sent = alice.commit(&mut at_alice, b"", |commit| commit.propose_adds([package]));
    alice.merge_own(&mut at_alice);
    let tree = tls_codec::Serialize::tls_serialize_detached(&at_alice.export_ratchet_tree()).unwrap();
    let at_bob = bob.join(&sent.welcome.unwrap(), &tree);
    (alice, at_alice, bob, at_bob)
}

fn write(client: &Client, group: &mut MlsGroup, text: &[u8]) -> Vec<u8> {
    group.create_message(&client.provider, &client.signer, text).unwrap().to_bytes().unwrap()
}

fn read(client: &Client, group: &mut MlsGroup, message: &[u8]) -> Option<Vec<u8>> {
    let message = parse_message(message).unwrap().try_into_protocol_message().unwrap();
    match group.process_message(&client.provider, message).ok()?.into_content() {
        ProcessedMessageContent::ApplicationMessage(text) => Some(text.into_bytes()),
        _ => None,
    }
}

#[test]
fn a_member_restored_from_its_records_goes_on_where_it_was() {
    let (alice, mut at_alice, bob, mut at_bob) = pair();
    let mut saved = Saved::default();
    saved.save(&bob);
    let first = write(&alice, &mut at_alice, b"first");
    assert_eq!(read(&bob, &mut at_bob, &first).as_deref(), Some(&b"first"[..]));
    assert!(saved.save(&bob) > 0, "reading a message uses up a secret");
    let second = write(&alice, &mut at_alice, b"second");
    let commit = alice.commit(&mut at_alice, b"", |commit| commit.force_self_update(true));
    alice.merge_own(&mut at_alice);
    let third = write(&alice, &mut at_alice, b"third");

    let (bob, mut at_bob) = saved.restore(&bob, 3);
    assert_eq!(read(&bob, &mut at_bob, &first), None, "it was read before the restart");
    assert_eq!(read(&bob, &mut at_bob, &second).as_deref(), Some(&b"second"[..]));
    bob.receive(&mut at_bob, &commit.commit);
    assert_eq!(read(&bob, &mut at_bob, &third).as_deref(), Some(&b"third"[..]));
    let answer = write(&bob, &mut at_bob, b"answer");
    assert_eq!(read(&alice, &mut at_alice, &answer).as_deref(), Some(&b"answer"[..]));
}

#[test]
fn what_was_used_up_is_in_no_record_any_more() {
    let (alice, mut at_alice, bob, mut at_bob) = pair();
    let mut saved = Saved::default();
    saved.save(&bob);
    let saved_before = saved.clone();
    // The private keys of the epoch, as they stand in the records.
    let kind = MlsRecordKind::EpochKeyPairs as u8;
    let pairs = |saved: &Saved| -> Vec<Vec<u8>> {
        let of_kind = saved.0.iter().filter(|(name, _)| name[0] == kind);
        of_kind.map(|(_, content)| content.to_vec()).collect()
    };
    let before = pairs(&saved_before);
    assert!(!before.is_empty());

    let update = bob.commit(&mut at_bob, b"", |commit| commit.force_self_update(true));
    bob.merge_own(&mut at_bob);
    alice.receive(&mut at_alice, &update.commit);
    saved.save(&bob);
    // No piece of them stands anywhere.
    for piece in before.iter().flat_map(|content| content.windows(16)) {
        assert!(saved_before.holds(piece) && !saved.holds(piece), "keys of the epoch before are gone");
    }
}

#[test]
fn only_what_changed_is_saved_and_a_deleted_group_leaves_nothing() {
    let (_, _, bob, mut at_bob) = pair();
    let mut saved = Saved::default();
    assert!(saved.save(&bob) > 5);
    assert_eq!(saved.save(&bob), 0, "nothing has changed since");
    at_bob.delete(bob.provider.storage()).unwrap();
    assert!(saved.save(&bob) > 5);
    let group = MlsGroup::load(bob.provider.storage(), &GroupId::from_slice(GROUP_ID));
    assert!(group.unwrap().is_none());
    let group_id = GROUP_ID;
    let left: Vec<u8> = saved
        .0
        .keys()
        .filter(|name| name.windows(group_id.len()).any(|w| w == group_id))
        .map(|name| name[0])
        .collect();
    assert_eq!(left, [] as [u8; 0], "kinds of records that a deleted group leaves");
}

#[test]
fn what_is_printed_of_records_holds_no_content() {
    let secret = vec![201, 202, 203];
    let change =
        MlsRecordChange { name: vec![MlsRecordKind::Tree as u8], content: Some(Zeroizing::new(secret)) };
    let records = MlsRecords::restore([change.clone()]);
    assert_eq!(format!("{change:?} {records:?}"), "MlsRecordChange { deleted: false, .. } MlsRecords { .. }");
}
