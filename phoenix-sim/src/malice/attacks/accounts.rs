//! What is another's at the authentication service (PROTOCOL.md §6).

use phoenix_core::{
    crypto::hpke::HpkeCiphertext,
    identifiers::{ClientId, UserId},
    time::Timestamp,
    wire::{
        auth_service::{DequeueDirect, EnqueueDirect, GetConnectionPackage, PublishConnectionPackages},
        operations::{OperationKind, Request},
        queues::DequeueRange,
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
    forging::with_body,
    knowledge::{Heard, Lender, Malice},
};

impl Malice {
    /// Another client of the lender's homeserver, and its direct queue as it was last read.
    fn neighbour(&mut self, lender: &Lender) -> Option<DequeueDirect> {
        let own = lender.keys.client_id.clone();
        let others = |heard: &Heard| match &heard.request {
            Request::DequeueDirect(body) => {
                body.client_id.user_id.domain == lender.domain && body.client_id != own
            }
            _ => false,
        };
        let heard = self.heard_of(OperationKind::DequeueDirect, others)?;
        let Request::DequeueDirect(body) = heard.request else { return None };
        Some(body)
    }

    /// Reads another's direct queue in the lender's own name; in half of the cases acknowledges all that it has
    /// not read (§6.10).
    pub(super) fn anothers_direct_queue(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let mut body = self.neighbour(lender)?;
        if self.random.below(2) == 0 {
            body.range = DequeueRange { first: body.range.first + 1, last: None, ..body.range };
        }
        let to = self.index(&lender.domain)?;
        let envelope = self.request(to, now, &body)?;
        Some(lender.prove(envelope)?.attempt("another's direct queue", lender, to, &[200]))
    }

    /// Replaces another's connection packages by the lender's own (§6.8).
    pub(super) fn packages_for_another(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let DequeueDirect { client_id, .. } = self.neighbour(lender)?;
        let heard = self.heard_of(OperationKind::FinishRegistration, |heard| heard.is_of(lender))?;
        let Request::FinishRegistration(own) = heard.request else { return None };
        let body = PublishConnectionPackages { client_id, packages: own.connection_packages };
        let envelope = self.request(heard.to, now, &body)?;
        Some(lender.prove(envelope)?.attempt("packages for another", lender, heard.to, &[200]))
    }

    /// Publishes another's connection packages as the lender's own (§6.8).
    pub(super) fn packages_of_another(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::FinishRegistration, |heard| !heard.is_of(lender))?;
        let Request::FinishRegistration(other) = heard.request else { return None };
        let to = self.index(&lender.domain)?;
        let client_id = lender.keys.client_id.clone();
        let body = PublishConnectionPackages { client_id, packages: other.connection_packages };
        let mut envelope = self.request(to, now, &body)?;
        envelope.token = Some(self.token(lender, to)?);
        Some(lender.prove(envelope)?.attempt("packages of another", lender, to, &[405]))
    }

    /// Registers the lender once more (§6.3).
    pub(super) fn registered_again(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let own = lender.keys.client_id.clone();
        let heard = self.heard_of(OperationKind::InitRegistration, |heard| match &heard.request {
            Request::InitRegistration(body) => body.credential_request.payload.client_id == own,
            _ => false,
        })?;
        let envelope = self.anew(&heard.envelope, now);
        let (name, expected) = ("registered again", Expected::Refused(&[400]));
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// Ends a registration that has ended (§6.3).
    pub(super) fn finished_again(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let ended = |heard: &Heard| heard.is_of(lender) && heard.served == Some(true);
        let heard = self.heard_of(OperationKind::FinishRegistration, ended)?;
        let envelope = self.anew(&heard.envelope, now);
        Some(lender.prove(envelope)?.attempt("registration finished again", lender, heard.to, &[402]))
    }

    /// Asks for tokens with another's credential and the lender's key (§6.6), in the lender's name.
    pub(super) fn anothers_credential(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let others = |heard: &Heard| !heard.is_of(lender);
        let heard = self.heard_of(OperationKind::IssueTokens, others)?;
        let envelope = self.anew(&heard.envelope, now);
        Some(lender.prove(envelope)?.attempt("another's credential", lender, heard.to, &[200]))
    }

    /// Asks for a connection package of a user that does not exist (§6.8).
    pub(super) fn package_of_no_one(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (user_id, to) = self.no_one()?;
        let mut envelope = self.request(to, now, &GetConnectionPackage { user_id })?;
        envelope.token = Some(self.token(lender, to)?);
        let (name, expected) = ("package of no one", Expected::Refused(&[404]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Asks a client for a connection that does not exist (§6.9).
    pub(super) fn request_to_no_one(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::EnqueueDirect, |_| true)?;
        let Request::EnqueueDirect(sealed) = heard.request else { return None };
        let (user_id, to) = self.no_one()?;
        let client_id = ClientId { user_id, ..sealed.client_id.clone() };
        let mut envelope = self.request(to, now, &EnqueueDirect { client_id, ..sealed })?;
        envelope.token = Some(self.token(lender, to)?);
        let (name, expected) = ("request to no one", Expected::Refused(&[404]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// A user id that is not taken, and the index of the homeserver that it names.
    fn no_one(&mut self) -> Option<(UserId, usize)> {
        let honest = self.domains.len() - 1;
        let to = self.pick(honest)?;
        let heard = self.heard_of(OperationKind::InitRegistration, |heard| heard.to == to)?;
        let Request::InitRegistration(body) = heard.request else { return None };
        let mut user_id = body.credential_request.payload.client_id.user_id;
        user_id.uuid.0 = self.random.array();
        Some((user_id, to))
    }

    /// Puts into a client's direct queue what it cannot open: strangers may, and the client drops it (§11.10).
    pub(super) fn unreadable_request(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::EnqueueDirect, |_| true)?;
        let Request::EnqueueDirect(mut body) = heard.request else { return None };
        let HpkeCiphertext { encapsulated, .. } = &mut body.package;
        encapsulated[0] ^= 1;
        let mut envelope = with_body(self.anew(&heard.envelope, now), &body)?;
        envelope.token = Some(self.token(lender, heard.to)?);
        let (name, expected) = ("unreadable connection request", Expected::Harmless);
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// Repeats a connection request that was put into the queue before, with a token of one's own: the client
    /// knows the group, and drops it (§11.10).
    pub(super) fn repeated_request(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let served = |heard: &Heard| heard.served == Some(true);
        let heard = self.heard_of(OperationKind::EnqueueDirect, served)?;
        let mut envelope = self.anew(&heard.envelope, now);
        envelope.token = Some(self.token(lender, heard.to)?);
        let (name, expected) = ("repeated connection request", Expected::Harmless);
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }
}
