//! All parts of a plan together.

use std::time::Duration;

use phoenix_core::rng::Random;

use super::{
    faults,
    people::{beginnings, groups, messages},
    phases::{MESSAGES_FROM, sending_time},
    repair,
    servers::servers,
};
use crate::plan::{Plan, Settings};

/// Returns the plan that follows from `settings`.
pub fn plan(settings: &Settings) -> Plan {
    let seed = seed_bytes(settings.seed);
    let random = |label: &str| Random::derive(&seed, label, &[]);
    let servers = servers(&mut random("servers"), settings);
    let users: Vec<usize> = (0..settings.users).map(|user| user % settings.servers.max(1)).collect();
    let groups = groups(&mut random("groups"), settings);
    let faults_end = MESSAGES_FROM + Duration::from_millis(sending_time(settings));
    let mut trouble = faults::crashes_and_partitions(&mut random("faults"), &servers, faults_end);
    trouble.extend(faults::client_crashes(&mut random("client crashes"), settings, faults_end));
    trouble.extend(repair::mishaps(&seed, settings, &servers, faults_end));
    let mut attempts = faults::attempts(&mut random("attempts"), faults_end);
    if repair::harms_store(&trouble) {
        // What was spent since the copy can be spent again, and what was accepted can be accepted again; and what
        // a client has missed because it is an older copy itself could not be told from what was lost.
        attempts.clear();
    } else {
        trouble.extend(faults::older_copy(&mut random("older copies"), settings, faults_end));
    }
    let mut intents = beginnings(&mut random("beginnings"), settings, &groups);
    intents.extend(messages(&mut random("messages"), settings, &groups));
    Plan {
        settings: settings.clone(),
        faults: trouble,
        servers,
        users,
        intents,
        network: faults::network(&mut random("network")),
        store_faults: faults::store_faults(&mut random("trouble")),
        faults_end,
        attempts,
    }
}

/// Returns the seed in the form that randomness is derived from.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}
