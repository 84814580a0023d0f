//! What is another's at the queuing service (PROTOCOL.md §7).
//!
//! To publish another's key packages as the lender's own is left out: the service does not know whose they are,
//! and who is harmed is the lender.

use phoenix_core::{
    crypto::aead::EarKey,
    time::Timestamp,
    wire::{
        envelope::{Authentication, Sender},
        operations::{OperationKind, Request},
        queues::DequeueRange,
        queuing_service::{Dequeue, FriendshipToken, Listen, PublishKeyPackages},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
    forging::{sign, with_body},
    knowledge::{Heard, Lender, Malice},
};

impl Malice {
    /// Another client's name at its queuing service, and what it last asked to read.
    fn other_queue(&mut self, lender: &Lender) -> Option<(usize, Sender, DequeueRange)> {
        let heard = self.heard_of(OperationKind::Dequeue, |heard| !heard.is_of(lender))?;
        let Authentication { sender, .. } = heard.envelope.authentication?;
        let Request::Dequeue(Dequeue { range }) = heard.request else { return None };
        Some((heard.to, sender, range))
    }

    /// Acknowledges what is in another's fan-out queue, signed with the lender's key (§7.10).
    pub(super) fn anothers_queue(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (to, sender, range) = self.other_queue(lender)?;
        let range = DequeueRange { first: range.first + 1, last: None, ..range };
        let mut envelope = self.request(to, now, &Dequeue { range })?;
        sign(&mut envelope, (sender, &lender.keys.queue_key));
        let (name, expected) = ("another's queue", Expected::Refused(&[200]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Listens to another's fan-out queue (§7.10).
    pub(super) fn anothers_signals(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (to, sender, _) = self.other_queue(lender)?;
        let mut envelope = self.request(to, now, &Listen {})?;
        sign(&mut envelope, (sender, &lender.keys.queue_key));
        let (name, expected) = ("another's signals", Expected::Refused(&[200]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Fetches a user's key packages with the friendship token of the lender (§7.5).
    pub(super) fn no_friend(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let others = |heard: &Heard| match &heard.request {
            Request::GetKeyPackage(body) => body.user != lender.keys.qs_user,
            _ => false,
        };
        let heard = self.heard_of(OperationKind::GetKeyPackage, others)?;
        let Request::GetKeyPackage(mut body) = heard.request else { return None };
        body.friendship_token = lender.keys.friendship_token.clone();
        let mut envelope = with_body(self.anew(&heard.envelope, now), &body)?;
        envelope.token = Some(self.token(lender, heard.to)?);
        let (name, expected) = ("no friend", Expected::Refused(&[502]));
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// Replaces the lender's key packages by what `change` makes of them.
    fn changed_packages(
        &mut self,
        name: &'static str,
        lender: &Lender,
        now: Timestamp,
        codes: &'static [u16],
        change: impl FnOnce(&mut PublishKeyPackages) -> Option<()>,
    ) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::PublishKeyPackages, |heard| heard.is_of(lender))?;
        let Request::PublishKeyPackages(mut body) = heard.request else { return None };
        change(&mut body)?;
        let mut envelope = with_body(self.anew(&heard.envelope, now), &body)?;
        envelope.token = Some(self.token(lender, heard.to)?);
        Some(lender.prove(envelope)?.attempt(name, lender, heard.to, codes))
    }

    /// Key packages under a friendship token that is not the user's: no friend could open them (§7.5).
    pub(super) fn packages_under_another_token(
        &mut self,
        lender: &Lender,
        now: Timestamp,
    ) -> Option<Attempt> {
        let token = FriendshipToken(EarKey::random(&mut self.random));
        self.changed_packages("packages under another token", lender, now, &[502], |body| {
            body.friendship_token = token;
            Some(())
        })
    }

    /// Key packages of which one is named twice, so that it could be handed out twice (§7.5).
    pub(super) fn package_named_twice(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        self.changed_packages("key package named twice", lender, now, &[500], |body| {
            let first = body.packages.first()?.clone();
            body.packages.push(first).ok()
        })
    }

    /// Key packages without a last resort, so that there would be none when the others are gone (§7.5).
    pub(super) fn no_last_resort(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        self.changed_packages("no last resort", lender, now, &[501], |body| {
            // The last one is the last resort.
            let [first, _, ..] = &*body.packages else { return None };
            body.packages = vec![first.clone()].try_into().ok()?;
            Some(())
        })
    }
}
