//! The values that cannot work, and why.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::{
    limits::{MAX_LARGE_REQUEST, MAX_STREAM_EPOCH},
    time::{DAY, HOUR, MINUTE},
};
use serde_json::Value;

use super::{
    duration,
    error::SettingsError,
    logs::is_logged,
    sections::{FederationPolicy, FederationRule, Settings},
};

/// The values that a setting may have, both ends included.
pub(super) enum Range {
    Time(Duration, Duration),
    Count(u64, u64),
}

use Range::{Count, Time};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const YEAR: Duration = DAY.saturating_mul(365);

/// The range of every setting that is a number or a duration. The lower ends keep the homeserver working at
/// all. The upper ends are far above useful values, and low enough for memory and for the timeouts of peers.
pub(super) const RANGES: &[(&str, Range)] = &[
    ("server.network_threads", Count(1, 64)),
    ("server.operation_threads", Count(0, 1024)),
    ("connections.connections", Count(1, 1_000_000)),
    ("connections.connections_per_address", Count(1, 1_000_000)),
    // The largest request must get through.
    ("connections.body_bytes_per_address", Count(MAX_LARGE_REQUEST as u64, 1 << 40)),
    ("connections.handshake", Time(SECOND, MINUTE.saturating_mul(5))),
    ("connections.first_request", Time(SECOND, MINUTE.saturating_mul(5))),
    ("connections.idle", Time(SECOND, DAY)),
    ("connections.grace", Time(SECOND, HOUR)),
    ("connections.farewell", Time(SECOND, HOUR)),
    ("connections.header_bytes", Count(8 << 10, 1 << 20)),
    ("connections.headers", Count(16, 1024)),
    ("connections.streams", Count(1, 65_536)),
    ("connections.early_resets", Count(1, 65_536)),
    ("connections.error_resets", Count(1, 65_536)),
    ("connections.keep_alive", Time(SECOND, HOUR)),
    ("connections.keep_alive_timeout", Time(SECOND, HOUR)),
    ("bodies.time", Time(SECOND, HOUR)),
    ("bodies.bytes", Count(MAX_LARGE_REQUEST as u64, 1 << 40)),
    ("outgoing.look_up", Time(SECOND, MINUTE)),
    ("outgoing.connect", Time(SECOND, MINUTE)),
    ("outgoing.handshake", Time(SECOND, MINUTE)),
    ("outgoing.request", Time(SECOND, MINUTE.saturating_mul(10))),
    ("outgoing.idle", Time(SECOND, DAY)),
    ("outgoing.keep_alive", Time(SECOND, HOUR)),
    ("outgoing.keep_alive_timeout", Time(SECOND, HOUR)),
    ("outgoing.connections", Count(1, 65_536)),
    ("outgoing.answer_bytes", Count(MAX_LARGE_REQUEST as u64, 1 << 40)),
    ("work.operations", Count(1, 65_536)),
    ("work.requests", Count(1, 1_000_000)),
    ("work.requests_per_lane", Count(1, 65_536)),
    ("work.timers", Count(1, 4096)),
    ("work.deliveries", Count(1, 4096)),
    ("work.listeners", Count(1, 1_000_000)),
    ("work.poll", Time(SECOND, HOUR)),
    ("store.cache", Count(0, 1 << 40)),
    ("store.write_buffer", Count(1 << 20, 1 << 32)),
    ("store.workers", Count(1, 64)),
    ("store.files", Count(16, 65_536)),
    ("store.waiting", Count(1, 65_536)),
    // At least a minute, since clocks differ. At most a day, since answers are remembered for as long.
    ("times.request_past", Time(MINUTE, DAY)),
    ("times.request_future", Time(SECOND, HOUR)),
    ("times.frame_window", Time(SECOND, HOUR)),
    ("times.registration", Time(MINUTE, DAY)),
    ("times.group_reservation", Time(MINUTE, DAY)),
    ("times.client_credential", Time(DAY, YEAR.saturating_mul(2))),
    ("times.key_set", Time(HOUR, DAY.saturating_mul(30))),
    ("times.token_key", Time(HOUR, YEAR)),
    ("times.queue_rotation", Time(MINUTE, YEAR)),
    ("times.stream_epoch", Time(MINUTE, DAY)),
    ("times.key_package_batch", Time(MINUTE, DAY.saturating_mul(30))),
    // A lease shorter than a commit is never held; a long one makes work wait for a node that is gone.
    ("times.lease", Time(SECOND, HOUR)),
    ("times.key_refresh", Time(MINUTE, DAY)),
    ("times.key_retry", Time(SECOND, HOUR)),
    ("times.backoff_first", Time(MILLISECOND.saturating_mul(10), HOUR)),
    ("times.backoff_limit", Time(MILLISECOND.saturating_mul(100), DAY)),
    ("times.outbox_age", Time(MINUTE, DAY.saturating_mul(90))),
    ("times.sweep", Time(SECOND, DAY)),
    ("rates.registrations_per_minute", Count(1, 1_000_000)),
    ("rates.token_allowance", Count(1, 1_000_000)),
    ("rates.token_time_frame", Time(MINUTE, DAY.saturating_mul(30))),
    // An operator may decide to give new domains no tokens at all.
    ("rates.domain_first_day", Count(0, 1_000_000_000)),
    ("rates.domain_limit", Count(1, 1_000_000_000)),
    ("rates.new_domains", Count(0, 1_000_000_000)),
    ("rates.source_entries_per_second", Count(1, 1_000_000)),
    ("rates.source_burst", Count(1, 10_000_000)),
    // Zero means that only known homeservers are asked.
    ("rates.first_contacts_per_second", Count(0, 10_000)),
    ("rates.first_contact_burst", Count(0, 100_000)),
    ("rates.client_per_minute", Count(1, 1_000_000)),
    ("rates.membership_per_minute", Count(1, 1_000_000)),
    ("sizes.fan_out_queue", Count(1, 10_000_000)),
    ("sizes.direct_queue", Count(1, 1_000_000)),
    ("sizes.outbox_entries", Count(1, 10_000_000)),
    // Homeservers accept 64 streams of one source, and a source that lost its state needs new ones.
    ("sizes.stream_shards", Count(1, 16)),
    ("sizes.batch_entries", Count(1, MAX_STREAM_EPOCH)),
    ("sizes.recipients_per_commit", Count(1, 4096)),
    ("sizes.section_padding", Count(16, MAX_LARGE_REQUEST as u64)),
    ("sizes.sweep_batch", Count(1, 65_536)),
];

