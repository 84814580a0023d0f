//! The web socket that signals a client when its queue grows: the client's side (PROTOCOL.md §5, Web socket).

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use phoenix_core::{
    codec::DecodeError,
    error::Refusal,
    identifiers::Domain,
    wire::{envelope::ResponseEnvelope, message::Done, operations::Service},
};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc, oneshot},
    time,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, ClientRequestBuilder, Message, http::uri::InvalidUri},
};

use crate::{
    peers::{Peers, SendError},
    web_socket::{self, PATH, SUB_PROTOCOL},
};

/// The first wait before reconnecting. It doubles with each further failure. The actual wait is a random part
/// of it, at least half, so that clients that lost a homeserver together do not return together.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before reconnecting.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long connecting may take, the answer to the request for signals included.
const CONNECTING: Duration = Duration::from_secs(20);

/// How long the homeserver may be silent: it pings twice in this time.
const SILENCE: Duration = Duration::from_secs(75);

/// Why connecting failed.
#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Address(#[from] InvalidUri),
    #[error(transparent)]
    WebSocket(#[from] tungstenite::Error),
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    #[error("closed before the answer")]
    Closed,
    #[error("no answer in time")]
    Timeout(#[from] time::error::Elapsed),
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Stays connected and passes on each signal. Adds one for each connection made, for entries that came while
/// there was none.
pub(super) async fn listen(
    peers: Peers,
    domain: Domain,
    requests: mpsc::Sender<oneshot::Sender<Vec<u8>>>,
    signals: Arc<Notify>,
) {
    let mut failures = 0;
    loop {
        let (ask, request) = oneshot::channel();
        if requests.send(ask).await.is_err() {
            return;
        }
        let Ok(request) = request.await else { return };
        match connect(&peers, &domain, request).await {
            Ok(socket) => {
                failures = 0;
                signals.notify_one();
                pass_on(socket, &signals).await;
            }
            Err(error) => tracing::debug!(%domain, %error, "not connected for signals"),
        }
        time::sleep(wait(failures)).await;
        failures = (failures + 1).min(16);
    }
}

async fn connect(peers: &Peers, domain: &Domain, request: Vec<u8>) -> Result<Socket, ListenError> {
    time::timeout(CONNECTING, async {
        let connection = peers.connect(domain, Service::Queuing).await?;
        let handshake = ClientRequestBuilder::new(format!("wss://qs.{domain}{}", PATH).parse()?)
            .with_sub_protocol(SUB_PROTOCOL);
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(handshake, connection, Some(web_socket::limits()))
                .await?;
        socket.send(Message::Binary(request.into())).await?;
        loop {
            match socket.next().await.ok_or(ListenError::Closed)?? {
                Message::Binary(answer) => {
                    ResponseEnvelope::read::<Done>(&answer)??;
                    return Ok(socket);
                }
                Message::Close(_) => return Err(ListenError::Closed),
                _ => {}
            }
        }
    })
    .await?
}

/// Passes on each signal until the connection ends.
async fn pass_on(mut socket: Socket, signals: &Notify) {
    while let Ok(Some(Ok(message))) = time::timeout(SILENCE, socket.next()).await {
        match message {
            Message::Binary(_) => signals.notify_one(),
            Message::Close(_) => return,
            _ => {}
        }
    }
}

/// The wait after `failures` failures in a row.
fn wait(failures: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << failures).min(LONGEST_WAIT);
    let mut random = [0; 1];
    // Cannot fail here: a system without randomness has no client.
    let _ = getrandom::fill(&mut random);
    longest / 2 + longest * u32::from(random[0]) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit() {
        for failures in 0..=16 {
            let longest = FIRST_WAIT.saturating_mul(1 << failures).min(LONGEST_WAIT);
            for _ in 0..100 {
                let wait = wait(failures);
                assert!(wait >= longest / 2 && wait <= longest, "{wait:?} after {failures}");
            }
        }
    }
}
