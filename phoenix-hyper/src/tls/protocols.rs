//! What both sides of a TLS connection have in common.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

/// HTTP/2 in ALPN.
pub const HTTP_2: &[u8] = b"h2";

/// HTTP/1.1 in ALPN.
pub const HTTP_1_1: &[u8] = b"http/1.1";

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
