//! The order of the rooms: each imports only rooms below it, and no file imports itself in a circle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../phoenix-core/tests/tower/imports.rs"]
mod imports;

use std::path::Path;

use imports::Imports;

/// The rooms from the ground up. Each may import only rooms listed before it.
const ROOMS: &[(&str, &str)] = &[
    ("host", "host names of services"),
    ("body", "HTTP bodies within limits and budgets"),
    ("web_socket", "what both ends of the web socket agree upon"),
    ("private_file", "files that only their owner may read"),
    ("store", "what a database must be able to do, with two implementations"),
    ("tls", "identities and trust"),
    ("node", "operations driven over a store"),
    ("peers", "requests to other homeservers"),
    ("environment", "clock, randomness and peers for a node"),
    ("listen", "the web socket, on the server's side"),
    ("service", "a node as an HTTP service"),
    ("server", "connections to the service"),
    ("client", "a client at work"),
    ("metrics", "measurements for the operator"),
    ("admin", "the address for the operator"),
    ("settings", "the operator's decisions"),
    ("logs", "the log, as the settings say"),
    ("key_file", "keys as files"),
    ("data_directory", "everything that outlives the process"),
    ("local", "homeservers as processes of one machine"),
    ("bench", "throughput, latency and cost of homeservers"),
    ("demo", "homeservers at work and under attack"),
    ("thief", "what the files of homeservers tell"),
    ("commands", "the command line"),
];

#[test]
fn every_room_imports_only_rooms_below_it_and_no_file_itself() {
    let imports = Imports::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    imports.assert_order(ROOMS);
    imports.assert_no_circle();
}
