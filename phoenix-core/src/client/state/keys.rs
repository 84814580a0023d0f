//! PROTOCOL.md §11.5 — the published keys of homeservers, cached.

use std::collections::BTreeMap;

use crate::{
    credentials::validation::{ValidatedAsCredentials, ValidatedQsKeys},
    identifiers::Domain,
    time::Timestamp,
};

/// A published set, validated, and when it was fetched.
pub(crate) struct CachedSet<T> {
    pub set: T,
    pub fetched_at: Timestamp,
}

/// The published keys that the client has fetched.
#[derive(Default)]
pub(crate) struct KeyCache {
    pub as_credentials: BTreeMap<Domain, CachedSet<ValidatedAsCredentials>>,
    pub qs_keys: BTreeMap<Domain, CachedSet<ValidatedQsKeys>>,
}
