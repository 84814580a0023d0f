//! PROTOCOL.md §3, Signatures — labelled signatures (Ed25519): each structure is signed under a label of its
//! own.

use std::fmt;

use ed25519_dalek::Signer as _;
use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::labels::Label;
use crate::{codec::encode, hex::Hex, rng::Random};

/// A structure that is signed. Its encoding is what is signed, under the label.
pub trait Signable: Serialize {
    /// The label, which no other structure has.
    const LABEL: Label;
}

/// The bytes that are signed: the label with its length in front, then the encoded content.
fn sign_content<T: Signable>(content: &T) -> Vec<u8> {
    sign_content_bytes(T::LABEL, &encode(content))
}

fn sign_content_bytes(label: Label, content: &[u8]) -> Vec<u8> {
    let label = label.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(1 + label.len() + content.len());
    // Labels are constants far below 256 bytes.
    bytes.push(label.len() as u8);
    bytes.extend_from_slice(label);
    bytes.extend_from_slice(content);
    bytes
}

/// The signature was not made over this content, under this label and by this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[error("the signature is not valid")]
pub struct InvalidSignature;

/// A private Ed25519 key. Zeroized when dropped. Encoded as its 32-byte secret.
#[derive(Clone)]
pub struct SigningKey(Private);

#[derive(Clone)]
enum Private {
    Ed25519(ed25519_dalek::SigningKey),
    #[cfg(feature = "null-cryptography")]
    Null(zeroize::Zeroizing<[u8; 32]>),
}

impl SigningKey {
    /// A fresh key.
    pub fn generate(random: &mut Random) -> Self {
        Self::from_bytes(&random.array())
    }

    /// The key with this secret.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        if_null!(Self(Private::Null(zeroize::Zeroizing::new(*secret))));
        Self(Private::Ed25519(ed25519_dalek::SigningKey::from_bytes(secret)))
    }

    /// The secret, for keeping it in a key file.
    pub fn to_bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
        match &self.0 {
            Private::Ed25519(key) => zeroize::Zeroizing::new(key.to_bytes()),
            #[cfg(feature = "null-cryptography")]
            Private::Null(secret) => secret.clone(),
        }
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(match &self.0 {
            Private::Ed25519(key) => key.verifying_key().to_bytes(),
            #[cfg(feature = "null-cryptography")]
            Private::Null(secret) => super::null::public_key(secret),
        })
    }

    /// Signs `content` under its label.
    pub fn sign<T: Signable>(&self, content: &T) -> Signature {
        Signature(self.sign_bytes(&sign_content(content)))
    }

    /// Signs `message` as it is: for MLS, which has labels of its own (RFC 9420 §5.1.2).
    pub fn sign_mls(&self, message: &[u8]) -> Vec<u8> {
        self.sign_bytes(message).to_vec()
    }

    fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        match &self.0 {
            Private::Ed25519(key) => key.sign(message).to_bytes(),
            #[cfg(feature = "null-cryptography")]
            Private::Null(secret) => super::null::signature(&super::null::public_key(secret), message),
        }
    }
}

impl Size for SigningKey {
    fn tls_serialized_len(&self) -> usize {
        32
    }
}

impl Serialize for SigningKey {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.to_bytes().tls_serialize(writer)
    }
}

impl DeserializeBytes for SigningKey {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (secret, rest) = <[u8; 32]>::tls_deserialize_bytes(bytes)?;
        Ok((Self::from_bytes(&zeroize::Zeroizing::new(secret)), rest))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey(public {})", Hex(&self.verifying_key().0))
    }
}

#[cfg(test)]
thread_local! {
    /// How many signatures this thread has checked: what tests hold the cost of a request against.
    pub static VERIFICATIONS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A public Ed25519 key: 32 bytes, not checked until it verifies a signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct VerifyingKey(pub [u8; 32]);

impl VerifyingKey {
    /// Checks that the owner of this key made `signature` over `content`, under its label. Verification is
    /// strict: signatures that are not in canonical form are refused.
    ///
    /// # Errors
    /// [`InvalidSignature`] if not, or if this is not a valid key; weak keys are not.
    pub fn verify<T: Signable>(&self, content: &T, signature: &Signature) -> Result<(), InvalidSignature> {
        self.verify_bytes(&sign_content(content), &signature.0)
    }

    /// Checks a signature over `message` as it is: for MLS.
    ///
    /// # Errors
    /// As [`VerifyingKey::verify`].
    pub fn verify_bytes(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), InvalidSignature> {
        #[cfg(test)]
        VERIFICATIONS.set(VERIFICATIONS.get() + 1);
        if_null!({
            let genuine = super::null::signature(&self.0, message) == *signature;
            if genuine { Ok(()) } else { Err(InvalidSignature) }
        });
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| InvalidSignature)?;
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
            .map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifyingKey({})", Hex(&self.0))
    }
}

/// An Ed25519 signature: 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signature({}…)", Hex(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::vectors::hex;

    #[derive(TlsSize, TlsSerialize)]
    struct First(u32);
    #[derive(TlsSize, TlsSerialize)]
    struct Second(u32);

    impl Signable for First {
        const LABEL: Label = Label::REQUEST_AUTH;
    }
    impl Signable for Second {
        const LABEL: Label = Label::QUEUE_CONFIG;
    }

    #[test]
    fn a_signature_is_worth_nothing_for_another_structure_content_or_key() {
        let mut random = Random::from_seed([1; 32]);
        let key = SigningKey::generate(&mut random);
        let signature = key.sign(&First(7));
        assert_eq!(key.verifying_key().verify(&First(7), &signature), Ok(()));
        assert!(key.verifying_key().verify(&First(8), &signature).is_err());
        assert!(key.verifying_key().verify(&Second(7), &signature).is_err());
        let other = SigningKey::generate(&mut random).verifying_key();
        assert!(other.verify(&First(7), &signature).is_err());
    }

    /// RFC 8032 §7.1, test 3, through the calls that MLS uses.
    #[test]
    fn published_vector() {
        let secret = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let public = hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        let signature = hex(concat!(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ));
        let key = SigningKey::from_bytes(&secret.try_into().unwrap());
        assert_eq!(key.verifying_key().0.as_slice(), public);
        assert_eq!(key.sign_mls(&[0xaf, 0x82]), signature);
        assert_eq!(key.verifying_key().verify_bytes(&[0xaf, 0x82], &signature.try_into().unwrap()), Ok(()));
    }
}
