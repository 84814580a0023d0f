//! The web socket that signals a client when its queue grows: the server's side (PROTOCOL.md §5, Web socket).
//!
//! A client connects to `/listen` of its queuing service and sends one binary message: an encoded request for
//! `Listen`. The server answers with one binary message, the encoded response. After a refusal it closes the
//! connection. Otherwise it sends an empty binary message for every signal, the first one immediately, so
//! that the client misses no entry that came between its last reading and the connection. Signals that a slow
//! client has not taken yet are merged into one.
//!
//! The client sends nothing further but pongs and a close.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use phoenix_core::wire::operations::OperationKind;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{self, Instant},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::server::create_response_with_body,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

pub use crate::web_socket::{PATH, SUB_PROTOCOL};
use crate::{
    node::{Environment, Listener, Node},
    store::Store,
    web_socket::limits,
};

/// How long a client may take to send its request.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// How long a client may be silent before it is pinged, and then again before it is given up: home routers
/// forget connections later than that.
const SILENCE: Duration = Duration::from_secs(30);

/// How long sending a message of a few bytes may take.
const SENDING: Duration = Duration::from_secs(10);

/// The shortest time between two signals. A client that gets many messages a second reads several at a time;
/// entries that come meanwhile are signalled together.
const SPACING: Duration = Duration::from_millis(50);

/// The largest message of a client, in bytes: it sends one request of a few hundred bytes.
const MAX_MESSAGE: usize = 4 << 10;

/// The limits on the server's side, where strangers connect.
fn server_limits() -> WebSocketConfig {
    limits().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

/// Answers a request to [`PATH`], and serves the web socket that follows.
///
/// The status is 426 if the request is not a web socket handshake, and 400 if it breaks the handshake's rules
/// or does not offer [`SUB_PROTOCOL`].
pub fn upgrade<S: Store, E: Environment, B: Send + 'static>(
    node: Node<S, E>,
    mut request: Request<B>,
) -> Response<Full<Bytes>> {
    let mut response = match create_response_with_body(&request, Full::default) {
        Ok(response) if offers(request.headers()) => response,
        Err(tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::MissingConnectionUpgradeHeader
            | tungstenite::error::ProtocolError::MissingUpgradeWebSocketHeader
            | tungstenite::error::ProtocolError::WrongHttpVersion,
        )) => return refused(StatusCode::UPGRADE_REQUIRED),
        Ok(_) | Err(_) => return refused(StatusCode::BAD_REQUEST),
    };
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUB_PROTOCOL));
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(connection) = upgraded.await {
            let connection = TokioIo::new(connection);
            serve(
                node,
                WebSocketStream::from_raw_socket(connection, Role::Server, Some(server_limits())).await,
            )
            .await;
        }
    });
    response
}

/// Whether the client offers [`SUB_PROTOCOL`].
fn offers(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut offers = offers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    offers.any(|offer| offer.trim() == SUB_PROTOCOL)
}

fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

/// Serves a connection from its first message to its end.
async fn serve<S: Store, E: Environment, C: AsyncRead + AsyncWrite + Unpin>(
    node: Node<S, E>,
    mut socket: WebSocketStream<C>,
) {
    let request = match time::timeout(FIRST_MESSAGE, first_message(&mut socket)).await {
        Ok(Ok(request)) => request,
        Ok(Err(code)) => return close(socket, code).await,
        Err(_) => return close(socket, CloseCode::Policy).await,
    };
    if operation(&request).is_some_and(|operation| operation != OperationKind::Listen) {
        return close(socket, CloseCode::Policy).await;
    }
    let (reply, listener) = node.listen(request.into()).await;
    drop(node);
    if send(&mut socket, Message::Binary(reply.into())).await.is_none() {
        return;
    }
    let code = match listener {
        Some(listener) => match signal(&mut socket, listener).await {
            Some(code) => code,
            None => return,
        },
        None => CloseCode::Normal,
    };
    close(socket, code).await;
}

/// The operation of an encoded request, read from its code alone.
fn operation(request: &[u8]) -> Option<OperationKind> {
    let [_, _, code @ ..] = *request.first_chunk::<4>()?;
    OperationKind::from_code(u16::from_be_bytes(code))
}

/// Returns the client's request, or the code to close with.
async fn first_message<C: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<C>,
) -> Result<Bytes, CloseCode> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(request))) => return Ok(request),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Text(_))) => return Err(CloseCode::Unsupported),
            Some(Err(tungstenite::Error::Capacity(_))) => return Err(CloseCode::Size),
            _ => return Err(CloseCode::Normal),
        }
    }
}

/// Passes signals on. Returns the code to close with, or `None` if the connection has ended.
async fn signal<C: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<C>,
    mut listener: Listener,
) -> Option<CloseCode> {
    let mut pinged = false;
    let mut due = Instant::now() + SILENCE;
    let mut next = Instant::now();
    loop {
        let signalled = async {
            time::sleep_until(next).await;
            listener.signalled().await
        };
        tokio::select! {
            signalled = signalled => match signalled {
                Some(()) => {
                    send(socket, Message::Binary(Bytes::new())).await?;
                    next = Instant::now() + SPACING;
                }
                // The node drains, or newer connections of the client replaced this one.
                None => return Some(CloseCode::Away),
            },
            message = socket.next() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    pinged = false;
                    due = Instant::now() + SILENCE;
                }
                Some(Ok(Message::Binary(_) | Message::Text(_))) => return Some(CloseCode::Policy),
                // The library has answered a close.
                _ => return None,
            },
            () = time::sleep_until(due) => {
                if std::mem::replace(&mut pinged, true) {
                    return None;
                }
                send(socket, Message::Ping(Bytes::new())).await?;
                due = Instant::now() + SILENCE;
            }
        }
    }
}

/// Sends a message; `None` if the connection broke or the client does not read.
async fn send<C: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<C>,
    message: Message,
) -> Option<()> {
    time::timeout(SENDING, socket.send(message)).await.ok()?.ok()
}

/// Closes with `code` and waits for the client's close. Dropping a connection that still receives data may
/// discard what was sent last.
async fn close<C: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<C>, code: CloseCode) {
    let farewell = async {
        let frame = CloseFrame { code, reason: Default::default() };
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = time::timeout(SENDING, farewell).await;
}

#[cfg(test)]
mod tests;
