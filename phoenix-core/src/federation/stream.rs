//! PROTOCOL.md §9, QS-to-QS delivery — the encryption of a federated stream: epochs from a sealed seed, a
//! ratchet step per entry.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use crate::{
    codec::encode,
    crypto::{
        aead::{DecryptionError, EncryptionError},
        padding,
        ratchet::{RatchetCiphertext, RatchetSecret},
    },
    identifiers::{Domain, StreamId},
    rng::Random,
};

/// A position in an epoch's ratchet.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Chain {
    /// The epoch.
    pub epoch: u64,
    /// The ratchet at `sequence`.
    secret: RatchetSecret,
    /// The next entry to encrypt or decrypt.
    pub sequence: u64,
}

/// The stream that an entry is of: part of what it is bound to.
pub(super) struct StreamContext<'a> {
    pub source: &'a Domain,
    pub destination: &'a Domain,
    pub stream_id: StreamId,
}

impl StreamContext<'_> {
    /// What the seed of an epoch is sealed for.
    pub fn seed(&self, epoch: u64, first_sequence: u64) -> Vec<u8> {
        [
            encode(self.source),
            encode(self.destination),
            encode(&self.stream_id),
            encode(&(epoch, first_sequence)),
        ]
        .concat()
    }

    fn entry(&self, chain: &Chain) -> Vec<u8> {
        self.seed(chain.epoch, chain.sequence)
    }
}

impl Chain {
    /// The head of an epoch.
    pub fn start(epoch: u64, seed: RatchetSecret, first_sequence: u64) -> Self {
        Self { epoch, secret: seed, sequence: first_sequence }
    }

    /// The chain, moved on to `sequence`. Each step costs a derivation: the caller makes sure that there are
    /// few.
    pub fn forward(mut self, sequence: u64) -> Self {
        while self.sequence < sequence {
            let (next, _) = self.secret.step();
            self = Self { epoch: self.epoch, secret: next, sequence: self.sequence + 1 };
        }
        self
    }

    /// Encrypts the entry that the chain stands at, padded, and moves on.
    pub fn seal(
        &mut self,
        random: &mut Random,
        context: &StreamContext<'_>,
        message: &[u8],
    ) -> Result<RatchetCiphertext, EncryptionError> {
        let padded = Zeroizing::new(padding::pad(message, SMALLEST_ENTRY)?);
        let (next, key) = self.secret.step();
        let sealed = key.seal(random, &context.entry(self), &padded)?;
        *self = Self { epoch: self.epoch, secret: next, sequence: self.sequence + 1 };
        Ok(sealed)
    }

    /// Decrypts the entry that the chain stands at, and moves on.
    pub fn open(
        &mut self,
        context: &StreamContext<'_>,
        entry: &RatchetCiphertext,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptionError> {
        let (next, key) = self.secret.step();
        let padded = key.open(&context.entry(self), entry)?;
        let message = padding::unpad(&padded).map_err(|_| DecryptionError)?;
        let message = Zeroizing::new(message.to_vec());
        *self = Self { epoch: self.epoch, secret: next, sequence: self.sequence + 1 };
        Ok(message)
    }
}

/// What the smallest entries are padded to: a short message to a handful of recipients.
const SMALLEST_ENTRY: usize = 1024;
