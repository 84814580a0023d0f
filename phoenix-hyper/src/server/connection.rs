//! One connection, from its handshake to its end.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use hyper::{Request, body::Incoming, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::{activity::Activity, places::Place, shared::Shared};
use crate::{node::Environment, store::Store};

/// Serves a connection until one side ends it, it is idle for too long, or the server stops.
pub(super) async fn serve<S: Store, E: Environment>(
    stream: TcpStream,
    place: Place,
    shared: Arc<Shared<S, E>>,
) {
    let Some(stream) = handshake(stream, &shared).await else { return };
    let quota = place.quota.clone();
    let (cut, gone) = (CancellationToken::new(), CancellationToken::new());
    let stream = Guarded::new(stream, place, cut.clone(), gone.clone());
    let activity = Activity::new(shared.limits);
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(quota.clone());
        activity.during(shared.service.call(request))
    });
    {
        let mut connection = pin!(shared.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let ended = tokio::select! {
            result = connection.as_mut() => Some(result),
            () = activity.idle() => None,
            () = shared.stop.cancelled() => None,
        };
        let ended = match ended {
            Some(result) => result,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    result = connection => result,
                    () = activity.over() => Ok(()),
                    () = sleep(shared.limits.grace) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }
    // If the stream still exists, it has become a web socket, which may be cut at any time.
    tokio::select! {
        () = gone.cancelled() => return,
        () = shared.stop.cancelled() => cut.cancel(),
    }
    // The web socket has some time to send its close.
    let _ = timeout(shared.limits.farewell, gone.cancelled()).await;
}

async fn handshake<S, E>(stream: TcpStream, shared: &Shared<S, E>) -> Option<TlsStream<TcpStream>> {
    // Answers are written whole, so collecting small packets would only delay them.
    stream.set_nodelay(true).ok()?;
    let handshake = timeout(shared.limits.handshake, shared.tls.accept(stream));
    tokio::select! {
        result = handshake => match result.ok()? {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
        },
        () = shared.stop.cancelled() => None,
    }
}

/// A stream that holds its place for as long as it lives, and whose reading can be cut off.
struct Guarded {
    stream: TlsStream<TcpStream>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
    _gone: DropGuard,
}

impl Guarded {
    /// Guards a stream: cancelling `cut` ends its reading; `gone` is cancelled when the stream is dropped.
    fn new(
        stream: TlsStream<TcpStream>,
        place: Place,
        cut: CancellationToken,
        gone: CancellationToken,
    ) -> Self {
        Self { stream, cut: Box::pin(cut.cancelled_owned()), _place: place, _gone: gone.drop_guard() }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
