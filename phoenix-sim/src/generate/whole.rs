//! All parts of a plan together.

use phoenix_core::rng::Random;

use super::{
    bounds::Scarcity,
    clocks, faults, hastened, malice,
    people::{beginnings, departures, groups, messages, users},
    periodic,
    phases::Phases,
    repair,
    servers::servers,
};
use crate::plan::{Bound, Plan, Settings};

/// Returns the plan that follows from `settings`.
pub fn plan(settings: &Settings) -> Plan {
    let (seed, phases) = (seed_bytes(settings.seed), phases(settings));
    let random = |label: &str| Random::derive(&seed, label, &[]);
    let mut plan = plain(settings);
    // What is lost with rows of a store could not be told from what is lost for another reason.
    let harms = repair::harms(&seed, settings, &phases);
    let is_whole = harms.is_empty();
    let scarcity =
        if is_whole { Scarcity::of(&mut random("scarcity"), settings.seed) } else { Scarcity::default() };
    scarcity.apply(&mut random("bounds"), settings, &mut plan.servers);
    scarcity.crowd(&phases, &mut plan.intents);
    plan.packages = scarcity.packages();
    let mut trouble = faults::crashes_and_partitions(&mut random("faults"), &plan.servers, phases.end);
    trouble.extend(faults::client_crashes(&mut random("client crashes"), settings, &phases));
    if is_whole {
        trouble.extend(faults::older_copy(&mut random("older copies"), settings, &phases));
    }
    // A wrong clock may take everything that waits for too old, at once.
    if is_whole && !scarcity.drops() {
        trouble.extend(clocks::steps(&mut random("clocks"), settings, &phases));
    }
    trouble.extend(repair::mishaps(&seed, settings, &plan.servers, phases.end));
    trouble.extend(harms);
    if phases.leisure == 1 && !scarcity.drops() {
        hastened::hasten(&mut random("hastened"), &mut plan.servers, &trouble);
    }
    trouble.extend(scarcity.faults(&mut random("absences"), settings, &plan.intents, &phases));
    plan.periodic = periodic::periodic(&mut random("periodic"));
    // No one is signalled that a direct queue is full.
    plan.periodic.polls |= scarcity.has(Bound::DirectQueue);
    plan.network = faults::network(&mut random("network"));
    plan.store_faults = periodic::without_losses(plan.periodic, faults::store_faults(&mut random("trouble")));
    // What was spent or accepted since a copy of a store was made can be spent and accepted once more.
    if is_whole {
        plan.attempts = faults::attempts(&mut random("attempts"), phases.end);
        plan.loans = malice::loans(&mut random("malicious clients"), settings, &phases);
    }
    // What others must be told of damaged messages is known exactly where nothing else is lost.
    if is_whole && phases.leisure == 1 && scarcity.is_none() && !clocks::are_set(&trouble) {
        let next = plan.groups();
        let (hostile, intents) = malice::hostile_group(&mut random("hostile group"), settings, next, &phases);
        plan.hostile = hostile;
        plan.intents.extend(intents);
    }
    plan.faults = trouble;
    plan
}

/// Returns the plan of the same users and homeservers in a world in which nothing goes wrong, there is enough of
/// everything, and no one attacks.
pub fn plain(settings: &Settings) -> Plan {
    let (seed, phases) = (seed_bytes(settings.seed), phases(settings));
    let random = |label: &str| Random::derive(&seed, label, &[]);
    let groups = groups(&mut random("groups"), settings, &phases);
    let mut intents = beginnings(&mut random("beginnings"), settings, &phases, &groups);
    intents.extend(messages(&mut random("messages"), settings, &phases, &groups));
    intents.extend(departures(settings, &phases));
    Plan {
        settings: settings.clone(),
        start: phases.start,
        servers: servers(&mut random("servers"), settings),
        users: users(&mut random("users"), settings, &phases),
        intents,
        network: faults::network(&mut random("network")).without_faults(),
        faults_end: phases.end,
        habits: phases.habits(),
        ..Plan::default()
    }
}

fn phases(settings: &Settings) -> Phases {
    Phases::of(settings, &mut Random::derive(&seed_bytes(settings.seed), "phases", &[]))
}

/// Returns the seed in the form that randomness is derived from.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}
