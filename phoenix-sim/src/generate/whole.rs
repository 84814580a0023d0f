//! All parts of a plan together.

use phoenix_core::rng::Random;

use super::{
    bounds::Scarcity,
    clocks, faults, hastened, malice,
    people::{beginnings, departures, groups, messages, users},
    periodic,
    phases::Phases,
    repair,
    servers::{hurry, servers},
};
use crate::plan::{Bound, Plan, Settings};

/// Returns the plan that follows from `settings`.
pub fn plan(settings: &Settings) -> Plan {
    let seed = seed_bytes(settings.seed);
    let random = |label: &str| Random::derive(&seed, label, &[]);
    let phases = Phases::of(settings, &mut random("phases"));
    let mut servers = servers(&mut random("servers"), settings);
    hurry(&mut random("pace"), &phases, &mut servers);
    let scarcity = Scarcity::of(&mut random("scarcity"));
    scarcity.apply(&mut random("bounds"), &mut servers);
    let groups = groups(&mut random("groups"), settings, &phases);
    let mut trouble = faults::crashes_and_partitions(&mut random("faults"), &servers, phases.end);
    trouble.extend(faults::client_crashes(&mut random("client crashes"), settings, &phases));
    trouble.extend(faults::older_copy(&mut random("older copies"), settings, &phases));
    // A wrong clock may take everything that waits for too old, at once.
    if !scarcity.drops() {
        trouble.extend(clocks::steps(&mut random("clocks"), settings, &phases));
    }
    trouble.extend(repair::mishaps(&seed, settings, &servers, phases.end));
    if phases.leisure == 1 && !scarcity.drops() {
        hastened::hasten(&mut random("hastened"), settings, &mut servers, &trouble);
    }
    trouble.extend(scarcity.faults(&mut random("absences"), settings, &phases));
    let mut periodic = periodic::periodic(&mut random("periodic"));
    // No one is signalled that a direct queue is full.
    periodic.polls |= scarcity.has(Bound::DirectQueue);
    let mut intents = beginnings(&mut random("beginnings"), settings, &phases, &groups);
    intents.extend(messages(&mut random("messages"), settings, &phases, &groups));
    intents.extend(departures(settings, &phases));
    let is_plain = phases.leisure == 1 && scarcity.is_none() && !clocks::are_set(&trouble);
    let (hostile, of_hostile) = match is_plain {
        true => malice::hostile_group(&mut random("hostile group"), settings, groups.len(), &phases),
        false => (None, Vec::new()),
    };
    intents.extend(of_hostile);
    let loans = malice::loans(&mut random("malicious clients"), settings, &phases);
    Plan {
        settings: settings.clone(),
        faults: trouble,
        start: phases.start,
        packages: scarcity.packages(),
        servers,
        users: users(&mut random("users"), settings, &phases),
        intents,
        network: faults::network(&mut random("network")),
        store_faults: periodic::without_losses(periodic, faults::store_faults(&mut random("trouble"))),
        periodic,
        faults_end: phases.end,
        habits: phases.habits(),
        attempts: faults::attempts(&mut random("attempts"), phases.end),
        loans,
        hostile,
    }
}

/// Returns the seed in the form that randomness is derived from.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}
