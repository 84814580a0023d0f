//! PROTOCOL.md §3 — signing keys, as MLS signs with them.

use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};

use crate::crypto::sign::SigningKey;

impl Signer for SigningKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        // `payload` holds MLS's own label already.
        Ok(self.sign_mls(payload))
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
