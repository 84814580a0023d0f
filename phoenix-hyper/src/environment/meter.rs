//! What is measured of a homeserver.

use std::time::Duration;

use phoenix_core::{operation::Report, wire::operations::Service};

use crate::node::Observation;

/// Receives measurements. With the `metrics` feature, `metrics::Metrics` counts them for Prometheus.
pub trait Meter: Send + Sync + 'static {
    /// An operation has ended.
    fn observe(&self, observation: &Observation);

    /// A request to another homeserver has ended after `elapsed`. `outcome` is `answer`, or one of a few
    /// fixed words that say what failed.
    fn peer_request(&self, service: Service, outcome: &'static str, elapsed: Duration);

    /// Something happened that needs the operator's attention.
    fn report(&self, report: &Report);
}
