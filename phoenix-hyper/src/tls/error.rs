//! What is wrong with a certificate or key.

/// A certificate or key that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// The bytes are not PEM.
    #[error("the {what} cannot be read as PEM: {reason}")]
    Pem {
        /// What the bytes should contain.
        what: &'static str,
        /// The error of the PEM reader.
        reason: String,
    },
    /// The PEM file contains no certificate.
    #[error("there is no certificate in the chain: a PEM file that begins with the server's own certificate")]
    NoCertificate,
    /// Certificate and key do not belong together, or are of an unsupported kind.
    #[error("certificate and key cannot be used: {0}")]
    Identity(rustls::Error),
    /// A certificate to be trusted is invalid.
    #[error("a trusted certificate cannot be used: {0}")]
    TrustedCertificate(rustls::Error),
    /// No self-signed certificate could be created.
    #[error("no self-signed certificate could be created: {0}")]
    SelfSigned(String),
    /// The cryptography provider lacks what TLS 1.3 needs.
    #[error("TLS 1.3 is not available: {0}")]
    Provider(rustls::Error),
}
