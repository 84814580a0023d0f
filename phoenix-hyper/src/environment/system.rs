//! The environment of a homeserver on this machine.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use phoenix_core::{
    error::PeerFailure,
    operation::{Ask, Report},
    time::Timestamp,
};

use super::{
    meter::Meter,
    sources::{now, seed},
};
use crate::{
    host,
    node::{Environment, Observation},
    peers::{Peers, SendError},
};

/// The system's clock and random generator, and other homeservers over the network. Logs what the operator
/// should know, and measures for a [`Meter`].
pub struct System {
    peers: Peers,
    meter: Option<Arc<dyn Meter>>,
    silences: Throttle,
}

impl System {
    /// The environment in which `peers` can be reached. Nothing is measured.
    pub fn new(peers: Peers) -> Self {
        Self { peers, meter: None, silences: Throttle::default() }
    }

    /// Sends measurements to `meter`.
    pub fn measured_by(self, meter: Arc<dyn Meter>) -> Self {
        Self { meter: Some(meter), ..self }
    }
}

impl Environment for System {
    fn now(&self) -> Timestamp {
        now()
    }

    fn seed(&self) -> [u8; 32] {
        seed()
    }

    async fn ask(&self, ask: Ask) -> Result<Vec<u8>, PeerFailure> {
        let Ask { domain, service, request } = ask;
        let begun = Instant::now();
        let answer = self.peers.send(&domain, service, request).await;
        let outcome = answer.as_ref().map_or_else(outcome, |_| "answer");
        if let Some(meter) = &self.meter {
            meter.peer_request(service, outcome, begun.elapsed());
        }
        let service = host::label(service);
        match &answer {
            Ok(_) => tracing::trace!(peer = %domain, service, "a homeserver answered"),
            // A stranger can name homeservers that do not exist as often as it likes.
            Err(error) => match self.silences.next(Instant::now()) {
                Some(unsaid) => {
                    tracing::warn!(peer = %domain, service, %error, unsaid, "a homeserver gave no answer")
                }
                None => tracing::debug!(peer = %domain, service, %error, "a homeserver gave no answer"),
            },
        }
        answer.map_err(|error| PeerFailure::from(&error))
    }

    fn report(&self, report: Report) {
        if let Some(meter) = &self.meter {
            meter.report(&report);
        }
        match report {
            Report::OutboxDropped { destination, count, since } => {
                let since = since.seconds();
                tracing::warn!(peer = %destination, count, since, "entries for a homeserver were dropped");
            }
            // The group and the position would tell who writes when.
            Report::DamagedMessage { lost, .. } => {
                tracing::error!(lost, "a message on its way is damaged in the store");
            }
            Report::PeerRefuses { destination, refusal } => {
                tracing::warn!(peer = %destination, refusal = refusal.code(), "a homeserver refuses what is delivered");
            }
        }
    }

    fn observe(&self, observation: &Observation) {
        if let Some(meter) = &self.meter {
            meter.observe(observation);
        }
        let Observation { request, operation, refusal, committed: _, elapsed, retries } = *observation;
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if request {
            let operation = operation.map(tracing::field::debug);
            tracing::debug!(operation, refusal, milliseconds, retries, "a request is over");
        } else {
            tracing::trace!(milliseconds, retries, "a timer is over");
        }
    }
}

/// The outcome of a failed request, as a label.
fn outcome(error: &SendError) -> &'static str {
    match error {
        SendError::Address { .. } => "address",
        SendError::ForbiddenAddress { .. } => "forbidden_address",
        SendError::Connect { .. } => "connect",
        SendError::Tls { .. } => "tls",
        SendError::Time { .. } => "time",
        SendError::Broken { .. } => "broken",
        SendError::Status { .. } => "status",
        SendError::MediaType { .. } => "media_type",
        SendError::TooLarge { .. } => "too_large",
        SendError::Busy => "busy",
    }
}

/// Between two warnings of one kind.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Keeps strangers from filling the log: one warning in an interval, with the number of those left out.
#[derive(Default)]
struct Throttle(Mutex<(Option<Instant>, u64)>);

impl Throttle {
    /// Returns how many warnings were left out since the last one; `None` to leave this one out too.
    fn next(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, unsaid) = &mut *state;
        if last.is_some_and(|last| now.duration_since(last) < WARNING_INTERVAL) {
            *unsaid += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::{error::Refusal, identifiers::Domain, wire::operations::Service};

    use super::*;
    use crate::{
        metrics::{Load, Metrics},
        peers::{Override, Reach},
    };

    #[tokio::test]
    async fn requests_to_peers_are_counted_by_what_failed() {
        let domain: Domain = "b.localhost".parse().unwrap();
        // A port that was free a moment ago: nothing listens there.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let overrides = [(domain.clone(), Override { address, certificates: Vec::new() })].into();
        let metrics = Arc::<Metrics>::default();
        let peers = Peers::new(Reach { overrides, ..Reach::default() }).unwrap();
        let system = System::new(peers).measured_by(metrics.clone());
        let ask = Ask { domain: domain.clone(), service: Service::Queuing, request: vec![0, 1] };
        assert_eq!(system.ask(ask).await, Err(PeerFailure::Unreachable));
        system.report(Report::PeerRefuses { destination: domain, refusal: Refusal::NotFederated });
        let text = metrics.render(Load { under_way: 0, listeners: 0, timers: 0 });
        for line in [
            "phoenix_peer_requests_total{service=\"queuing\",outcome=\"connect\"} 1",
            "phoenix_reports_total{kind=\"peer_refuses\"} 1",
        ] {
            assert!(text.lines().any(|present| present == line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn one_warning_in_a_while_says_how_many_were_left_out() {
        let warnings = Throttle::default();
        let begun = Instant::now();
        assert_eq!(warnings.next(begun), Some(0));
        for _ in 0..1000 {
            assert_eq!(warnings.next(begun + WARNING_INTERVAL / 2), None);
        }
        assert_eq!(warnings.next(begun + WARNING_INTERVAL), Some(1000));
        assert_eq!(warnings.next(begun + 2 * WARNING_INTERVAL), Some(0));
    }
}