/// Refuses settings that cannot work.
///
/// # Errors
/// [`SettingsError::Refused`] names the first such setting.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    let leaves = leaves(settings)?;
    for (name, range) in RANGES {
        if let Some((_, value)) = leaves.iter().find(|(leaf, _)| leaf == name) {
            range.check(name, value)?;
        }
    }
    order(settings)?;
    rule("federation.inbound", &settings.federation.inbound)?;
    rule("federation.outbound", &settings.federation.outbound)?;
    let mut domains = BTreeSet::new();
    if let Some(twice) = settings.federation.peers.iter().find(|peer| !domains.insert(&peer.domain)) {
        return Err(SettingsError::refused("federation.peers.domain", &twice.domain, "is there twice"));
    }
    certificate(settings)?;
    let other = settings.logs.targets.keys().find(|target| !is_logged(target));
    other.map_or(Ok(()), |target| {
        let reason = "only modules of phoenix, phoenix_hyper and phoenix_core are ever logged";
        Err(SettingsError::refused("logs.targets", target, reason))
    })
}

/// Every setting as the file has it, by its name with the section first.
pub(super) fn leaves(settings: &Settings) -> Result<Vec<(String, Value)>, SettingsError> {
    fn walk(name: String, value: Value, leaves: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (field, value) in fields {
                    let name = if name.is_empty() { field } else { format!("{name}.{field}") };
                    walk(name, value, leaves);
                }
            }
            value => leaves.push((name, value)),
        }
    }
    let value = serde_json::to_value(settings)
        .map_err(|error| SettingsError::refused("settings", "", error.to_string()))?;
    let mut leaves = Vec::new();
    walk(String::new(), value, &mut leaves);
    Ok(leaves)
}

impl Range {
    fn check(&self, name: &str, value: &Value) -> Result<(), SettingsError> {
        let (holds, bounds) = match self {
            Time(least, most) => {
                let value = value.as_str().and_then(|text| duration::parse(text).ok());
                let bounds = (duration::format(*least), duration::format(*most));
                (value.is_some_and(|value| (*least..=*most).contains(&value)), bounds)
            }
            Count(least, most) => {
                let bounds = (least.to_string(), most.to_string());
                (value.as_u64().is_some_and(|value| (*least..=*most).contains(&value)), bounds)
            }
        };
        if holds {
            return Ok(());
        }
        let (least, most) = bounds;
        Err(SettingsError::refused(name, value, format!("must be between {least} and {most}")))
    }
}

/// Refuses settings that exceed another one.
fn order(settings: &Settings) -> Result<(), SettingsError> {
    let (times, rates) = (&settings.times, &settings.rates);
    let durations = [
        ("times.backoff_first", times.backoff_first, "times.backoff_limit", times.backoff_limit),
        ("times.key_refresh", times.key_refresh, "times.key_set", times.key_set),
        ("times.key_retry", times.key_retry, "times.key_refresh", times.key_refresh),
    ];
    for (name, value, other, most) in durations {
        if value > most {
            let reason = format!("must not be more than {other}, which is {}", duration::format(most));
            return Err(SettingsError::refused(name, duration::format(value), reason));
        }
    }
    if rates.domain_first_day > rates.domain_limit {
        let reason = format!("must not be more than rates.domain_limit, which is {}", rates.domain_limit);
        return Err(SettingsError::refused("rates.domain_first_day", rates.domain_first_day, reason));
    }
    Ok(())
}

/// Refuses a list without effect: the operator would be mistaken about who is kept out.
fn rule(name: &str, rule: &FederationRule) -> Result<(), SettingsError> {
    let lists = [
        ("allow", &rule.allow, FederationPolicy::Allowlist, "allowlist"),
        ("block", &rule.block, FederationPolicy::Open, "open"),
    ];
    for (list, patterns, policy, word) in lists {
        if !patterns.is_empty() && rule.policy != policy {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            let reason = format!("has no effect unless {name}.policy is \"{word}\"");
            return Err(SettingsError::refused(&format!("{name}.{list}"), format!("{patterns:?}"), reason));
        }
    }
    Ok(())
}

fn certificate(settings: &Settings) -> Result<(), SettingsError> {
    let (name, path, absent) = match (&settings.server.certificate, &settings.server.key) {
        (Some(path), None) => ("server.certificate", path, "server.key"),
        (None, Some(path)) => ("server.key", path, "server.certificate"),
        _ => return Ok(()),
    };
    Err(SettingsError::refused(name, path.display(), format!("needs {absent} too")))
}
