//! PROTOCOL.md §3.7 — a queue: its first key, a message, a rotation, a message after it.

use super::{NOW, Vector, check};
use crate::{
    crypto::{
        hpke::HpkePrivateKey,
        ratchet::{QueueEntry, QueueRatchet, QueueReader, RatchetSecret},
    },
    identifiers::QsClientId,
    rng::Random,
    wire::queues::{FAN_OUT_QUEUE, queue_name},
};

fn entry(name: &str, entry: &QueueEntry) -> Vector {
    Vector::new(name)
        .number("generation", entry.generation.into())
        .number("sequence", entry.sequence)
        .encoded("entry", entry)
        .bytes("hash", &entry.hash())
}

#[test]
fn queue() {
    let owner = HpkePrivateKey::from_bytes(&[8; 32]).unwrap();
    let name = queue_name(FAN_OUT_QUEUE, &QsClientId([2; 16]));
    let random = &mut Random::from_seed([3; 32]);
    // The first of what is drawn is the ratchet key.
    let drawn: [u8; 32] = Random::from_seed([3; 32]).array();
    let (mut ratchet, first) = QueueRatchet::start(random, owner.public_key(), &name, 0, 0, NOW).unwrap();
    let one = ratchet.append(random, &name, b"one").unwrap();
    let rotation = ratchet.rotate(random, &name, NOW).unwrap();
    let two = ratchet.append(random, &name, b"two").unwrap();

    let mut reader = QueueReader::new(owner.clone());
    let read = [&first, &one, &rotation, &two].map(|entry| reader.open(&name, entry).unwrap());
    let read = read.map(|message| message.map(|message| message.to_vec()));
    assert_eq!(read, [None, Some(b"one".to_vec()), None, Some(b"two".to_vec())]);

    let secret = RatchetSecret::from_bytes([1; 32]);
    let vectors = [
        Vector::new("steps of a ratchet")
            .encoded("ratchet_key", &secret)
            .encoded("next_ratchet_key", &secret.step().0)
            .bytes("fresh", &[2; 32])
            .encoded("rotated_ratchet_key", &secret.rotate(&[2; 32])),
        Vector::new("queue")
            .bytes("owner_private_key", owner.to_bytes().as_slice())
            .bytes("queue_name", &name)
            .bytes("first_ratchet_key", &drawn),
        entry("ratchet_key", &first),
        entry("message", &one).bytes("plaintext", b"one"),
        entry("rotation", &rotation),
        entry("message after the rotation", &two).bytes("plaintext", b"two"),
    ];
    check("queue.json", include_str!("../../../vectors/queue.json"), &vectors);
}
