//! What a server authenticates with.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{certificates::certificates_from_pem, error::TlsError};

/// What a homeserver authenticates with: a certificate chain, and the private key of its first certificate.
///
/// The certificate must be valid for the names of all three services.
#[derive(Debug)]
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a PEM chain, the server's own certificate first, and its PEM private key (PKCS #8, PKCS #1 or
    /// SEC 1).
    ///
    /// # Errors
    /// [`TlsError::Pem`] or [`TlsError::NoCertificate`] if the files are invalid. Whether key and certificate
    /// belong together is checked when a server is configured with them.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates_from_pem(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError::Pem { what: "private key", reason: error.to_string() })?;
        Ok(Self { chain, key })
    }

    /// The certificate chain, the server's own certificate first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}
