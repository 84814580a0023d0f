//! The measurements, one after the other.

use std::{num::NonZeroUsize, path::Path};

use phoenix_core::identifiers::Domain;

use super::{
    cost::memory,
    crowd::Crowd,
    deliveries, latency,
    options::Options,
    outage,
    report::{Report, Story},
};
use crate::{
    local::{Failure, Homeserver, Program, reach},
    peers::Peers,
};

/// The fewest deliveries of a measurement: fewer end before they can be measured.
const DELIVERIES: usize = 10_000;

/// Settings of the homeservers: rates far above what so few users with so many messages need, and short waits
/// before a homeserver that was down is tried again.
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

/// Runs the measurements on homeservers in `folder`, and prints progress on the way.
///
/// # Errors
/// [`Failure`] if a message is lost, duplicated or out of order, or a homeserver fails.
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
