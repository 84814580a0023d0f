//! PROTOCOL.md §9, §11 — the published keys of homeservers that the client has seen, and since when.

use std::collections::BTreeMap;

use crate::{
    credentials::validation::{ValidatedAsCredentials, ValidatedQsKeys},
    identifiers::Domain,
    time::Timestamp,
};

/// A set, and when it was fetched.
pub(crate) struct CachedSet<T> {
    pub set: T,
    pub fetched_at: Timestamp,
}

/// The published keys that the client has seen.
#[derive(Default)]
pub(crate) struct KeyCache {
    pub as_credentials: BTreeMap<Domain, CachedSet<ValidatedAsCredentials>>,
    pub qs_keys: BTreeMap<Domain, CachedSet<ValidatedQsKeys>>,
}
