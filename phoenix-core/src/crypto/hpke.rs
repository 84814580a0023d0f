//! PROTOCOL.md §3, Sealing — sealing to a public key: HPKE base mode (RFC 9180), each use under a label of
//! its own.
//!
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. The label is HPKE's `info`. Public keys and
//! encapsulated keys of low order are refused: with them the shared secret is public.

use std::fmt;

use ::hpke::{
    Deserializable, HpkeError, Kem as _, OpModeR, OpModeS, Serializable, aead::AesGcm128, kdf::HkdfSha256,
    kem::X25519HkdfSha256, rand_core::CryptoRng, single_shot_open, single_shot_seal_with_rng,
};
use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::{
    aead::{AEAD_TAG_LENGTH, DecryptionError, EncryptionError},
    labels::Label,
};
use crate::{
    codec::{Bytes, DecodeError},
    hex::Hex,
    rng::Random,
};

/// The longest ciphertext that is sealed to a public key, in bytes.
pub const MAX_HPKE_CIPHERTEXT: usize = 1 << 20;

type PrivateKey = <X25519HkdfSha256 as ::hpke::Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as ::hpke::Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as ::hpke::Kem>::EncappedKey;

/// A private X25519 key, to whose public half others seal. Zeroized when dropped. Encoded as its 32-byte
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub struct HpkePrivateKey(PrivateKey);

impl HpkePrivateKey {
    /// A fresh key.
    pub fn generate(random: &mut Random) -> Self {
        if_null!(Self::from_bytes(&random.array()).unwrap_or_else(|_| Self::generate(random)));
        Self(X25519HkdfSha256::gen_keypair_with_rng(random.generator()).0)
    }

    /// The key with this secret.
    ///
    /// # Errors
    /// [`DecodeError`] if the suite does not take it. X25519 takes every secret.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, DecodeError> {
        PrivateKey::from_bytes(secret).map(Self).map_err(|_| DecodeError)
    }

    /// The secret, for keeping it in a key file or store.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut secret = Zeroizing::new([0; 32]);
        self.0.write_exact(secret.as_mut());
        secret
    }

    /// The public half.
    pub fn public_key(&self) -> HpkePublicKey {
        if_null!(HpkePublicKey(super::null::public_key(&self.to_bytes())));
        HpkePublicKey(X25519HkdfSha256::sk_to_pk(&self.0).to_bytes().into())
    }

    /// Opens what was sealed to this key, under the same label and associated data.
    ///
    /// # Errors
    /// [`DecryptionError`] if key, label, associated data or ciphertext differ, or the encapsulated key is of
    /// low order.
    pub fn open(
        &self,
        label: Label,
        associated: &[u8],
        ciphertext: &HpkeCiphertext,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptionError> {
        self.open_raw(
            label.as_str().as_bytes(),
            associated,
            &ciphertext.encapsulated,
            ciphertext.ciphertext.as_slice(),
        )
    }

    fn open_raw(
        &self,
        info: &[u8],
        associated: &[u8],
        encapsulated: &[u8; 32],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DecryptionError> {
        if_null!(
            super::null::open(&self.to_bytes(), encapsulated, info, associated, ciphertext)
                .ok_or(DecryptionError)
        );
        let encapsulated = EncappedKey::from_bytes(encapsulated).map_err(|_| DecryptionError)?;
        single_shot_open::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            info,
            ciphertext,
            associated,
        )
        .map(Zeroizing::new)
        .map_err(|_| DecryptionError)
    }
}

impl fmt::Debug for HpkePrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HpkePrivateKey(public {})", Hex(&self.public_key().0))
    }
}

impl Size for HpkePrivateKey {
    fn tls_serialized_len(&self) -> usize {
        32
    }
}

impl Serialize for HpkePrivateKey {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.to_bytes().tls_serialize(writer)
    }
}

impl DeserializeBytes for HpkePrivateKey {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (secret, rest) = <[u8; 32]>::tls_deserialize_bytes(bytes)?;
        let secret = Zeroizing::new(secret);
        let key = Self::from_bytes(&secret).map_err(|_| tls_codec::Error::InvalidInput)?;
        Ok((key, rest))
    }
}

/// A public X25519 key to which others seal: 32 bytes, not checked until something is sealed to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct HpkePublicKey(pub [u8; 32]);

impl HpkePublicKey {
    /// Seals `plaintext` to the owner of this key, who opens it under the same label and associated data.
    ///
    /// # Errors
    /// [`EncryptionError::InvalidPublicKey`] if this is a key of low order, [`EncryptionError::TooLong`] if
    /// the ciphertext would exceed [`MAX_HPKE_CIPHERTEXT`].
    pub fn seal(
        &self,
        random: &mut Random,
        label: Label,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, EncryptionError> {
        self.seal_raw(random.generator(), label.as_str().as_bytes(), associated, plaintext)
    }

    fn seal_raw(
        &self,
        generator: &mut impl CryptoRng,
        info: &[u8],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, EncryptionError> {
        if plaintext.len() > MAX_HPKE_CIPHERTEXT - AEAD_TAG_LENGTH {
            return Err(EncryptionError::TooLong);
        }
        if_null!({
            let mut encapsulated = [0; 32];
            generator.fill_bytes(&mut encapsulated);
            let sealed = super::null::seal(&self.0, &encapsulated, info, associated, plaintext);
            let ciphertext = Bytes::new(sealed.ok_or(EncryptionError::InvalidPublicKey)?);
            Ok(HpkeCiphertext { encapsulated, ciphertext: ciphertext.map_err(|_| EncryptionError::TooLong)? })
        });
        let key = PublicKey::from_bytes(&self.0).map_err(|_| EncryptionError::InvalidPublicKey)?;
        let (encapsulated, ciphertext) =
            single_shot_seal_with_rng::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &key,
                info,
                plaintext,
                associated,
                generator,
            )
            .map_err(|error| match error {
                HpkeError::SealError => EncryptionError::TooLong,
                _ => EncryptionError::InvalidPublicKey,
            })?;
        Ok(HpkeCiphertext {
            encapsulated: encapsulated.to_bytes().into(),
            ciphertext: Bytes::new(ciphertext).map_err(|_| EncryptionError::TooLong)?,
        })
    }
}

impl fmt::Debug for HpkePublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HpkePublicKey({})", Hex(&self.0))
    }
}

