//! TLS as clients of a homeserver, and other homeservers, connect with it.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, version::TLS13};

use super::{
    error::TlsError,
    protocols::{HTTP_1_1, HTTP_2, provider},
};

/// The certificates that servers are authenticated by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// The public authorities that browsers trust.
    #[default]
    WebPki,
    /// Only these certificates: of authorities, or of servers themselves.
    Only(Vec<CertificateDer<'static>>),
}

/// Configurations of clients: one for requests, one for web sockets.
#[derive(Debug, Clone)]
pub(crate) struct ClientConfigs {
    /// Offers HTTP/2 and HTTP/1.1.
    pub requests: Arc<ClientConfig>,
    /// Offers HTTP/1.1, the only version that can be upgraded.
    pub web_sockets: Arc<ClientConfig>,
}

impl ClientConfigs {
    /// Configures clients that authenticate servers by `roots`.
    pub fn new(roots: &Roots) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        match roots {
            Roots::WebPki => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Roots::Only(certificates) => {
                for certificate in certificates {
                    store.add(certificate.clone()).map_err(TlsError::TrustedCertificate)?;
                }
            }
        }
        let mut requests = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Provider)?
            .with_root_certificates(store)
            .with_no_client_auth();
        let mut web_sockets = requests.clone();
        requests.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        web_sockets.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self { requests: Arc::new(requests), web_sockets: Arc::new(web_sockets) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_trusted_certificate_is_refused() {
        let roots = Roots::Only(vec![CertificateDer::from(vec![1, 2, 3])]);
        assert!(matches!(ClientConfigs::new(&roots), Err(TlsError::TrustedCertificate(_))));
    }
}
