//! PROTOCOL.md §10 — records whose end is known when they are written are named by its hour, so that a sweep
//! finds them by a scan.

use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::time::Hour;

/// The name of a record that a sweep drops after its hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Expiring<N: Size + Serialize + DeserializeBytes> {
    /// The last hour in which the record is of use.
    pub hour: Hour,
    /// What names the record among those of its hour.
    pub name: N,
}
