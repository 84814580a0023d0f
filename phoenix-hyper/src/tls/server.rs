//! TLS as a homeserver accepts it.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::ring, version::TLS13};

use super::{
    error::TlsError,
    identity::Identity,
    protocols::{HTTP_1_1, HTTP_2, provider},
};

/// Configures a server: TLS 1.3 only, HTTP/2 or HTTP/1.1, no early data.
///
/// Clients resume sessions by tickets whose key changes every few hours: the server keeps nothing per client.
///
/// # Errors
/// [`TlsError::Identity`] if the key is not the certificate's, or of an unsupported kind;
/// [`TlsError::Provider`] if the cryptography provider lacks TLS 1.3.
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
