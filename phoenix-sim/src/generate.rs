//! From a seed to a plan: the sizes come from [`Settings`], everything else is drawn.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::{
    config::{Config, Plant},
    identifiers::Domain,
    rng::Random,
};

use crate::{
    disk::StoreFaults,
    network::{Conditions, Delays, PerThousand},
    plan::{Action, DeviceCopy, Fault, FaultKind, Intent, Plan, ServerPlan, Settings},
};

/// When the first message is sent: by then most users are in their groups, but none has to be.
const MESSAGES_FROM: Duration = Duration::from_secs(60);

/// In one world of this many a client is restored from an older copy.
const OLDER_COPIES: u64 = 5;

/// How often the dishonest homeserver attempts an attack.
const ATTEMPTS: usize = 40;

/// Returns for how many milliseconds messages are sent.
fn sending_time(settings: &Settings) -> u64 {
    (1_000 * settings.messages as u64).clamp(30_000, 600_000)
}

/// Returns the plan that follows from `settings`.
pub fn plan(settings: &Settings) -> Plan {
    let seed = seed_bytes(settings.seed);
    let random = |label: &str| Random::derive(&seed, label, &[]);
    let servers = servers(&mut random("servers"), settings);
    let users: Vec<usize> = (0..settings.users).map(|user| user % settings.servers.max(1)).collect();
    let groups = groups(&mut random("groups"), settings);
    let faults_end = MESSAGES_FROM + Duration::from_millis(sending_time(settings));
    let mut faults = faults(&mut random("faults"), &servers, faults_end);
    faults.extend(client_crashes(&mut random("client crashes"), settings, faults_end));
    faults.extend(older_copy(&mut random("older copies"), settings, faults_end));
    let mut intents = beginnings(&mut random("beginnings"), settings, &groups);
    intents.extend(messages(&mut random("messages"), settings, &groups));
    Plan {
        settings: settings.clone(),
        faults,
        servers,
        users,
        intents,
        network: network(&mut random("network")),
        store_faults: store_faults(&mut random("trouble")),
        faults_end,
        attempts: attempts(&mut random("attempts"), faults_end),
    }
}

/// Returns the seed in the form that randomness is derived from.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}

