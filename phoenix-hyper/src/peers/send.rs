//! Requests and their answers.

use std::{io, sync::Arc};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
};
use phoenix_core::{identifiers::Domain, limits::MAX_LARGE_REQUEST, wire::operations::Service};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

use super::{
    connector::{Connector, Purpose},
    endpoint::Endpoint,
    error::{SendError, Wait},
    pool::{Connection, Pool},
    reach::{PeerLimits, Reach},
};
use crate::{
    body::{self, BodyError, Budget, MEDIA_TYPE},
    tls::TlsError,
};

/// Other homeservers. A clone is a cheap handle on the same connections.
#[derive(Debug, Clone)]
pub struct Peers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connector: Connector,
    pool: Pool,
    limits: PeerLimits,
    answers: Budget,
}

impl Peers {
    /// Prepares connections to the homeservers within `reach`.
    ///
    /// # Errors
    /// [`TlsError::TrustedCertificate`] if a certificate to be trusted is invalid.
    pub fn new(reach: Reach) -> Result<Self, TlsError> {
        let limits = reach.limits;
        let connector = Connector::new(reach)?;
        let pool = Pool::new(limits);
        Ok(Self(Arc::new(Inner { connector, pool, limits, answers: Budget::new(limits.answer_bytes) })))
    }

    /// Sends an encoded request to a service of the homeserver of `domain`, and returns its encoded answer,
    /// which may be a refusal. The request may arrive twice.
    ///
    /// # Errors
    /// [`SendError`] if there was no answer. The caller does not know then whether the request was served,
    /// and sends the same request again later.
    pub async fn send(
        &self,
        domain: &Domain,
        service: Service,
        request: Vec<u8>,
    ) -> Result<Vec<u8>, SendError> {
        let peer = Endpoint { domain: domain.clone(), service };
        let host = peer.host();
        let exchange = self.exchange(&peer, &host, request.into());
        match timeout(self.0.limits.request, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::Time { host, step: Wait::Answer }),
        }
    }

    /// Opens a TLS connection for the caller alone, to be upgraded to a web socket.
    ///
    /// # Errors
    /// [`SendError`] if the connection fails; the caller tries again later.
    pub async fn connect(
        &self,
        domain: &Domain,
        service: Service,
    ) -> Result<TlsStream<TcpStream>, SendError> {
        let peer = Endpoint { domain: domain.clone(), service };
        self.0.connector.connect(&peer, Purpose::WebSocket).await
    }

    async fn exchange(&self, peer: &Endpoint, host: &str, request: Bytes) -> Result<Vec<u8>, SendError> {
        let Inner { connector, pool, .. } = &*self.0;
        let mut repeated = false;
        loop {
            let mut connection = pool.connection(peer, connector).await?;
            let broken = match self.attempt(&mut connection, host, request.clone()).await {
                Err(error @ SendError::Broken { .. }) => error,
                result => return result,
            };
            // A shared connection may have died long ago, unnoticed.
            let again = connection.is_reused() && !repeated;
            connection.discard().await;
            if !again {
                return Err(broken);
            }
            repeated = true;
        }
    }

    async fn attempt(
        &self,
        connection: &mut Connection,
        host: &str,
        body: Bytes,
    ) -> Result<Vec<u8>, SendError> {
        let request = Request::post(format!("https://{host}/")).header(CONTENT_TYPE, MEDIA_TYPE);
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| SendError::Address {
            host: host.to_owned(),
            reason: io::Error::other(error).into(),
        })?;
        let broken = |error| SendError::Broken { host: host.to_owned(), reason: Arc::new(error) };
        let response = connection.send(request).await.map_err(broken)?;
        check(&response, host)?;
        match body::read(response.into_body(), MAX_LARGE_REQUEST, &self.0.answers).await {
            Ok(answer) => Ok(answer.bytes),
            Err(BodyError::TooLarge) => {
                Err(SendError::TooLarge { host: host.to_owned(), limit: MAX_LARGE_REQUEST })
            }
            Err(BodyError::Exhausted) => Err(SendError::Busy),
            Err(BodyError::Broken(error)) => Err(broken(error)),
        }
    }
}

/// Checks that a response is an answer of the protocol, whatever its status.
fn check(response: &Response<Incoming>, host: &str) -> Result<(), SendError> {
    let status = response.status();
    if status.is_redirection() || !body::has_media_type(response.headers()) {
        return Err(match status.is_success() {
            true => SendError::MediaType { host: host.to_owned() },
            false => SendError::Status { host: host.to_owned(), status: status.as_u16() },
        });
    }
    Ok(())
}
