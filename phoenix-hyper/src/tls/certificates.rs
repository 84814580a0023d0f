//! Certificates in files.

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::error::TlsError;

/// Reads one or more PEM certificates.
///
/// # Errors
/// [`TlsError::Pem`] if the bytes are not PEM, [`TlsError::NoCertificate`] if there is none.
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem { what: "certificate", reason: error.to_string() })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}
