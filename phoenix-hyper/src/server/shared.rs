//! What all connections share.

use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::limits::ServerLimits;
use crate::service::HttpService;

/// The smallest read buffer that hyper accepts.
const MIN_BUFFER: usize = 8 << 10;

/// What all connections share.
pub(super) struct Shared<S, E> {
    pub tls: TlsAcceptor,
    pub http: auto::Builder<TokioExecutor>,
    pub service: HttpService<S, E>,
    pub limits: ServerLimits,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

/// The HTTP settings of all connections.
pub(super) fn http(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `Activity` watches the time for both versions.
        .header_read_timeout(None)
        .max_buf_size(MIN_BUFFER.max(limits.header_bytes as usize))
        .max_headers(limits.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(limits.early_resets)
        .max_local_error_reset_streams(limits.error_resets)
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive_timeout);
    builder
}
