//! What connections may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What connections may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerLimits {
    /// Connections at once, web sockets included: about 40 KiB of memory and a file each.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 network of 64 bits, so that one customer of a
    /// provider cannot take them all; from a network of 56 bits four times, of 48 bits 16 times as many. A company
    /// or a whole country may share an address.
    pub connections_per_address: usize,
    /// Bytes of bodies under way at once from one such address, and likewise from networks, so that no client can
    /// exhaust the shared budget.
    pub body_bytes_per_address: usize,
    /// Time for the TLS handshake: two round trips on a bad line.
    pub handshake: Duration,
    /// Time from the handshake to the first request.
    pub first_request: Duration,
    /// Time without a request until the connection is ended: long enough for the next message of a
    /// conversation.
    pub idle: Duration,
    /// Time for requests under way when the connection is to end: the longest that a request may take.
    pub grace: Duration,
    /// Time to write what is left when the connection is to end and no request is under way: the client may
    /// read an answer slowly, or never read the close.
    pub farewell: Duration,
    /// Bytes of a request's head: a client's has about two hundred.
    pub header_bytes: u32,
    /// The number of headers of a request.
    pub headers: usize,
    /// HTTP/2 requests at once on a connection; further ones wait at the client.
    pub streams: u32,
    /// HTTP/2 requests reset before they were read, until the connection is ended: a reset costs the client
    /// nothing (CVE-2023-44487).
    pub early_resets: usize,
    /// HTTP/2 requests that break the protocol, until the connection is ended (CVE-2025-8671).
    pub error_resets: usize,
    /// Between keep-alive pings to HTTP/2 clients: networks drop connections silently.
    pub keep_alive: Duration,
    /// How long the answer to a keep-alive ping may take.
    pub keep_alive_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 60_000,
            connections_per_address: 1024,
            body_bytes_per_address: 32 << 20,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            grace: Duration::from_secs(30),
            farewell: Duration::from_secs(10),
            header_bytes: 16 << 10,
            headers: 64,
            streams: 128,
            early_resets: 32,
            error_resets: 64,
            keep_alive: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(20),
        }
    }
}
