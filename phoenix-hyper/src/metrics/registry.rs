//! The registry of metrics, and how events are counted in it.

use std::{sync::atomic::AtomicI64, time::Duration};

use phoenix_core::{
    operation::Report,
    wire::operations::{OperationKind, Service},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::process::Process;
use crate::{environment::Meter, host, node::Observation};

/// The media type of the text that [`Metrics::render`] returns.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a homeserver. Counts events as a [`Meter`].
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Family<OperationLabels, Histogram, fn() -> Histogram>,
    timer_duration: Histogram,
    commits: Family<OutcomeLabels, Counter>,
    under_way: Gauge<i64, AtomicI64>,
    listeners: Gauge<i64, AtomicI64>,
    timers: Gauge<i64, AtomicI64>,
    peer_requests: Family<PeerLabels, Counter>,
    peer_duration: Family<ServiceLabels, Histogram, fn() -> Histogram>,
    reports: Family<ReportLabels, Counter>,
}

/// What a node is busy with at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Operations under way or waiting for their turn.
    pub under_way: usize,
    /// Clients connected for signals.
    pub listeners: usize,
    /// Timers in memory.
    pub timers: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: Operation,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabels {
    service: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReportLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The name of an operation, or `unknown` for a code that no operation has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Operation(Option<OperationKind>);

impl EncodeLabelValue for Operation {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        use std::fmt::Write;
        match self.0 {
            Some(kind) => write!(encoder, "{kind:?}"),
            None => write!(encoder, "unknown"),
        }
    }
}

/// `reply`, or the code of the refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Outcome(Option<u16>);

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        use std::fmt::Write;
        match self.0 {
            Some(code) => write!(encoder, "{code}"),
            None => write!(encoder, "reply"),
        }
    }
}

