//! What a homeserver needs before it can serve: keys, a certificate, peers, and its store.

use std::{fs, path::Path, sync::Arc};

use phoenix_core::{homeserver::Homeserver, identifiers::Domain, keys::ServiceKeys};
use phoenix_hyper::{
    data_directory::DataDirectory,
    environment::now,
    key_file,
    peers::{Override, Peers, Reach},
    settings::{Settings, SettingsError},
    store::embedded::{EmbeddedStore, OpenError},
    tls::{Identity, Roots, TlsError, certificates_from_pem, server_config},
};
use rustls::pki_types::CertificateDer;

use crate::commands::{
    exit::{Exit, Failure},
    keys,
    output::Output,
};

/// Everything that a homeserver needs.
pub struct Parts<S> {
    pub homeserver: Homeserver,
    pub store: S,
    pub tls: Arc<rustls::ServerConfig>,
    pub peers: Peers,
}

/// Opens everything that a homeserver needs, and creates it at the first start.
///
/// # Errors
/// [`Failure`] says what to do.
pub fn open(
    domain: &Domain,
    data: &Path,
    settings: &Settings,
    output: Output,
) -> Result<Parts<EmbeddedStore>, Failure> {
    // Checks come first, so that a mistake leaves nothing behind.
    let configured = configured_identity(domain, settings)?;
    let peers = Peers::new(reach(settings)?).map_err(|error| Exit::Settings.because(error))?;
    let data = DataDirectory::open(data).map_err(|error| Exit::Other.because(error))?;
    let keys = service_keys(domain, &data, output)?;
    let store = EmbeddedStore::open(data.store(), settings.store.clone()).map_err(|error| match error {
        OpenError::InUse { .. } => Exit::InUse.because(error),
        OpenError::Damaged { .. } | OpenError::Newer { .. } | OpenError::Io { .. } => {
            Exit::Other.because(error)
        }
    })?;
    let identity = match configured {
        Some(identity) => identity,
        None => self_signed(domain, &data, output)?,
    };
    let tls = server_config(&identity).map_err(|error| Exit::Settings.because(error))?;
    let node = data.node_id().map_err(|error| Exit::Other.because(error))?;
    let homeserver = Homeserver::new(settings.core(domain.clone(), node), keys);
    Ok(Parts { homeserver, store, tls, peers })
}

/// Reads the keys, or creates them at the first start. Never creates keys for a store that was written with
/// others.
fn service_keys(domain: &Domain, data: &DataDirectory, output: Output) -> Result<ServiceKeys, Failure> {
    let path = data.keys();
    if !path.exists() {
        if data.store().exists() {
            let (path, store) = (path.display().to_string(), data.store().display().to_string());
            return Err(Exit::Keys.because(format!(
                "the key file {path} is missing, but the store {store} exists and is worthless without its keys: restore \
                 the key file from a backup"
            )));
        }
        return keys::create(domain, &keys::Paths { keys: path, root: data.root_key() }, output);
    }
    let keys = key_file::read_for(&path, domain).map_err(|error| Exit::Keys.because(error))?;
    let now = now();
    for key in keys.summary() {
        if let Some(warning) = keys::warning(&key, now) {
            tracing::warn!(target: "phoenix", kind = key.what, id = key.id, "a key {warning}");
        }
    }
    Ok(keys)
}

/// Reads the configured certificate; `None` for a domain under localhost without one.
fn configured_identity(domain: &Domain, settings: &Settings) -> Result<Option<Identity>, Failure> {
    let (Some(certificate), Some(key)) = (&settings.server.certificate, &settings.server.key) else {
        if domain.is_localhost() {
            return Ok(None);
        }
        return Err(Exit::Settings.because(format!(
            "{domain} needs a certificate for as.{domain}, qs.{domain} and ds.{domain} that others trust: set \
             server.certificate and server.key in the settings file"
        )));
    };
    let chain = read("server.certificate", certificate)?;
    let key_bytes = read("server.key", key)?;
    let identity = Identity::from_pem(&chain, &key_bytes).map_err(|error| {
        let in_key = matches!(error, TlsError::Pem { what: "private key", .. });
        let (name, path) = if in_key { ("server.key", key) } else { ("server.certificate", certificate) };
        refused(name, path, error)
    })?;
    // Checks that the two belong together, before anything is created.
    server_config(&identity).map_err(|error| refused("server.key", key, error))?;
    Ok(Some(identity))
}

fn self_signed(domain: &Domain, data: &DataDirectory, output: Output) -> Result<Identity, Failure> {
    let (identity, new) = data.self_signed(domain).map_err(|error| Exit::Settings.because(error))?;
    let path = data.certificate().display().to_string();
    let text = if new {
        format!("A self-signed certificate was created; others must be configured to trust it: {path}")
    } else {
        format!("The self-signed certificate that others must be configured to trust: {path}")
    };
    output.event("self_signed", [("certificate", path.into()), ("new", new.into())], &text);
    Ok(identity)
}

/// How other homeservers are reached by the settings.
fn reach(settings: &Settings) -> Result<Reach, Failure> {
    let federation = &settings.federation;
    let certificates = |name, path: &Path| -> Result<Vec<CertificateDer<'static>>, Failure> {
        certificates_from_pem(&read(name, path)?).map_err(|error| refused(name, path, error))
    };
    let roots = match &federation.authorities {
        Some(path) => Roots::Only(certificates("federation.authorities", path)?),
        None => Roots::WebPki,
    };
    let mut reach = Reach {
        roots,
        private_addresses: federation.private_addresses,
        limits: settings.outgoing,
        ..Reach::default()
    };
    for peer in &federation.peers {
        let certificates = match &peer.certificate {
            Some(path) => certificates("federation.peers.certificate", path)?,
            None => Vec::new(),
        };
        reach.overrides.insert(peer.domain.clone(), Override { address: peer.address, certificates });
    }
    Ok(reach)
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| refused(name, path, error))
}

fn refused(name: &str, path: &Path, error: impl ToString) -> Failure {
    Exit::Settings.because(SettingsError::Refused {
        name: name.to_owned(),
        value: path.display().to_string(),
        reason: error.to_string(),
    })
}