/// Returns the honest homeservers, the first with two processes, then the dishonest one.
fn servers(random: &mut Random, settings: &Settings) -> Vec<ServerPlan> {
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

/// The plan of one group: users by their index.
struct GroupPlan {
    creator: usize,
    /// Those whom the creator invites.
    others: Vec<usize>,
}

fn groups(random: &mut Random, settings: &Settings) -> Vec<GroupPlan> {
    let users = settings.users;
    let count = (users / 3).max(1);
    let group = |number: usize| {
        let creator = number % users.max(1);
        let wanted = (2 + random.below(4) as usize).min(users.saturating_sub(1));
        let mut others = BTreeSet::new();
        while others.len() < wanted {
            let other = random.below(users as u64) as usize;
            if other != creator {
                others.insert(other);
            }
        }
        GroupPlan { creator, others: others.into_iter().collect() }
    };
    (0..count).map(group).collect()
}

/// Returns the intents before the messages: all users register, and the creator of a group connects with
/// those whom it invites.
fn beginnings(random: &mut Random, settings: &Settings, groups: &[GroupPlan]) -> Vec<Intent> {
    let mut within = |from: u64, range: u64| Duration::from_millis(from + random.below(range));
    let mut intents: Vec<Intent> = (0..settings.users)
        .map(|user| Intent { at: within(0, 3_000), user, action: Action::Register })
        .collect();
    let mut connected = BTreeSet::new();
    for (number, group) in groups.iter().enumerate() {
        let user = group.creator;
        for other in &group.others {
            // One request connects both. In every other group there may be two, which cross.
            if connected.insert((user.min(*other), user.max(*other))) || number % 2 == 1 {
                intents.push(Intent {
                    at: within(4_000, 10_000),
                    user,
                    action: Action::Connect { other: *other },
                });
            }
        }
        intents.push(Intent {
            at: within(5_000, 20_000),
            user,
            action: Action::CreateGroup { group: number },
        });
        for (index, other) in group.others.iter().enumerate() {
            // Most are members before the first message; some join while messages are sent.
            let range = if is_late(number, index) { 100_000 } else { 15_000 };
            let at = within(15_000, range);
            intents.push(Intent { at, user, action: Action::Invite { group: number, other: *other } });
        }
    }
    intents
}

/// Returns whether a user is invited late: one in every other group is.
fn is_late(group: usize, index: usize) -> bool {
    group % 2 == 1 && index == 1
}

/// Returns the intents of members to send messages and, a tenth as often, to renew their keys.
fn messages(random: &mut Random, settings: &Settings, groups: &[GroupPlan]) -> Vec<Intent> {
    let mut intents = Vec::new();
    let spread = sending_time(settings);
    let member = |random: &mut Random| {
        let number = random.below(groups.len() as u64) as usize;
        let group = &groups[number];
        let index = random.below(group.others.len() as u64 + 1) as usize;
        (number, group.others.get(index).copied().unwrap_or(group.creator))
    };
    for message in 0..settings.messages {
        let (group, user) = member(random);
        let at = MESSAGES_FROM + Duration::from_millis(random.below(spread));
        let text = format!("message {message} of user {user} to group {group}");
        intents.push(Intent { at, user, action: Action::Send { group, text } });
    }
    for _ in 0..settings.messages.div_ceil(10) {
        let (group, user) = member(random);
        let at = MESSAGES_FROM + Duration::from_millis(random.below(spread));
        intents.push(Intent { at, user, action: Action::Update { group } });
    }
    intents
}

/// Returns crashes of honest homeservers' processes, which may overlap, and partitions.
fn faults(random: &mut Random, servers: &[ServerPlan], end: Duration) -> Vec<Fault> {
    let mut faults = Vec::new();
    let span = end.as_millis() as u64;
    let honest = servers.len() as u64 - 1;
    for _ in 0..2 + random.below(10) {
        let server = random.below(honest) as usize;
        let number = random.below(servers[server].nodes as u64) as usize;
        let at = Duration::from_millis(random.below(span));
        let longest = if random.below(3) == 0 { 60_000 } else { 3_000 };
        let lasts = Duration::from_millis(20 + random.below(longest));
        faults.push(Fault { at, lasts, kind: FaultKind::Crash { server, number } });
    }
    for _ in 0..random.below(4) {
        let one_side = (0..servers.len()).filter(|_| random.below(2) == 0).collect();
        let at = Duration::from_millis(random.below(span));
        let lasts = Duration::from_millis(1_000 + random.below(60_000));
        faults.push(Fault { at, lasts, kind: FaultKind::Partition { one_side } });
    }
    faults
}

/// Returns crashes of clients: some in each phase of a client's life.
fn client_crashes(random: &mut Random, settings: &Settings, end: Duration) -> Vec<Fault> {
    let until = end.as_millis() as u64;
    let from_messages = MESSAGES_FROM.as_millis() as u64;
    // While clients register, connect, invite and join, and while they send and renew their keys.
    let phases = [0..4_000, 4_000..15_000, 15_000..40_000, from_messages..until, from_messages..until];
    let mut faults = Vec::new();
    for phase in phases {
        for _ in 0..1 + random.below(settings.users as u64) {
            let user = random.below(settings.users as u64) as usize;
            let at = phase.start + random.below(phase.end.saturating_sub(phase.start));
            let longest = if random.below(4) == 0 { 30_000 } else { 2_000 };
            let lasts = Duration::from_millis(20 + random.below(longest));
            let kind = FaultKind::ClientCrash { user, steps: random.below(8), copy: DeviceCopy::Last };
            faults.push(Fault { at: Duration::from_millis(at), lasts, kind });
        }
    }
    faults
}

/// Returns, for one world of five, the crash of a client in the middle of its conversations, after which it
/// is restored from an older copy.
fn older_copy(random: &mut Random, settings: &Settings, end: Duration) -> Option<Fault> {
    let happens = random.below(OLDER_COPIES) == 0;
    let user = random.below(settings.users as u64) as usize;
    let span = end.saturating_sub(MESSAGES_FROM).as_millis() as u64;
    let at = MESSAGES_FROM + Duration::from_millis(span / 4 + random.below(span / 2));
    let copy = DeviceCopy::Older(Duration::from_millis(1_000 + random.below(40_000)));
    let lasts = Duration::from_millis(20 + random.below(10_000));
    let kind = FaultKind::ClientCrash { user, steps: random.below(8), copy };
    happens.then_some(Fault { at, lasts, kind })
}

fn network(random: &mut Random) -> Conditions {
    let ms = Duration::from_millis;
    let straggler = ms(100 + random.below(4_000));
    let most = ms(2 + random.below(80));
    let delays = Delays { least: ms(1), most, stragglers: PerThousand(random.below(60) as u16), straggler };
    Conditions {
        delays,
        loss: PerThousand(random.below(80) as u16),
        duplication: PerThousand(random.below(80) as u16),
    }
}

fn store_faults(random: &mut Random) -> StoreFaults {
    StoreFaults {
        conflicts: PerThousand(random.below(80) as u16),
        unknown: PerThousand(random.below(40) as u16),
        unreadable: PerThousand(random.below(5) as u16),
        latency: Duration::from_millis(2 + random.below(20)),
    }
}

/// Returns the times of attempts: until a little after the faults end, so that some reach a homeserver for
/// certain.
fn attempts(random: &mut Random, end: Duration) -> Vec<Duration> {
    let from = Duration::from_secs(10);
    let span = (end + Duration::from_secs(30) - from).as_millis() as u64;
    (0..ATTEMPTS).map(|_| from + Duration::from_millis(random.below(span))).collect()
}
