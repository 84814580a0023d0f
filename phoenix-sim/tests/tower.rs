//! The order of the rooms: each imports only rooms below it, and no file imports itself in a circle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../phoenix-core/tests/tower/imports.rs"]
mod imports;

use std::path::Path;

use imports::Imports;

/// The rooms from the ground up. Each may import only rooms listed before it.
const ROOMS: &[(&str, &str)] = &[
    ("interpose", "simulates the clock and the randomness of the system, for dependencies"),
    ("clock", "virtual time, and clocks that are off"),
    ("network", "delays, loss, duplication, partitions"),
    ("disk", "a store and how it fails"),
    ("journal", "what a store may lose if the power fails"),
    ("device", "what outlives the process of a client"),
    ("schedule", "events to come"),
    ("trace", "events that were, and their hash"),
    ("plan", "what is decided before a world begins"),
    ("report", "figures and failures"),
    ("names", "how failures call what has an id"),
    ("generate", "from a seed to a plan"),
    ("node", "a process and the operations that it runs"),
    ("server", "a homeserver: what its processes share"),
    ("user", "a user and its client"),
    ("adversary", "the dishonest homeserver"),
    ("malice", "malicious clients"),
    ("oracle", "what must hold"),
    ("world", "all of it, event by event"),
];

#[test]
fn every_room_imports_only_rooms_below_it_and_no_file_itself() {
    let imports = Imports::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    imports.assert_order(ROOMS);
    imports.assert_no_circle();
}
