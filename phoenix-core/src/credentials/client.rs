//! PROTOCOL.md §4, Clients — a client's credential: requested by the client, signed by an intermediate.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::signed::{Issued, IssuedPayload, Payload, SelfSigned, Suite};
use crate::{
    crypto::{
        labels::Label,
        sign::{Signable, SigningKey, VerifyingKey},
    },
    identifiers::ClientId,
    time::ExpirationData,
};

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ClientCredentialPayload {
    /// The algorithms that the key is for.
    pub suite: Suite,
    /// The client, with its user and homeserver.
    pub client_id: ClientId,
    /// The client's key.
    pub verifying_key: VerifyingKey,
    /// The validity for which it asks.
    pub expiration: ExpirationData,
}

impl Signable for ClientCredentialPayload {
    const LABEL: Label = Label::CLIENT_CREDENTIAL_SELF;
}

impl Payload for ClientCredentialPayload {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    fn expiration(&self) -> &ExpirationData {
        &self.expiration
    }
}

impl IssuedPayload for ClientCredentialPayload {
    const ISSUED_LABEL: Label = Label::CLIENT_CREDENTIAL;
}

/// A client's request for a credential, signed by its own key.
pub type ClientCredentialRequest = SelfSigned<ClientCredentialPayload>;

impl ClientCredentialRequest {
    /// Makes a request for `key`. A renewal is a request with the same key and a later `expiration`.
    pub fn create(key: &SigningKey, client_id: ClientId, expiration: ExpirationData) -> Self {
        let payload = ClientCredentialPayload {
            suite: Suite::Ed25519Sha256Aes128GcmX25519,
            client_id,
            verifying_key: key.verifying_key(),
            expiration,
        };
        Self::sign(payload, key)
    }
}

/// A client's credential. Its key signs leaf credentials, attributions of Welcomes and connection packages.
pub type ClientCredential = Issued<ClientCredentialPayload>;

impl ClientCredential {
    /// The client whose credential it is.
    pub fn client_id(&self) -> &ClientId {
        &self.payload().client_id
    }
}
