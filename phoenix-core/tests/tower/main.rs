//! The tower: every room of the core imports only rooms below it, and no file imports itself in a circle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod imports;

use std::{collections::BTreeSet, path::Path};

use imports::Imports;

/// The rooms from the ground up, floor by floor. Each may import only rooms listed before it.
const ROOMS: &[(&str, &str)] = &[
    // The ground.
    ("rng", "randomness as it comes in"),
    ("hex", "bytes as people read them"),
    ("codec", "one encoding"),
    ("identifiers", "who and what is named"),
    ("time", "time as it comes in"),
    ("limits", "bounds, each with its reason"),
    ("crypto", "labels, signatures, encryption, ratchet, tokens, passwords"),
    // What members and servers are known by.
    ("mls", "groups as the delivery service validates them"),
    ("credentials", "the chain from a root to a leaf, and the one door for validated keys"),
    // What is kept and what travels.
    ("store", "records and commits"),
    ("keys", "the keys of a homeserver"),
    ("error", "refusals and what to do about them"),
    ("config", "settings"),
    ("wire", "messages"),
    // The machine.
    ("homeserver", "settings, keys and caches that change no result"),
    ("operation", "the restart loop and its words"),
    ("rates", "buckets, windows, stored times"),
    ("collections", "a head row that counts, rows behind it"),
    // What services share.
    ("request", "a request, its token, its answer"),
    ("peer_keys", "the published keys of other homeservers"),
    // The services, a room for each chapter of the protocol.
    ("auth_service", "users, credentials, connections, tokens"),
    ("queuing_service", "pseudonymous queues and who may deliver to them"),
    ("delivery_service", "groups"),
    ("federation", "streams to and from other homeservers"),
    // Above: who knows all of them.
    ("dispatch", "from an input to the operation that serves it"),
    // Beside the tower.
    ("client", "the whole client side"),
    ("forgery", "what dishonest homeservers and clients make"),
];

/// The rooms that never import each other.
const SERVICES: [&str; 4] = ["auth_service", "queuing_service", "delivery_service", "federation"];

/// Rooms that stand beside the tower, with what they may import of it besides the ground.
const BESIDE: [(&str, &[&str]); 2] =
    [("client", &["mls", "credentials", "error", "wire"]), ("forgery", &["mls", "credentials", "wire"])];

fn tower() -> Imports {
    Imports::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn every_room_imports_only_rooms_below_it() {
    tower().assert_order(ROOMS);
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    tower().assert_no_circle();
}

#[test]
fn services_do_not_import_each_other() {
    let tower = tower();
    for service in SERVICES {
        for (target, file) in tower.of_room(service) {
            assert!(!SERVICES.contains(&target), "{file} imports {target}, another service");
        }
    }
}

#[test]
fn nothing_of_the_tower_imports_what_stands_beside_it_which_imports_little() {
    let tower = tower();
    let ground: BTreeSet<&str> =
        ["rng", "hex", "codec", "identifiers", "time", "limits", "crypto"].into_iter().collect();
    for (room, allowed) in BESIDE {
        for (target, file) in tower.of_room(room) {
            assert!(ground.contains(target) || allowed.contains(&target), "{file} imports {target}");
        }
        for (other, _) in ROOMS.iter().filter(|(other, _)| *other != room) {
            assert!(!tower.of_room(other).contains_key(room), "{other} imports {room}");
        }
    }
}
