//! Requests to homeservers: found by name, proven by TLS, sent over connections that are shared
//! (PROTOCOL.md §2, §5).
//!
//! Used by homeservers among each other and by clients alike. A service has one HTTP/2 connection, which carries
//! any number of requests at once; a service behind something that speaks HTTP/1.1 only gets a connection for each
//! request. Requests may always be repeated, and are, once, where a connection turns out to have died meanwhile.

mod addresses;
mod connector;
mod error;
mod pool;

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
};
use phoenix_core::{identifiers::Domain, limits::MAX_LARGE_REQUEST, wire::operations::Service};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

pub use self::error::{SendError, Wait};
use self::{
    connector::{Connector, Purpose},
    pool::{Connection, Pool},
};
use crate::{
    body::{self, BodyError, Budget, MEDIA_TYPE},
    host,
    tls::{Roots, TlsError},
};

/// Which homeservers can be reached, and how.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Homeservers that are not looked up.
    pub overrides: BTreeMap<Domain, Override>,
    /// Who vouches for all others.
    pub roots: Roots,
    /// Whether names may lead to addresses that are not public. Never where strangers can name homeservers and
    /// something else listens within the own network: they could have it spoken to.
    pub private_addresses: bool,
    /// How long, how much.
    pub limits: PeerLimits,
}

/// Where a homeserver is, whatever name servers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Where all its services listen. May be private.
    pub address: SocketAddr,
    /// Who vouches for this homeserver, and for no other: an authority's certificate, or its own. If there are
    /// none, [`Reach::roots`] do.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What a request to another homeserver may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerLimits {
    /// Time to look up a name: the system's resolver asks a second server after five seconds.
    pub look_up: Duration,
    /// Time to connect: a packet may get lost twice.
    pub connect: Duration,
    /// Time for the handshake of TLS: two round trips and some cryptography.
    pub handshake: Duration,
    /// Time for all of it, from the look-up to the last byte of the answer: the peer may have to ask a third.
    pub request: Duration,
    /// How long a connection is kept that nobody uses.
    pub idle: Duration,
    /// Between signs of life that are asked of a peer that owes us an answer: one that lost its power says nothing.
    pub keep_alive: Duration,
    /// How long a sign of life may take.
    pub keep_alive_timeout: Duration,
    /// Connections kept at once, and made at once. The one that was not used for the longest time gives way.
    pub connections: usize,
    /// Bytes of answers under way at once, over all peers: what hostile peers can make us hold.
    pub answer_bytes: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            look_up: Duration::from_secs(7),
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            request: Duration::from_secs(30),
            idle: Duration::from_secs(90),
            keep_alive: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            connections: 1024,
            answer_bytes: 256 << 20,
        }
    }
}

/// Other homeservers. Cheap to clone: clones share their connections.
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
    /// The homeservers within `reach`.
    ///
    /// # Errors
    /// [`TlsError::TrustedCertificate`]: a certificate that is to be trusted is none.
    pub fn new(reach: Reach) -> Result<Self, TlsError> {
        let limits = reach.limits;
        let connector = Connector::new(reach)?;
        let pool = Pool::new(limits);
        Ok(Self(Arc::new(Inner { connector, pool, limits, answers: Budget::new(limits.answer_bytes) })))
    }

    /// Sends an encoded request to a service of the homeserver of `domain`, and returns its encoded answer, which
    /// may be a refusal. The request may arrive twice.
    ///
    /// # Errors
    /// [`SendError`] if there was no answer. Whether the request was served is not known then: send the same one
    /// again later.
    pub async fn send(
        &self,
        domain: &Domain,
        service: Service,
        request: Vec<u8>,
    ) -> Result<Vec<u8>, SendError> {
        let host = host::name(service, domain);
        let exchange = self.exchange((domain, service), &host, request.into());
        match timeout(self.0.limits.request, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::Time { host, step: Wait::Answer }),
        }
    }

    /// A TLS connection of one's own, to be upgraded to a web socket.
    ///
    /// # Errors
    /// [`SendError`] if there is none to be had: try again later.
    pub async fn connect(
        &self,
        domain: &Domain,
        service: Service,
    ) -> Result<TlsStream<TcpStream>, SendError> {
        self.0.connector.connect((domain, service), Purpose::WebSocket).await
    }

    async fn exchange(
        &self,
        peer: (&Domain, Service),
        host: &str,
        request: Bytes,
    ) -> Result<Vec<u8>, SendError> {
        let Inner { connector, pool, .. } = &*self.0;
        let mut repeated = false;
        loop {
            let mut connection = pool.connection(peer, connector).await?;
            let broken = match self.attempt(&mut connection, host, request.clone()).await {
                Err(error @ SendError::Broken { .. }) => error,
                result => return result,
            };
            // It may have died long ago, and nobody told us.
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

/// Whether a response is an answer of the protocol, with whatever status.
fn check(response: &Response<Incoming>, host: &str) -> Result<(), SendError> {
    let status = response.status();
    if status.is_redirection() || !body::is_ours(response.headers()) {
        return Err(match status.is_success() {
            true => SendError::MediaType { host: host.to_owned() },
            false => SendError::Status { host: host.to_owned(), status: status.as_u16() },
        });
    }
    Ok(())
}
