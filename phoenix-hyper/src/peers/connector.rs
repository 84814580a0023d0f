//! From a homeserver's domain to a TLS connection with one of its services.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use phoenix_core::identifiers::Domain;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    addresses::{Resolver, allowed},
    endpoint::Endpoint,
    error::{SendError, Wait},
    reach::{Override, PeerLimits, Reach},
};
use crate::tls::{ClientConfigs, Roots, TlsError};

/// How long one address is tried alone before the next is tried too (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connector {
    overrides: BTreeMap<Domain, Target>,
    configs: ClientConfigs,
    private_addresses: bool,
    limits: PeerLimits,
    resolver: Resolver,
}

/// The address of a homeserver by settings.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    /// Configurations of this homeserver's own: its certificates are trusted for no other, and TLS sessions
    /// are not shared.
    configs: Option<ClientConfigs>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Requests,
    WebSocket,
}

impl Connector {
    pub fn new(reach: Reach) -> Result<Self, TlsError> {
        let Reach { overrides, roots, private_addresses, limits } = reach;
        let target = |Override { address, certificates }: Override| {
            let configs = match certificates.is_empty() {
                true => None,
                false => Some(ClientConfigs::new(&Roots::Only(certificates))?),
            };
            Ok(Target { address, configs })
        };
        let overrides = overrides.into_iter().map(|(domain, given)| Ok((domain, target(given)?)));
        Ok(Self {
            overrides: overrides.collect::<Result<_, TlsError>>()?,
            configs: ClientConfigs::new(&roots)?,
            private_addresses,
            limits,
            resolver: Resolver::new(),
        })
    }

    /// Opens a connection to a service, each step within its time.
    pub async fn connect(
        &self,
        peer: &Endpoint,
        purpose: Purpose,
    ) -> Result<TlsStream<TcpStream>, SendError> {
        let (domain, host) = (&peer.domain, peer.host());
        let late = |step| SendError::Time { host: host.clone(), step };
        let addresses = timeout(self.limits.look_up, self.addresses(domain, &host));
        let addresses = addresses.await.map_err(|_| late(Wait::Address))??;
        let stream = timeout(self.limits.connect, first_to_connect(addresses));
        let stream = stream.await.map_err(|_| late(Wait::Connection))?;
        let stream =
            stream.map_err(|reason| SendError::Connect { host: host.clone(), reason: reason.into() })?;
        let handshake = timeout(self.limits.handshake, self.handshake(stream, domain, &host, purpose));
        handshake.await.map_err(|_| late(Wait::Handshake))?
    }

    async fn addresses(&self, domain: &Domain, host: &str) -> Result<Vec<SocketAddr>, SendError> {
        if let Some(target) = self.overrides.get(domain) {
            return Ok(vec![target.address]);
        }
        let found = self.resolver.look_up(host).await;
        let found =
            found.map_err(|reason| SendError::Address { host: host.to_owned(), reason: reason.into() })?;
        // The connection goes to one of these addresses: no second look-up can return others.
        let found = allowed(found, self.private_addresses);
        if found.is_empty() {
            return Err(SendError::ForbiddenAddress { host: host.to_owned(), domain: domain.clone() });
        }
        Ok(found)
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        domain: &Domain,
        host: &str,
        purpose: Purpose,
    ) -> Result<TlsStream<TcpStream>, SendError> {
        let refused = |reason| SendError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.to_owned());
        // Fails for a domain so long that its services' names are too long.
        let name = name.map_err(|error| refused(rustls::Error::General(error.to_string())))?;
        let connector = TlsConnector::from(Arc::clone(self.config(domain, purpose)));
        connector.connect(name, stream).await.map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(reason) => refused(reason.clone()),
                None => SendError::Connect { host: host.to_owned(), reason: error.into() },
            }
        })
    }

    fn config(&self, domain: &Domain, purpose: Purpose) -> &Arc<ClientConfig> {
        let own = self.overrides.get(domain).and_then(|target| target.configs.as_ref());
        let configs = own.unwrap_or(&self.configs);
        match purpose {
            Purpose::Requests => &configs.requests,
            Purpose::WebSocket => &configs.web_sockets,
        }
    }
}

/// Tries the addresses one after the other, without waiting for a silent one. Returns the first connection.
async fn first_to_connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts: FuturesUnordered<_> = (0..)
        .zip(addresses)
        .map(|(place, address)| async move {
            sleep(HEAD_START * place).await;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
        .collect();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use phoenix_core::wire::operations::Service;
    use tokio::net::TcpListener;

    use super::*;

    /// The error of connecting to a homeserver whose name resolves to `address`.
    async fn connect(private_addresses: bool, address: SocketAddr) -> SendError {
        let roots = Roots::Only(Vec::new());
        let limits = PeerLimits { handshake: Duration::from_millis(100), ..PeerLimits::default() };
        let mut connector =
            Connector::new(Reach { roots, private_addresses, limits, ..Reach::default() }).unwrap();
        connector.resolver.everything = Some(address);
        let peer = Endpoint { domain: "stranger.example".parse().unwrap(), service: Service::Queuing };
        connector.connect(&peer, Purpose::Requests).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_stranger_cannot_make_us_connect_to_a_private_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = connect(false, address).await;
        assert!(matches!(error, SendError::ForbiddenAddress { .. }), "{error}");
        // With private addresses allowed, the first connection is the allowed one.
        let (error, accepted) = tokio::join!(connect(true, address), listener.accept());
        assert!(matches!(error, SendError::Time { step: Wait::Handshake, .. }), "{error}");
        let (mut stream, _) = accepted.unwrap();
        let mut hello = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut hello).await.unwrap();
        assert!(!hello.is_empty());
        drop(stream);
        let second = futures_util::FutureExt::now_or_never(listener.accept());
        assert!(second.is_none(), "no other connection came");
    }
}
