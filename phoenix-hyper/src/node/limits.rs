//! How much a node does at once.

use std::time::Duration;

use phoenix_core::{error::Refusal, wire::envelope::ResponseEnvelope};
use serde::{Deserialize, Serialize};

/// How much a node does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeLimits {
    /// Operations under way at once: enough that commits form groups.
    pub operations: usize,
    /// Requests under way or waiting for their turn. The client of a request beyond that is told to come
    /// back.
    pub requests: usize,
    /// Requests that wait for one lane, a group for example.
    pub requests_per_lane: usize,
    /// Timers under way at once, of those that concern this homeserver alone.
    pub timers: usize,
    /// Streams delivered at once, each waiting for another homeserver.
    pub deliveries: usize,
    /// Clients connected for signals.
    pub listeners: usize,
    /// How often the node looks at rows for timers that it has not heard of.
    pub poll: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            operations: 512,
            requests: 8192,
            requests_per_lane: 1024,
            timers: 64,
            deliveries: 256,
            listeners: 50_000,
            poll: Duration::from_secs(15),
        }
    }
}

/// The encoded answer to a request beyond the limits.
pub(super) fn overloaded() -> Vec<u8> {
    ResponseEnvelope::refused(&Refusal::Unavailable { retry_after_milliseconds: 1000 })
}
