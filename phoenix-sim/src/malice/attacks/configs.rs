//! Queue configurations that lead elsewhere (PROTOCOL.md §8.11).
//!
//! The delivery service does not see that a configuration was made for another group, since it cannot open it. The
//! queuing service refuses what comes through it (§7.8).

use phoenix_core::{
    identifiers::GroupId,
    time::Timestamp,
    wire::{
        delivery_service::UpdateQueueInfo,
        fan_out::ClientQueueConfig,
        operations::{OperationKind, Request},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
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

    /// Has deliveries to the founder of a group, who is its only member, lead through a configuration that another
    /// user of the same homeserver has made for a group of its own. Asks for tokens first, if none are left.
    pub fn sibling_configuration(
        &mut self,
        lender: &Lender,
        group: &GroupId,
        now: Timestamp,
    ) -> Option<Attempt> {
        let membership = lender.group(group)?;
        let to = self.index(&group.domain)?;
        if self.sibling.is_none() {
            self.sibling = self.others_configuration(lender);
        }
        let (user, queue_config) = self.sibling.clone()?;
        let body = UpdateQueueInfo { group: access(membership), queue_config };
        let mut envelope = self.request(to, now, &body)?;
        let Some(token) = self.token(lender, to) else { return self.tokens_of(lender, to, now) };
        envelope.token = Some(token);
        let attempt = lender.prove(envelope)?.attempt("sibling group's configuration", lender, to, &[]);
        Some(Attempt { expected: Expected::Misdirected { group: group.clone(), user }, ..attempt })
    }

    /// A configuration that another user of the lender's homeserver has bound to a group.
    fn others_configuration(&mut self, lender: &Lender) -> Option<(usize, ClientQueueConfig)> {
        let config = |request: &Request| match request {
            Request::CreateGroup(body) => Some(body.queue_config.clone()),
            Request::JoinConnectionGroup(body) => Some(body.queue_config.clone()),
            Request::UpdateQueueInfo(body) => Some(body.queue_config.clone()),
            _ => None,
        };
        let heard = self.heard(|heard| {
            let is_near = config(&heard.request).is_some_and(|config| config.domain == lender.domain);
            !heard.is_of(lender) && heard.served == Some(true) && is_near
        })?;
        Some((heard.user, config(&heard.request)?))
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
