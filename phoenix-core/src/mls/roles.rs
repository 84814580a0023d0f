//! PROTOCOL.md §8 — who may change a group's membership: named by leaf identity, which neither updates nor
//! resyncs change, never by leaf index, which MLS gives to somebody else.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{List, decode},
    identifiers::LeafIdentity,
};

/// The content of the roles extension in the group context.
#[derive(Debug, Clone, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Roles {
    /// The leaf identities of the admins.
    pub admins: List<LeafIdentity, 64>,
}

impl Roles {
    /// Reads the extension. A group without, or with one that cannot be read, has no admins.
    pub fn read(extension: Option<&[u8]>) -> Self {
        extension.and_then(|bytes| decode(bytes).ok()).unwrap_or_default()
    }

    /// Whether the member with this leaf identity is an admin.
    pub fn is_admin(&self, identity: &LeafIdentity) -> bool {
        self.admins.contains(identity)
    }
}
