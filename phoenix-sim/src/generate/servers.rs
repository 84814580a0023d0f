//! The homeservers and their settings.

use std::time::Duration;

use phoenix_core::{
    config::{Config, Plant},
    identifiers::Domain,
    rng::Random,
};

use crate::plan::{ServerPlan, Settings};

/// Returns the honest homeservers, the first with two processes, then the dishonest one.
pub fn servers(random: &mut Random, settings: &Settings) -> Vec<ServerPlan> {
    let names = (0..settings.servers).map(|number| format!("server{number}.example"));
    let names = names.chain(std::iter::once("dishonest.example.org".to_owned()));
    let domains = names.filter_map(|name| name.parse::<Domain>().ok());
    let plans = domains.enumerate().map(|(number, domain)| ServerPlan {
        config: config(domain, settings.homeserver_plant()),
        nodes: if number == 0 { 2 } else { 1 },
        skew_milliseconds: random.below(120_000) as i64 - 60_000,
    });
    plans.collect()
}

fn config(domain: Domain, plant: Option<Plant>) -> Config {
    let mut config = Config::new(domain);
    config.plant = plant;
    // An outage of minutes must not delay a delivery by an hour: everything must settle within minutes.
    config.times.backoff_limit = Duration::from_secs(60);
    config.rates.token_allowance = 5_000;
    config.rates.domain_first_day = 20_000;
    config.rates.new_domains = 100_000;
    // Small, so that few messages fill more than one batch, stream and commit of the distributor.
    config.sizes.batch_entries = 8;
    config.sizes.stream_shards = 2;
    config.sizes.recipients_per_commit = 2;
    config.sizes.section_padding = 4 << 10;
    config
}
