//! Certificates that no authority signed, and identities as files.

use std::time::{SystemTime, UNIX_EPOCH};

use phoenix_core::identifiers::Domain;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{error::TlsError, identity::Identity};
use crate::host;

/// How many years a self-signed certificate is valid: those who pin it replace it by hand.
const SELF_SIGNED_YEARS: i32 = 10;

impl Identity {
    /// Creates a key, and a certificate for the homeserver of `domain` that no authority signed: others must
    /// be told to trust it. For development and closed deployments.
    ///
    /// # Errors
    /// [`TlsError::SelfSigned`] if the system has no randomness.
    pub fn self_signed(domain: &Domain) -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError::SelfSigned(error.to_string());
        let mut names: Vec<_> =
            host::SERVICES.into_iter().map(|service| host::name(service, domain)).collect();
        names.push(domain.to_string());
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        // A subject of its own, so that no other homeserver's certificate is taken for the issuer. A common
        // name has at most 64 octets; clients check the names above, not this one.
        let common_name: String = domain.as_str().chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let year = this_year();
        // A year back, since clocks differ.
        params.not_before = date_time_ymd(year - 1, 1, 1);
        params.not_after = date_time_ymd(year + SELF_SIGNED_YEARS, 1, 1);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Self { chain: vec![certificate.into()], key })
    }

    /// Encodes the certificate chain in PEM.
    pub fn certificate_pem(&self) -> String {
        let chain: Vec<_> = self.chain.iter().map(|der| pem::Pem::new("CERTIFICATE", der.to_vec())).collect();
        pem::encode_many(&chain)
    }

    /// Encodes the private key in PEM. This is a secret.
    pub fn key_pem(&self) -> String {
        let label = match self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem::encode(&pem::Pem::new(label, self.key.secret_der()))
    }
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
    use crate::tls::server::server_config;

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
    fn an_invalid_identity_is_refused_with_its_reason() {
        let [a, b] = ["a.localhost", "b.localhost"].map(identity);
        let key = a.key_pem();
        assert_eq!(Identity::from_pem(b"", key.as_bytes()).unwrap_err(), TlsError::NoCertificate);
        let missing = Identity::from_pem(a.certificate_pem().as_bytes(), b"").unwrap_err();
        assert!(matches!(missing, TlsError::Pem { what: "private key", .. }), "{missing}");
        let foreign = Identity::from_pem(a.certificate_pem().as_bytes(), b.key_pem().as_bytes()).unwrap();
        assert!(matches!(server_config(&foreign), Err(TlsError::Identity(_))));
    }

    #[test]
    fn the_longest_domain_has_a_certificate() {
        let label = "a".repeat(60);
        identity(&format!("{label}.{label}.{label}.{label}.example"));
    }
}
