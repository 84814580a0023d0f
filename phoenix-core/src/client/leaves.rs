//! PROTOCOL.md §4.5, §8.4 — the client's own leaves: keys, credential, lifetime and capabilities.

use openmls::prelude::{Capabilities, Credential, CredentialType, CredentialWithKey, Lifetime};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{error::ClientError, state::State};
use crate::{
    codec::encode,
    credentials::LeafCredential,
    crypto::{aead::EarKey, sign::SigningKey},
    identifiers::LeafIdentity,
    mls::{LEAF_CREDENTIAL_TYPE, capabilities},
    time::{DAY, ExpirationData, HOUR},
};

/// A leaf of this client that is in no group yet.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct NewLeaf {
    pub key: SigningKey,
    pub credential: LeafCredential,
    pub attribution_key: EarKey,
}

impl NewLeaf {
    /// Returns the key and the credential in the form that MLS takes.
    pub fn for_mls(&self) -> CredentialWithKey {
        let credential =
            Credential::new(CredentialType::Other(LEAF_CREDENTIAL_TYPE), encode(&self.credential));
        CredentialWithKey { credential, signature_key: self.key.verifying_key().0.as_slice().into() }
    }
}

impl State {
    /// Makes a leaf with fresh keys.
    pub fn new_leaf(&mut self) -> Result<NewLeaf, ClientError> {
        let client_credential = self.credential()?.clone();
        let random = &mut self.random;
        let key = SigningKey::generate(random);
        let attribution_key = EarKey::random(random);
        let identity = LeafIdentity::random(random);
        let expiration = ExpirationData::starting(self.now, 365 * DAY);
        let credential = LeafCredential::create(
            random,
            &key,
            &self.account.client_key,
            &client_credential,
            &attribution_key,
            identity,
            expiration,
        )?;
        Ok(NewLeaf { key, credential, attribution_key })
    }

    /// Returns the MLS lifetime of a leaf that is made now.
    pub fn lifetime(&self) -> Lifetime {
        let end = self.now + self.config.key_package_lifetime;
        Lifetime::init((self.now - HOUR).seconds(), end.seconds())
    }

    /// Returns the MLS capabilities that every leaf declares.
    pub fn capabilities() -> Capabilities {
        capabilities()
    }
}
