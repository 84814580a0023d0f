//! PROTOCOL.md §10 — records that expire from the start are named by the hour of it, so that a sweep finds them by a
//! scan.

use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::time::Hour;

/// The name of a record that goes with the hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Expiring<N: Size + Serialize + DeserializeBytes> {
    /// The hour in which the record is of use for the last time.
    pub hour: Hour,
    /// What names it besides.
    pub name: N,
}
