//! protocol.md §7 — the web socket through which a client hears that its queue grows: the server's half.
//!
//! A client connects to `/listen` of its queuing service and sends one binary message, an encoded request for
//! `Listen`. It is answered with one binary message, the encoded response. If that is a refusal, the connection is
//! closed; otherwise an empty binary message follows for every signal, the first at once: so that nothing is missed
//! that came between the client's last look and the connection. Signals that the client is too slow for are one.
//!
//! The client sends nothing more but pongs and a close.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use phoenix_core::{limits::MAX_REQUEST, wire::operations::OperationKind};
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

use crate::{
    node::{Environment, Listener, Node},
    store::Store,
};

/// Where clients connect.
pub const PATH: &str = "/listen";

/// The web socket's sub-protocol, which clients must offer.
pub const SUB_PROTOCOL: &str = "phoenix.v1";

/// How long a connection may take to say what it wants.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// How long nothing may be heard of a client before it is asked for a sign of life, and then again until it is
/// given up: shorter than home routers forget connections.
const SILENCE: Duration = Duration::from_secs(30);

/// How long it may take to hand a message of a few bytes to the network.
const SENDING: Duration = Duration::from_secs(10);

/// From one signal to the next, at least: who gets many messages a second reads many at a time, and nobody notices.
/// What comes meanwhile is signalled then.
const SPACING: Duration = Duration::from_millis(50);

/// Buffers are allocated for every connection, of which there are many; messages are small.
const BUFFER: usize = 4 << 10;

/// The most that is taken of a client: it asks to listen, in a few hundred bytes, and says nothing more.
const MAX_ASKED: usize = 4 << 10;

/// Limits on the homeserver's side, where there are many connections of strangers.
fn server_limits() -> WebSocketConfig {
    limits().max_message_size(Some(MAX_ASKED)).max_frame_size(Some(MAX_ASKED))
}

/// Limits on the client's side: nothing is larger than an ordinary request.
pub(crate) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_REQUEST)
        .max_message_size(Some(MAX_REQUEST))
        .max_frame_size(Some(MAX_REQUEST))
}

/// Answers a request to [`PATH`], and serves the web socket that comes of it.
///
/// A request that is no valid handshake is told so: 426 if it is none at all, 400 if it breaks the rules of web
/// sockets or does not offer [`SUB_PROTOCOL`].
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

/// Whether the client speaks our sub-protocol.
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

/// A connection, from its first message to its end.
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

/// What an encoded request asks for, as far as that can be told at a glance.
fn operation(request: &[u8]) -> Option<OperationKind> {
    let [_, _, code @ ..] = *request.first_chunk::<4>()?;
    OperationKind::from_code(u16::from_be_bytes(code))
}

/// What the client has to say, or with which code to close.
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

/// Passes signals on until one side has enough; the code to close with, unless the connection is over by itself.
async fn signal<C: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<C>,
    mut listener: Listener,
) -> Option<CloseCode> {
    let mut asked = false;
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
                // Going away, or newer connections have taken the place of this one.
                None => return Some(CloseCode::Away),
            },
            message = socket.next() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    asked = false;
                    due = Instant::now() + SILENCE;
                }
                Some(Ok(Message::Binary(_) | Message::Text(_))) => return Some(CloseCode::Policy),
                // The library has answered a close already.
                _ => return None,
            },
            () = time::sleep_until(due) => {
                if std::mem::replace(&mut asked, true) {
                    return None;
                }
                send(socket, Message::Ping(Bytes::new())).await?;
                due = Instant::now() + SILENCE;
            }
        }
    }
}

/// `None` if the connection is broken, or the client takes nothing.
async fn send<C: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<C>,
    message: Message,
) -> Option<()> {
    time::timeout(SENDING, socket.send(message)).await.ok()?.ok()
}

/// Says why, and waits for the client to have heard it: whoever drops a connection on which something still comes
/// in, may take back what was said last.
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
