//! PROTOCOL.md §8, MLS profile — who may change a group's membership: named by leaf identity, which neither
//! updates nor resyncs change, and not by leaf index, which MLS gives to another member once it is free.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{List, decode},
    identifiers::LeafIdentity,
};

/// The content of the roles extension in the group context.
#[derive(Debug, Clone, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Roles {
    /// The leaf identities of the admins, at most 64.
    pub admins: List<LeafIdentity, 64>,
}

impl Roles {
    /// Reads the extension's content. A group whose extension is missing or malformed has no admins.
    pub fn read(extension: Option<&[u8]>) -> Self {
        extension.and_then(|bytes| decode(bytes).ok()).unwrap_or_default()
    }

    /// Whether the member with this leaf identity is an admin.
    pub fn is_admin(&self, identity: &LeafIdentity) -> bool {
        self.admins.contains(identity)
    }
}
