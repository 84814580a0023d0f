//! Queue configurations that lead elsewhere (PROTOCOL.md §8.11).
//!
//! A configuration of one group for another is not seen by the delivery service, which cannot open it. The
//! queuing service refuses what comes through it: from homeservers, the attacks of the dishonest one show that.

use phoenix_core::{
    time::Timestamp,
    wire::{
        delivery_service::UpdateQueueInfo,
        fan_out::ClientQueueConfig,
        operations::{OperationKind, Request},
    },
};

use crate::malice::{
    attempt::Attempt,
    forging::access,
    knowledge::{Lender, Malice},
};

impl Malice {
    fn configuration(&mut self) -> Option<ClientQueueConfig> {
        match self.heard_of(OperationKind::CreateGroup, |_| true)?.request {
            Request::CreateGroup(body) => Some(body.queue_config),
            _ => None,
        }
    }

    /// Has a member's messages delivered to another homeserver than its own, which would get the others'
    /// traffic.
    pub(super) fn another_homeservers_queue(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (group, to) = self.membership(lender, |_| true)?;
        let elsewhere = self.another(self.index(&lender.domain)?)?;
        let domain = self.domains[elsewhere].clone();
        let queue_config = ClientQueueConfig { domain, ..self.configuration()? };
        let mut envelope = self.request(to, now, &UpdateQueueInfo { group: access(group), queue_config })?;
        envelope.token = Some(self.token(lender, to)?);
        Some(lender.prove(envelope)?.attempt("queue at another homeserver", lender, to, &[614]))
    }

    /// A configuration that is longer than any can be: each message would carry it.
    pub(super) fn long_configuration(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (group, to) = self.membership(lender, |_| true)?;
        let mut queue_config = self.configuration()?;
        queue_config.sealed.ciphertext = vec![0; 4096].try_into().ok()?;
        let envelope = self.request(to, now, &UpdateQueueInfo { group: access(group), queue_config })?;
        Some(lender.prove(envelope)?.attempt("long configuration", lender, to, &[614]))
    }
}
