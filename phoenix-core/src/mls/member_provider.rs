//! PROTOCOL.md §11, A client outlives its process — what openmls needs to run a member's groups.

use openmls_traits::OpenMlsProvider;

use super::member_records::MlsRecords;
use crate::crypto::provider::MlsCrypto;

/// What an MLS member needs: cryptography, randomness, and the state of its groups as records.
pub struct MlsProvider {
    crypto: MlsCrypto,
    records: MlsRecords,
}

impl MlsProvider {
    /// A provider for a member with this state; that of a new member is the default.
    pub const fn new(crypto: MlsCrypto, records: MlsRecords) -> Self {
        Self { crypto, records }
    }

    /// The state, to be saved.
    pub const fn records(&self) -> &MlsRecords {
        &self.records
    }
}

impl OpenMlsProvider for MlsProvider {
    type CryptoProvider = MlsCrypto;
    type RandProvider = MlsCrypto;
    type StorageProvider = MlsRecords;

    fn storage(&self) -> &MlsRecords {
        &self.records
    }

    fn crypto(&self) -> &MlsCrypto {
        &self.crypto
    }

    fn rand(&self) -> &MlsCrypto {
        &self.crypto
    }
}
