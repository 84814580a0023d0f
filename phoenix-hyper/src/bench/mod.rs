//! `phoenix bench`: homeservers as processes of their own, over TLS, on durable stores, with real clients; what they
//! deliver, how long it takes, and what it costs them.
//!
//! The clients share the machine with the homeservers. So that their own work is not taken for the homeservers',
//! deliveries are timed until they are read and acknowledged by their recipients, and what was read is decrypted
//! after that; every message is then checked: all there, in order, once. Processor time is the homeservers' alone.

mod crowd;
mod deliveries;
mod latency;
mod outage;
mod report;

use std::{num::NonZeroUsize, path::Path};

use phoenix_core::identifiers::Domain;

use self::crowd::Crowd;
pub use self::report::{Report, Story};
use crate::{
    local::{Failure, Homeserver, Program, reach},
    metrics::process,
    peers::Peers,
};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// Homeservers. Whoever sends is at the first; recipients are at the others, or at the first if it is alone.
    pub servers: NonZeroUsize,
    /// Recipients at most, over all homeservers.
    pub users: usize,
    /// Messages sent for each size of group.
    pub messages: usize,
    /// To how many recipients each message goes.
    pub recipients: Vec<usize>,
    /// Messages sent one by one, ten a second, to see how long each takes.
    pub paced: usize,
    /// Messages sent while a homeserver is away.
    pub outage: usize,
}

/// Deliveries in a measurement at least: less is over before it can be measured.
const DELIVERIES: usize = 10_000;

/// Settings of homeservers that are measured: what would hold back so few users with so much to say is set aside,
/// and others are tried again as soon as they may be back.
const SETTINGS: &str = "\
[times]
backoff_first = \"100 ms\"
backoff_limit = \"400 ms\"

[rates]
registrations_per_minute = 1000000
token_allowance = 1000000
domain_first_day = 100000000
domain_limit = 100000000
new_domains = 100000000
source_entries_per_second = 1000000
source_burst = 10000000
client_per_minute = 1000000
membership_per_minute = 1000000

[sizes]
outbox_entries = 1000000
";

/// Measures.
///
/// # Errors
/// [`Failure`]: what was seen instead of what must hold.
pub async fn run(
    options: &Options,
    program: &Program,
    folder: &Path,
    story: Story,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut homeservers = start(options.servers, program, folder).await?;
    let places: Vec<_> = homeservers.iter().map(|homeserver| homeserver.place.clone()).collect();
    let peers = Peers::new(reach(&places)?)?;
    report.idle_memory_mebibytes = memory(&homeservers);
    story.tell(&format!("{} homeservers, idle in {:?} MiB", homeservers.len(), report.idle_memory_mebibytes));
    let mut crowd = Crowd::register(&places, options, &peers, &story).await?;
    for recipients in options.recipients.iter().copied().filter(|count| *count <= options.users) {
        let messages = options.messages.max(DELIVERIES / recipients.max(1));
        let figures = deliveries::measure(&mut crowd, &homeservers, recipients, messages, &story).await?;
        story.tell(&figures.to_string());
        report.deliveries.push(figures);
    }
    if options.paced > 0 {
        let figures = latency::measure(&mut crowd, options.paced, &story).await?;
        story.tell(&figures.to_string());
        report.latency = Some(figures);
    }
    report.memory_mebibytes = memory(&homeservers);
    if options.outage > 0
        && let [_, away, ..] = &mut *homeservers
    {
        let figures = outage::measure(&mut crowd, away, &peers, options.outage, &story).await?;
        story.tell(&figures.to_string());
        report.outage = Some(figures);
    }
    Ok(report)
}

/// Starts homeservers that know each other.
async fn start(count: NonZeroUsize, program: &Program, folder: &Path) -> Result<Vec<Homeserver>, Failure> {
    let domains = (1..=count.get()).map(|number| format!("server{number}.localhost").parse::<Domain>());
    let domains = domains.collect::<Result<Vec<_>, _>>().map_err(|error| Failure(error.to_string()))?;
    let homeservers = domains.into_iter().map(|domain| Homeserver::create(folder, domain, program));
    let mut homeservers = homeservers.collect::<Result<Vec<_>, _>>()?;
    let places: Vec<_> = homeservers.iter().map(|homeserver| homeserver.place.clone()).collect();
    let peers = Peers::new(reach(&places)?)?;
    for homeserver in &mut homeservers {
        homeserver.configure(&places, SETTINGS)?;
        homeserver.start(&peers).await?;
    }
    Ok(homeservers)
}

/// Processor time that the homeservers have used so far, together, in seconds.
fn processor_time(homeservers: &[Homeserver]) -> f64 {
    let processes = homeservers.iter().filter_map(Homeserver::process);
    processes.filter_map(|process| process::processor_time(&process.to_string())).sum()
}

fn memory(homeservers: &[Homeserver]) -> Vec<f64> {
    let processes = homeservers.iter().filter_map(Homeserver::process);
    let bytes = processes.filter_map(|process| process::resident_memory(&process.to_string()));
    bytes.map(|bytes| report::rounded(bytes as f64 / f64::from(1 << 20))).collect()
}
