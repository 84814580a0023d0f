//! One service of one homeserver.

use phoenix_core::{identifiers::Domain, wire::operations::Service};

use crate::host;

/// One service of one homeserver: what a connection is made to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub domain: Domain,
    pub service: Service,
}

impl Endpoint {
    /// The host name of the service.
    pub fn host(&self) -> String {
        host::name(self.service, &self.domain)
    }
}
