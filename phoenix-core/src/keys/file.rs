//! PROTOCOL.md §3, Secrets — the keys of a homeserver and of its root as bytes, for a key file.
//!
//! Format, checksum, content: a file that is damaged anywhere is refused as a whole, since a changed bit in a
//! secret makes another secret. The bytes are the secrets themselves; the caller protects them.

use tls_codec::{DeserializeBytes, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::service_keys::{DatedKey, IntermediateKey, RootKey, ServiceKeys};
use crate::{
    codec::{Codec, List, encode},
    credentials::{AsCredential, RevocationList},
    crypto::{
        aead::EarKey,
        hpke::HpkePrivateKey,
        kdf::{self, Hash},
        labels::Label,
        sign::SigningKey,
    },
};

/// Why the bytes of a key file are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is of another format, perhaps a later release's.
    #[error("the key file is of format {found}, which this release does not know")]
    UnknownFormat {
        /// The file's format; this release knows format 1.
        found: u16,
    },
    /// It is damaged, cut off, or of another kind.
    #[error("the key file is damaged, or of another kind")]
    Damaged,
}

const FORMAT: u16 = 1;

impl ServiceKeys {
    /// Encodes all keys, secrets included, for a key file.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        to_file(Label::SERVICE_KEYS_FILE, &Content::of(self))
    }

    /// Reads the keys that [`ServiceKeys::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KeyFileError`] if `bytes` are not exactly what it wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFileError> {
        from_file(Label::SERVICE_KEYS_FILE, bytes).map(Content::into_keys)
    }
}

impl RootKey {
    /// Encodes the key, for a file that is kept offline.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        to_file(Label::ROOT_KEY_FILE, &self.0)
    }

    /// Reads the key that [`RootKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KeyFileError`] if `bytes` are not exactly what it wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFileError> {
        from_file(Label::ROOT_KEY_FILE, bytes).map(Self)
    }
}

/// Lists have no limit: the file is the operator's own, and reading it allocates no more than its size.
type All<T> = List<T, { usize::MAX }>;

/// [`ServiceKeys`] as they are encoded.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Content {
    roots: All<AsCredential>,
    intermediates: All<IntermediateKey>,
    revocations: RevocationList,
    opaque_seed: Seed,
    token_seed: Seed,
    queuing: All<DatedKey<SigningKey>>,
    config: All<DatedKey<HpkePrivateKey>>,
    stream: All<DatedKey<HpkePrivateKey>>,
    delivery: All<DatedKey<SigningKey>>,
    service_key: EarKey,
    cache_seed: Seed,
}

#[derive(Zeroize, ZeroizeOnDrop, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Seed([u8; 32]);

impl Content {
    fn of(keys: &ServiceKeys) -> Self {
        Self {
            roots: all(&keys.roots),
            intermediates: all(&keys.intermediates),
            revocations: keys.revocations.clone(),
            opaque_seed: Seed(*keys.opaque_seed),
            token_seed: Seed(*keys.token_seed),
            queuing: all(&keys.queuing),
            config: all(&keys.config),
            stream: all(&keys.stream),
            delivery: all(&keys.delivery),
            service_key: keys.service_key.clone(),
            cache_seed: Seed(*keys.cache_seed),
        }
    }

    fn into_keys(self) -> ServiceKeys {
        ServiceKeys {
            roots: self.roots.into_vec(),
            intermediates: self.intermediates.into_vec(),
            revocations: self.revocations,
            opaque_seed: Zeroizing::new(self.opaque_seed.0),
            token_seed: Zeroizing::new(self.token_seed.0),
            queuing: self.queuing.into_vec(),
            config: self.config.into_vec(),
            stream: self.stream.into_vec(),
            delivery: self.delivery.into_vec(),
            service_key: self.service_key,
            cache_seed: Zeroizing::new(self.cache_seed.0),
        }
    }
}

fn all<T: Clone>(values: &[T]) -> All<T> {
    List::new(values.to_vec()).unwrap_or_default()
}

fn to_file<T: Codec>(label: Label, content: &T) -> Zeroizing<Vec<u8>> {
    let content = Zeroizing::new(encode(content));
    let head = encode(&(FORMAT, checksum(label, &content)));
    // With room for all of it the buffer is never moved, so no copy of a secret is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(head.len() + content.len()));
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&content);
    bytes
}

fn from_file<T: Codec>(label: Label, bytes: &[u8]) -> Result<T, KeyFileError> {
    let (format, rest) = u16::tls_deserialize_bytes(bytes).map_err(|_| KeyFileError::Damaged)?;
    if format != FORMAT {
        return Err(KeyFileError::UnknownFormat { found: format });
    }
    let (sum, content) = Hash::tls_deserialize_bytes(rest).map_err(|_| KeyFileError::Damaged)?;
    if sum != checksum(label, content) {
        return Err(KeyFileError::Damaged);
    }
    let value = T::tls_deserialize_exact_bytes(content).map_err(|_| KeyFileError::Damaged)?;
    // The one encoding is compared here, since `decode` would leave a copy of the secrets behind.
    if *Zeroizing::new(encode(&value)) == content { Ok(value) } else { Err(KeyFileError::Damaged) }
}