/// A message that is sealed to a public key.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct HpkeCiphertext {
    /// The encapsulated key: the public half of a key that was drawn for this message.
    pub encapsulated: [u8; 32],
    /// The encrypted message and its tag.
    pub ciphertext: Bytes<MAX_HPKE_CIPHERTEXT>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{decode, encode},
        crypto::tests::vectors::{Script, hex},
    };

    const LABEL: Label = Label::SEAL_QUEUE_CONFIG;

    #[test]
    fn only_the_owner_opens_and_only_under_the_same_label_and_associated_data() {
        let mut random = Random::from_seed([1; 32]);
        let key = HpkePrivateKey::generate(&mut random);
        let sealed = key.public_key().seal(&mut random, LABEL, b"for", b"content").unwrap();
        let decoded: HpkeCiphertext = decode(&encode(&sealed)).unwrap();
        assert_eq!(key.open(LABEL, b"for", &decoded).unwrap().as_slice(), b"content");
        assert_eq!(key.open(Label::SEAL_STREAM_SEED, b"for", &sealed), Err(DecryptionError));
        assert_eq!(key.open(LABEL, b"of", &sealed), Err(DecryptionError));
        let other = HpkePrivateKey::generate(&mut random);
        assert_eq!(other.open(LABEL, b"for", &sealed), Err(DecryptionError));
        let mut changed = sealed.clone();
        changed.encapsulated[3] ^= 4;
        assert_eq!(key.open(LABEL, b"for", &changed), Err(DecryptionError));
        let mut bytes = sealed.ciphertext.as_slice().to_vec();
        bytes[0] ^= 1;
        let changed = HpkeCiphertext { ciphertext: Bytes::new(bytes).unwrap(), ..sealed };
        assert_eq!(key.open(LABEL, b"for", &changed), Err(DecryptionError));
    }

    #[test]
    fn low_order_keys_are_refused() {
        let mut random = Random::from_seed([2; 32]);
        let key = HpkePrivateKey::generate(&mut random);
        let sealed = key.public_key().seal(&mut random, LABEL, b"", b"content").unwrap();
        let low_order = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for point in low_order {
            let point: [u8; 32] = hex(point).try_into().unwrap();
            let refused = HpkePublicKey(point).seal(&mut random, LABEL, b"", b"content");
            assert_eq!(refused, Err(EncryptionError::InvalidPublicKey));
            let sealed = HpkeCiphertext { encapsulated: point, ..sealed.clone() };
            assert_eq!(key.open(LABEL, b"", &sealed), Err(DecryptionError));
        }
    }

    #[test]
    fn private_keys_travel_and_show_nothing() {
        let key = HpkePrivateKey::generate(&mut Random::from_seed([3; 32]));
        let decoded: HpkePrivateKey = decode(&encode(&key)).unwrap();
        assert_eq!(decoded, key);
        assert_eq!(decoded.public_key(), key.public_key());
        let shown = format!("{key:?}");
        assert!(!shown.contains(&Hex(&key.to_bytes()[..8]).to_string()));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let mut random = Random::from_seed([4; 32]);
        let key = HpkePrivateKey::generate(&mut random).public_key();
        let longest = MAX_HPKE_CIPHERTEXT - AEAD_TAG_LENGTH;
        assert!(key.seal(&mut random, LABEL, b"", &vec![0; longest]).is_ok());
        let refused = key.seal(&mut random, LABEL, b"", &vec![0; longest + 1]);
        assert_eq!(refused, Err(EncryptionError::TooLong));
    }

    /// RFC 9180 §A.1.1 (base mode, first encryption), both ways through the code that labels are used with.
    #[test]
    fn published_vector() {
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let ephemeral = hex("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234");
        let public = hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
        let private = hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
        let encapsulated = hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
        let plaintext = hex("4265617574792069732074727574682c20747275746820626561757479");
        let associated = hex("436f756e742d30");
        let ciphertext = hex(concat!(
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9",
            "6d8770ac83d07bea87e13c512a"
        ));
        let key = HpkePrivateKey::from_bytes(&private.try_into().unwrap()).unwrap();
        assert_eq!(key.public_key().0.as_slice(), public);
        let opened = key.open_raw(&info, &associated, &encapsulated.clone().try_into().unwrap(), &ciphertext);
        assert_eq!(opened.unwrap().as_slice(), plaintext);
        let sealed =
            key.public_key().seal_raw(&mut Script(ephemeral), &info, &associated, &plaintext).unwrap();
        assert_eq!(sealed.encapsulated.as_slice(), encapsulated);
        assert_eq!(sealed.ciphertext.as_slice(), ciphertext);
    }
}
