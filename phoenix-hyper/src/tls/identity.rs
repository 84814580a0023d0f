//! TLS 1.3, and nothing older: who we are, and whom we believe (protocol.md §5).
//!
//! The provider of the cryptography is named wherever one is needed; nothing rests on a default of the process.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use phoenix_core::identifiers::Domain;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    version::TLS13,
};

use crate::host;

/// HTTP/2, as ALPN names it.
pub const HTTP_2: &[u8] = b"h2";

/// HTTP/1.1, as ALPN names it.
pub const HTTP_1_1: &[u8] = b"http/1.1";

/// How many years a self-signed certificate is valid: whoever pins it replaces it by hand.
const SELF_SIGNED_YEARS: i32 = 10;

/// A certificate or key is of no use.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// Bytes that should be PEM are none.
    #[error("the {what} cannot be read as PEM: {reason}")]
    Pem {
        /// Which bytes.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// There is no certificate between the PEM markers, or no markers.
    #[error(
        "there is no certificate in the chain: it is a PEM file that begins with the server's own certificate"
    )]
    NoCertificate,
    /// Certificate and key do not fit together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used: {0}")]
    Identity(rustls::Error),
    /// A certificate that is to be trusted is none.
    #[error("a trusted certificate cannot be used: {0}")]
    TrustedCertificate(rustls::Error),
    /// A self-signed certificate could not be made.
    #[error("no self-signed certificate could be made: {0}")]
    SelfSigned(String),
    /// The provider of the cryptography does not do what TLS 1.3 needs.
    #[error("TLS 1.3 is not available: {0}")]
    Provider(rustls::Error),
}

/// What a homeserver proves with who it is: a certificate chain, and the key of its first certificate.
///
/// The certificate must be valid for the names of all three services.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a chain, the server's own certificate first, and its private key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// [`TlsError::Pem`] or [`TlsError::NoCertificate`]: the files are not what they should be. Whether key and
    /// certificate fit together is found out by [`server_config`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates_from_pem(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError::Pem { what: "private key", reason: error.to_string() })?;
        Ok(Self { chain, key })
    }

    /// Makes a key, and a certificate for the homeserver of `domain` that no authority signed: others must be
    /// told to trust it. For development and closed deployments.
    ///
    /// # Errors
    /// [`TlsError::SelfSigned`]: the system has no randomness to give.
    pub fn self_signed(domain: &Domain) -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError::SelfSigned(error.to_string());
        let mut names: Vec<_> =
            host::SERVICES.into_iter().map(|service| host::name(service, domain)).collect();
        names.push(domain.to_string());
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        // A subject of its own, so that no other homeserver's certificate is taken for the issuer. Common names
        // end at 64 octets; what counts are the names above.
        let common_name: String = domain.as_str().chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let year = this_year();
        // Clocks differ, also on New Year's Day.
        params.not_before = date_time_ymd(year - 1, 1, 1);
        params.not_after = date_time_ymd(year + SELF_SIGNED_YEARS, 1, 1);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Self { chain: vec![certificate.into()], key })
    }

    /// The chain, the server's own certificate first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The chain in PEM.
    pub fn certificate_pem(&self) -> String {
        let chain: Vec<_> = self.chain.iter().map(|der| pem::Pem::new("CERTIFICATE", der.to_vec())).collect();
        pem::encode_many(&chain)
    }

    /// The private key in PEM: a secret.
    pub fn key_pem(&self) -> String {
        let label = match self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem::encode(&pem::Pem::new(label, self.key.secret_der()))
    }
}

/// Reads one certificate or more.
///
/// # Errors
/// [`TlsError::Pem`] or [`TlsError::NoCertificate`].
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem { what: "certificate", reason: error.to_string() })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}

/// Whose word counts for who a server is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// The authorities that browsers trust.
    #[default]
    WebPki,
    /// These certificates only: authorities', or a server's own.
    Only(Vec<CertificateDer<'static>>),
}

/// How a homeserver accepts connections: TLS 1.3 only, HTTP/2 or HTTP/1.1, no early data.
///
/// Sessions are resumed by tickets whose key changes every few hours: nothing is kept per client.
///
/// # Errors
/// [`TlsError::Identity`]: the key is not that of the certificate, or of a kind that is not supported.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Provider)?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Provider)?;
    Ok(Arc::new(config))
}

/// How connections to servers are made that `roots` vouch for: once for requests, once for web sockets.
#[derive(Debug, Clone)]
pub(crate) struct ClientConfigs {
    /// HTTP/2, or else HTTP/1.1.
    pub requests: Arc<ClientConfig>,
    /// HTTP/1.1, the only version that is upgraded.
    pub web_sockets: Arc<ClientConfig>,
}

impl ClientConfigs {
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn this_year() -> i32 {
    /// The mean length of a year in the Gregorian calendar.
    const SECONDS_PER_YEAR: u64 = 31_556_952;
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1970 + i32::try_from(elapsed.as_secs() / SECONDS_PER_YEAR).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(domain: &str) -> Identity {
        Identity::self_signed(&domain.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_identity_survives_pem() {
        let made = identity("a.localhost");
        let read = Identity::from_pem(made.certificate_pem().as_bytes(), made.key_pem().as_bytes()).unwrap();
        assert_eq!(read.certificates(), made.certificates());
        server_config(&read).unwrap();
    }

    #[test]
    fn what_is_no_identity_is_refused_with_its_reason() {
        let [a, b] = ["a.localhost", "b.localhost"].map(identity);
        let key = a.key_pem();
        assert_eq!(Identity::from_pem(b"", key.as_bytes()).unwrap_err(), TlsError::NoCertificate);
        let missing = Identity::from_pem(a.certificate_pem().as_bytes(), b"").unwrap_err();
        assert!(matches!(missing, TlsError::Pem { what: "private key", .. }), "{missing}");
        let foreign = Identity::from_pem(a.certificate_pem().as_bytes(), b.key_pem().as_bytes()).unwrap();
        assert!(matches!(server_config(&foreign), Err(TlsError::Identity(_))));
        let roots = Roots::Only(vec![CertificateDer::from(vec![1, 2, 3])]);
        assert!(matches!(ClientConfigs::new(&roots), Err(TlsError::TrustedCertificate(_))));
    }

    #[test]
    fn the_longest_domain_has_a_certificate() {
        let label = "a".repeat(60);
        identity(&format!("{label}.{label}.{label}.{label}.example"));
    }
}
