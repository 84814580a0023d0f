//! Authentication by TLS: each kind of impersonation is tried, and refused with its own error.
#![allow(clippy::unwrap_used)]

mod support;

use std::{net::SocketAddr, sync::Arc};

use phoenix_core::wire::operations::Service;
use phoenix_hyper::{
    peers::{Override, Peers, Reach, SendError},
    server::ServerLimits,
    service::HttpService,
    tls::{self, Identity},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, PeerIncompatible, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use support::{Running, assert_keys, domain, key_request, node, reach, soon};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The error of a client that trusts `certificates` when it connects to the homeserver `name` at `address`.
async fn distrust(name: &str, address: SocketAddr, certificates: &[CertificateDer<'static>]) -> Error {
    let domain = domain(name);
    let target = Override { address, certificates: certificates.to_vec() };
    let peers = Peers::new(reach([(&domain, target)])).unwrap();
    let sent = soon(peers.send(&domain, Service::Queuing, key_request(&domain))).await;
    assert!(matches!(sent, Err(SendError::Tls { .. })), "{sent:?}");
    let Err(SendError::Tls { reason, .. }) = sent else { unreachable!("as was just seen") };
    reason
}

/// Starts a homeserver with a self-signed certificate of these parameters.
async fn with_certificate(name: &str, params: CertificateParams) -> Running {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let identity = Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    serving(name, identity).await
}

async fn serving(name: &str, identity: Identity) -> Running {
    let service = HttpService::new(node(&domain(name), None));
    Running::at(([127, 0, 0, 1], 0).into(), identity, service, ServerLimits::default()).await
}

fn names(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

#[tokio::test]
async fn a_homeserver_whose_certificate_is_pinned_is_reached() {
    let a = Running::start("a.localhost").await;
    let peers = a.peers();
    for _ in 0..3 {
        let answer = peers.send(&a.domain, Service::Queuing, key_request(&a.domain)).await.unwrap();
        assert_keys(&answer, &a.domain);
    }
}

#[tokio::test]
async fn a_homeserver_is_reached_through_the_authority_that_is_trusted() {
    let mut params = names(&[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = names(&["qs.a.localhost"]).signed_by(&key, &authority).unwrap();
    let identity = Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let a = serving("a.localhost", identity).await;
    let roots = tls::Roots::Only(vec![authority.der().clone()]);
    let target = Override { address: a.address, certificates: Vec::new() };
    let reach = Reach { roots, ..reach([(&a.domain, target)]) };
    let answer = Peers::new(reach).unwrap().send(&a.domain, Service::Queuing, key_request(&a.domain)).await;
    assert_keys(&answer.unwrap(), &a.domain);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let a = Running::start("a.localhost").await;
    let reason = distrust("b.localhost", a.address, a.identity.certificates()).await;
    assert!(
        matches!(reason, Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })),
        "{reason}"
    );
    // The domain itself is not the name of a service.
    let bare = with_certificate("c.localhost", names(&["c.localhost"])).await;
    let reason = distrust("c.localhost", bare.address, bare.identity.certificates()).await;
    assert!(
        matches!(reason, Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })),
        "{reason}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused_even_if_it_is_pinned() {
    let mut params = names(&["qs.a.localhost"]);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let a = with_certificate("a.localhost", params).await;
    let reason = distrust("a.localhost", a.address, a.identity.certificates()).await;
    assert!(matches!(reason, Error::InvalidCertificate(CertificateError::ExpiredContext { .. })), "{reason}");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused_even_if_it_is_pinned() {
    let mut params = names(&["qs.a.localhost"]);
    (params.not_before, params.not_after) = (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1));
    let a = with_certificate("a.localhost", params).await;
    let reason = distrust("a.localhost", a.address, a.identity.certificates()).await;
    assert!(
        matches!(reason, Error::InvalidCertificate(CertificateError::NotValidYetContext { .. })),
        "{reason}"
    );
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_not_pinned_is_refused() {
    let a = Running::start("a.localhost").await;
    let other = Identity::self_signed(&a.domain).unwrap();
    for trusted in [&[], other.certificates()] {
        let reason = distrust("a.localhost", a.address, trusted).await;
        assert!(matches!(reason, Error::InvalidCertificate(_)), "{reason}");
    }
    let target = Override { address: a.address, certificates: Vec::new() };
    let reach = Reach { roots: tls::Roots::WebPki, ..reach([(&a.domain, target)]) };
    let sent = Peers::new(reach).unwrap().send(&a.domain, Service::Queuing, key_request(&a.domain)).await;
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert!(matches!(&sent, Err(SendError::Tls { reason, .. }) if *reason == unknown), "{sent:?}");
}

#[tokio::test]
async fn a_certificate_that_is_pinned_for_one_homeserver_vouches_for_no_other() {
    // The operator of a holds a key that is pinned for a, and claims to be b.
    let a = with_certificate("a.localhost", names(&["qs.a.localhost", "qs.b.localhost"])).await;
    let b = domain("b.localhost");
    let unpinned = Override { address: a.address, certificates: Vec::new() };
    let peers = |b_target| Peers::new(reach([(&a.domain, a.target()), (&b, b_target)])).unwrap();
    let tricked = peers(unpinned);
    // A TLS session with a exists, too.
    let answer = tricked.send(&a.domain, Service::Queuing, key_request(&a.domain)).await.unwrap();
    assert_keys(&answer, &a.domain);
    let sent = tricked.send(&b, Service::Queuing, key_request(&b)).await;
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert!(matches!(&sent, Err(SendError::Tls { reason, .. }) if *reason == unknown), "{sent:?}");
    // With this certificate pinned for b, TLS succeeds.
    let sent = peers(a.target()).send(&b, Service::Queuing, key_request(&b)).await;
    assert!(matches!(sent, Err(SendError::Status { status: 421, .. })), "{sent:?}");
}

#[tokio::test]
async fn a_client_with_tls_1_2_only_is_refused() {
    let a = Running::start("a.localhost").await;
    for (version, expected) in [(&TLS13, true), (&TLS12, false)] {
        let mut roots = RootCertStore::empty();
        roots.add(a.identity.certificates()[0].clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(a.address).await.unwrap();
        let name = ServerName::try_from("qs.a.localhost").unwrap();
        let connected = soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
        assert_eq!(connected.is_ok(), expected, "{connected:?}");
        if let Err(error) = connected {
            let reason = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
            assert_eq!(*reason, Error::AlertReceived(AlertDescription::ProtocolVersion));
        }
    }
}

#[tokio::test]
async fn a_server_with_tls_1_2_only_is_refused() {
    let identity = Identity::self_signed(&domain("a.localhost")).unwrap();
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(identity.key_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(&[&TLS12]).unwrap().with_no_client_auth();
    let config = config.with_single_cert(identity.certificates().to_vec(), key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let refused = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap_err()
    });
    let reason = distrust("a.localhost", address, identity.certificates()).await;
    assert_eq!(reason, Error::AlertReceived(AlertDescription::ProtocolVersion));
    let refused = soon(refused).await.unwrap();
    let refused = refused.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(
        *refused,
        Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled),
        "the client does not offer TLS 1.2"
    );
}
