//! The world around a node of the binary: the system's clock and random generator, other homeservers over the
//! network, and the operator, who reads logs and metrics.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use phoenix_core::{
    error::PeerFailure,
    operation::{Ask, Report},
    time::Timestamp,
};

use crate::{
    metrics::{Metrics, service_name},
    node::{Environment, Observation},
    peers::{Peers, SendError},
};

/// The system and the network.
pub struct System {
    peers: Peers,
    metrics: Arc<Metrics>,
    silences: Occasionally,
}

impl System {
    /// The system, with other homeservers as `peers` reaches them; what happens is counted in `metrics`.
    pub fn new(peers: Peers, metrics: Arc<Metrics>) -> Self {
        Self { peers, metrics, silences: Occasionally::default() }
    }
}

/// The time by the system's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_milliseconds(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// 32 bytes from the system's random generator.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if let Err(error) = getrandom::fill(&mut seed) {
        // Whatever a homeserver did without randomness would be worse than doing nothing.
        tracing::error!(%error, "the system gives no randomness");
        std::process::abort();
    }
    seed
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
        self.metrics.peer_request(service, outcome, begun.elapsed());
        let service = service_name(service);
        match &answer {
            Ok(_) => tracing::trace!(peer = %domain, service, "a homeserver answered"),
            // Strangers can have homeservers asked that there are not, as often as they like.
            Err(error) => match self.silences.next(Instant::now()) {
                Some(unsaid) => {
                    tracing::warn!(peer = %domain, service, %error, unsaid, "a homeserver gave no answer")
                }
                None => tracing::debug!(peer = %domain, service, %error, "a homeserver gave no answer"),
            },
        }
        answer.map_err(|_| PeerFailure)
    }

    fn report(&self, report: Report) {
        self.metrics.report(&report);
        match report {
            Report::OutboxDropped { destination, count, since } => {
                let since = since.seconds();
                tracing::warn!(peer = %destination, count, since, "entries for a homeserver were dropped");
            }
            // The log and the place in it would say who writes when.
            Report::DamagedMessage { lost, .. } => {
                tracing::error!(lost, "a message on its way is damaged in the store");
            }
            Report::PeerRefuses { destination, refusal } => {
                tracing::warn!(peer = %destination, refusal = refusal.code(), "a homeserver refuses what is delivered");
            }
        }
    }

    fn observe(&self, observation: &Observation) {
        self.metrics.observe(observation);
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

/// What failed, as a label.
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

/// Between two warnings of the same kind.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Keeps others from filling the log: one warning in a while, with how many were left out.
#[derive(Default)]
struct Occasionally(Mutex<(Option<Instant>, u64)>);

impl Occasionally {
    /// How many were left out since the last one; `None` if this one is to be left out too.
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
    use phoenix_core::{error::Refusal, identifiers::Domain, operation::Service};

    use super::*;
    use crate::{
        metrics::Load,
        peers::{Override, Reach},
    };

    #[test]
    fn the_clock_is_of_this_century_and_seeds_differ() {
        assert!(now() > Timestamp::from_milliseconds(1_700_000_000_000));
        assert_ne!(seed(), seed());
    }

    #[tokio::test]
    async fn what_happens_to_requests_of_others_is_counted_by_what_failed() {
        let domain: Domain = "b.localhost".parse().unwrap();
        // Bound and let go: nobody listens there.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let overrides = [(domain.clone(), Override { address, certificates: Vec::new() })].into();
        let metrics = Arc::<Metrics>::default();
        let peers = Peers::new(Reach { overrides, ..Reach::default() }).unwrap();
        let system = System::new(peers, Arc::clone(&metrics));
        let ask = Ask { domain: domain.clone(), service: Service::Queuing, request: vec![0, 1] };
        assert_eq!(system.ask(ask).await, Err(PeerFailure));
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
        let warnings = Occasionally::default();
        let begun = Instant::now();
        assert_eq!(warnings.next(begun), Some(0));
        for _ in 0..1000 {
            assert_eq!(warnings.next(begun + WARNING_INTERVAL / 2), None);
        }
        assert_eq!(warnings.next(begun + WARNING_INTERVAL), Some(1000));
        assert_eq!(warnings.next(begun + 2 * WARNING_INTERVAL), Some(0));
    }
}