/// Buckets from half a millisecond, the time of a read from memory, to 16 seconds, when every caller has
/// given up.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(durations),
            timer_duration: durations(),
            commits: Family::default(),
            under_way: Gauge::default(),
            listeners: Gauge::default(),
            timers: Gauge::default(),
            peer_requests: Family::default(),
            peer_duration: Family::new_with_constructor(durations),
            reports: Family::default(),
        };
        metrics.registry = metrics.registered();
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut all = Registry::default();
        let registry = all.sub_registry_with_prefix("phoenix");
        registry.register("requests", "Requests by operation and outcome", self.requests.clone());
        let help = "From a request's acceptance to its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.request_duration.clone());
        let help = "From a timer's start to its end";
        registry.register_with_unit("timer_duration", help, Unit::Seconds, self.timer_duration.clone());
        registry.register("commits", "Commits by outcome", self.commits.clone());
        registry.register("operations_under_way", "Operations under way or waiting", self.under_way.clone());
        registry.register("listeners", "Clients connected for signals", self.listeners.clone());
        registry.register("timers", "Timers in memory", self.timers.clone());
        let help = "Requests to other homeservers by service and outcome";
        registry.register("peer_requests", help, self.peer_requests.clone());
        let help = "Time that requests to other homeservers took";
        registry.register_with_unit("peer_request_duration", help, Unit::Seconds, self.peer_duration.clone());
        registry.register(
            "reports",
            "Events that need the operator's attention: see the log",
            self.reports.clone(),
        );
        let build = BuildLabels { version: env!("CARGO_PKG_VERSION") };
        registry.register("build", "The version of this software", Info::new(build));
        all.register_collector(Box::new(Process));
        all
    }

    /// Renders all metrics in the format that [`MEDIA_TYPE`] names.
    pub fn render(&self, load: Load) -> String {
        let gauges = [
            (&self.under_way, load.under_way),
            (&self.listeners, load.listeners),
            (&self.timers, load.timers),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        if let Err(error) = text::encode(&mut text, &self.registry) {
            // Writing to a string does not fail: this would be a defect.
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }
}

impl Meter for Metrics {
    fn observe(&self, observation: &Observation) {
        let Observation { request, operation, refusal, committed, elapsed, retries } = observation;
        if *request {
            let operation = Operation(*operation);
            let labels = RequestLabels { operation: operation.clone(), outcome: Outcome(*refusal) };
            self.requests.get_or_create(&labels).inc();
            let labels = OperationLabels { operation };
            self.request_duration.get_or_create(&labels).observe(elapsed.as_secs_f64());
        } else {
            self.timer_duration.observe(elapsed.as_secs_f64());
        }
        for (outcome, count) in [("committed", u64::from(*committed)), ("in_vain", u64::from(*retries))] {
            self.commits.get_or_create(&OutcomeLabels { outcome }).inc_by(count);
        }
    }

    fn peer_request(&self, service: Service, outcome: &'static str, elapsed: Duration) {
        let service = host::label(service);
        self.peer_requests.get_or_create(&PeerLabels { service, outcome }).inc();
        self.peer_duration.get_or_create(&ServiceLabels { service }).observe(elapsed.as_secs_f64());
    }

    fn report(&self, report: &Report) {
        let kind = match report {
            Report::OutboxDropped { .. } => "outbox_dropped",
            Report::DamagedMessage { .. } => "damaged_message",
            Report::PeerRefuses { .. } => "peer_refuses",
        };
        self.reports.get_or_create(&ReportLabels { kind }).inc();
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::{error::Refusal, time::Timestamp};

    use super::*;

    const LOAD: Load = Load { under_way: 3, listeners: 4, timers: 5 };

    fn observation() -> Observation {
        Observation {
            request: true,
            operation: Some(OperationKind::GetQsKeys),
            refusal: None,
            committed: false,
            elapsed: Duration::from_millis(3),
            retries: 0,
        }
    }

    #[track_caller]
    fn has(metrics: &Metrics, line: &str) {
        let text = metrics.render(LOAD);
        assert!(text.lines().any(|present| present == line), "no line {line} in\n{text}");
    }

    #[test]
    fn operations_are_counted_by_name_and_outcome() {
        let metrics = Metrics::default();
        metrics.observe(&observation());
        metrics.observe(&observation());
        metrics.observe(&Observation { refusal: Some(304), committed: true, retries: 2, ..observation() });
        metrics.observe(&Observation { operation: None, refusal: Some(101), ..observation() });
        has(&metrics, "phoenix_requests_total{operation=\"GetQsKeys\",outcome=\"reply\"} 2");
        has(&metrics, "phoenix_requests_total{operation=\"GetQsKeys\",outcome=\"304\"} 1");
        has(&metrics, "phoenix_requests_total{operation=\"unknown\",outcome=\"101\"} 1");
        has(&metrics, "phoenix_request_duration_seconds_count{operation=\"GetQsKeys\"} 3");
        has(&metrics, "phoenix_commits_total{outcome=\"committed\"} 1");
        has(&metrics, "phoenix_commits_total{outcome=\"in_vain\"} 2");
        metrics.observe(&Observation { request: false, operation: None, ..observation() });
        has(&metrics, "phoenix_timer_duration_seconds_count 1");
        has(&metrics, "phoenix_requests_total{operation=\"GetQsKeys\",outcome=\"reply\"} 2");
    }

    #[test]
    fn the_load_is_that_of_the_moment() {
        let metrics = Metrics::default();
        metrics.render(Load { under_way: 9, listeners: 9, timers: 9 });
        has(&metrics, "phoenix_operations_under_way 3");
        has(&metrics, "phoenix_listeners 4");
        has(&metrics, "phoenix_timers 5");
    }

    /// A stranger who makes a homeserver ask many others must not make its metrics grow.
    #[test]
    fn no_domain_becomes_a_label() {
        let metrics = Metrics::default();
        let series = |metrics: &Metrics| {
            let text = metrics.render(LOAD);
            text.lines().filter(|line| line.starts_with("phoenix")).count()
        };
        let mut after_one = 0;
        for number in 0..50 {
            let destination: phoenix_core::identifiers::Domain =
                format!("d{number}.example").parse().unwrap();
            metrics.peer_request(Service::Queuing, "connect", Duration::from_millis(7));
            metrics.report(&Report::PeerRefuses {
                destination: destination.clone(),
                refusal: Refusal::Internal,
            });
            metrics.report(&Report::OutboxDropped { destination, count: 1, since: Timestamp::default() });
            after_one = if number == 0 { series(&metrics) } else { after_one };
        }
        assert_eq!(series(&metrics), after_one);
        has(&metrics, "phoenix_peer_requests_total{service=\"queuing\",outcome=\"connect\"} 50");
        has(&metrics, "phoenix_peer_request_duration_seconds_count{service=\"queuing\"} 50");
        has(&metrics, "phoenix_reports_total{kind=\"peer_refuses\"} 50");
        has(&metrics, "phoenix_reports_total{kind=\"outbox_dropped\"} 50");
        assert!(!metrics.render(LOAD).contains(".example"));
    }

    #[test]
    fn the_version_is_shown_and_the_text_is_complete() {
        let metrics = Metrics::default();
        has(&metrics, concat!("phoenix_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"));
        assert!(metrics.render(LOAD).ends_with("# EOF\n"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_is_in_the_text() {
        let text = Metrics::default().render(LOAD);
        for name in [
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_max_fds",
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            assert!(value.trim().parse::<f64>().unwrap() >= 0.0);
        }
    }
}
