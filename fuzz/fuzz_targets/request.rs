//! Any bytes as a request: read, and served until the homeserver wants a row.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use phoenix_core::{
    config::Config, dispatch::Input, homeserver::Homeserver, keys::ServiceKeys, operation::Step, rng::Random,
    store::commit::Rows, time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

static HOMESERVER: LazyLock<Homeserver> = LazyLock::new(|| {
    let domain = "example.com".parse().expect("a domain");
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), NOW);
    Homeserver::new(Config::new(domain), keys)
});

fuzz_target!(|bytes: &[u8]| {
    let mut operation = HOMESERVER.accept(Input::Request(bytes), NOW, [2; 32]);
    // An empty store: every row is absent.
    while let Step::Read(reads) = operation.poll() {
        let rows = reads.keys.into_iter().map(|key| (key, None)).collect();
        operation
            .supply(Rows { rows, scans: reads.scans.into_iter().map(|scan| (scan, Vec::new())).collect() });
    }
});