fn checksum(label: Label, content: &[u8]) -> Hash {
    kdf::hash(label, &[content])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identifiers::Domain,
        rng::Random,
        time::{DAY, ExpirationData, Timestamp},
    };

    const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

    fn keys() -> (Domain, ServiceKeys, RootKey) {
        let domain: Domain = "example.com".parse().unwrap();
        let mut random = Random::from_seed([1; 32]);
        let (mut keys, root) = ServiceKeys::generate_with_root(&domain, &mut random, NOW);
        keys.add_intermediate(&root, &mut random, NOW).unwrap();
        let key = HpkePrivateKey::generate(&mut random);
        keys.config.push(DatedKey { key, expiration: ExpirationData::starting(NOW, DAY) });
        (domain, keys, root)
    }

    #[test]
    fn keys_that_were_written_are_read_again() {
        let (domain, keys, root) = keys();
        let bytes = keys.to_bytes();
        let kept = ServiceKeys::from_bytes(&bytes).unwrap();
        assert_eq!(kept.to_bytes(), bytes);
        assert_eq!(kept.summary(), keys.summary());
        let credentials = |keys: &ServiceKeys| keys.as_credential_set(&domain, NOW, DAY).unwrap();
        let queuing = |keys: &ServiceKeys| keys.qs_key_set(&domain, NOW, DAY).unwrap();
        let delivery = |keys: &ServiceKeys| keys.ds_key_set(&domain, NOW, DAY).unwrap();
        assert_eq!(credentials(&kept), credentials(&keys));
        assert_eq!(queuing(&kept), queuing(&keys));
        assert_eq!(delivery(&kept), delivery(&keys));
        // The secrets behind what is published, and those that nothing is published of.
        let id = keys.config_keys().next().unwrap().id;
        assert!(kept.config_key(&id) == keys.config_key(&id));
        let seeds = |keys: &ServiceKeys| (*keys.opaque_seed, *keys.token_seed, *keys.cache_seed);
        assert_eq!(seeds(&kept), seeds(&keys));
        assert_eq!(kept.service_key.as_bytes(), keys.service_key.as_bytes());
        let root_bytes = root.to_bytes();
        let kept_root = RootKey::from_bytes(&root_bytes).unwrap();
        assert_eq!(kept_root.to_bytes(), root_bytes);
        let mut kept = kept;
        assert_eq!(kept.add_intermediate(&kept_root, &mut Random::from_seed([2; 32]), NOW), Ok(()));
    }

    /// Nothing but `bytes` themselves is read.
    fn assert_nothing_else(bytes: &[u8], read: impl Fn(&[u8]) -> Option<KeyFileError>) {
        assert_eq!(read(bytes), None);
        for position in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[position] ^= 0x10;
            let expected = match position {
                0 => KeyFileError::UnknownFormat { found: 0x1001 },
                1 => KeyFileError::UnknownFormat { found: 0x11 },
                _ => KeyFileError::Damaged,
            };
            assert_eq!(read(&changed), Some(expected), "byte {position}");
            assert_eq!(read(&bytes[..position]), Some(KeyFileError::Damaged), "cut off at {position}");
        }
        assert_eq!(read(&[bytes, &[0]].concat()), Some(KeyFileError::Damaged));
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        let (_, keys, root) = keys();
        let (service_bytes, root_bytes) = (keys.to_bytes(), root.to_bytes());
        assert_nothing_else(&service_bytes, |bytes| ServiceKeys::from_bytes(bytes).err());
        assert_nothing_else(&root_bytes, |bytes| RootKey::from_bytes(bytes).err());
        // Each kind of file is its own.
        assert_eq!(ServiceKeys::from_bytes(&root_bytes).err(), Some(KeyFileError::Damaged));
        assert_eq!(RootKey::from_bytes(&service_bytes).err(), Some(KeyFileError::Damaged));
    }

    /// A file of another content with a checksum of its own: by mistake of a program, say.
    #[test]
    fn a_checksum_alone_does_not_make_keys() {
        let (_, keys, _) = keys();
        let content = encode(&Content::of(&keys));
        for other in [&content[..content.len() - 1], &[&content[..], &[0]].concat(), &[]] {
            let head = encode(&(FORMAT, checksum(Label::SERVICE_KEYS_FILE, other)));
            let bytes = [&head[..], other].concat();
            assert_eq!(ServiceKeys::from_bytes(&bytes).err(), Some(KeyFileError::Damaged));
        }
    }
}
