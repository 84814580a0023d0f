//! PROTOCOL.md §2 — a request on its way through its checks.

use super::redeem::redeem;
use crate::{
    crypto::sign::VerifyingKey,
    error::Refusal,
    operation::{Interrupt, Lane, Standing, Transaction},
    wire::{
        envelope::{RequestEnvelope, Sender},
        operations::{AuthenticationMode, RequestBody, Rules, TokenRule},
    },
};

/// An operation of a service: what a request of this kind contends for, and what serves it.
///
/// What the operation's [`Rules`] say is checked by the operation itself, through its [`Call`], in the order that the
/// specification gives; the dispatch makes sure that it was before the answer leaves.
pub(crate) trait Serve: RequestBody + Send + 'static {
    /// What the request will contend for: its group, its queue, its account, or nothing.
    fn lane(&self, _envelope: &RequestEnvelope) -> Lane {
        Lane::Free
    }

    /// One pass over the request.
    ///
    /// # Errors
    /// [`Interrupt`]: something must be fetched first, or the request is refused.
    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Self::Reply, Interrupt>
    where
        Self: Sized;
}

/// A request, by which its sender is authenticated and its token redeemed.
pub(crate) struct Call<'a, B> {
    /// The envelope it came in.
    pub envelope: &'a RequestEnvelope,
    /// The operation's own part.
    pub body: &'a B,
}

impl<B> Call<'_, B> {
    /// The name by which the sender goes.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] if it gives none.
    pub fn sender(&self) -> Result<&Sender, Refusal> {
        self.envelope.authentication.as_ref().map(|a| &a.sender).ok_or(Refusal::Unauthenticated)
    }

    /// Checks the request's signature with the sender's key.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`].
    pub fn authenticate(&self, transaction: &mut Transaction<'_>, key: &VerifyingKey) -> Result<(), Refusal> {
        self.envelope.verify(key).map_err(|_| Refusal::Unauthenticated)?;
        self.accept_proof(transaction);
        Ok(())
    }

    /// The body itself proved who sent it: by a friendship token, a group's key or a frame's signature.
    pub fn accept_proof(&self, transaction: &mut Transaction<'_>) {
        transaction.note_standing(Standing::Authenticated);
    }
}

impl<B: RequestBody> Call<'_, B> {
    /// What holds for every request of this kind.
    fn rules() -> Rules {
        B::KIND.rules()
    }

    /// Redeems the request's token; from here on it is spent whatever follows (PROTOCOL.md §2).
    ///
    /// # Errors
    /// A refusal if there is none, or not one that this operation takes.
    pub fn redeem(&self, transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
        debug_assert!(
            Self::is_authenticated(transaction),
            "tokens are redeemed once authentication has passed"
        );
        let token = self.envelope.token.as_ref().ok_or(Refusal::TokenNeeded)?;
        redeem(transaction, token, Self::rules().token == TokenRule::Local)?;
        transaction.note_standing(Standing::Paid);
        Ok(())
    }

    fn is_authenticated(transaction: &Transaction<'_>) -> bool {
        Self::rules().authentication == AuthenticationMode::None
            || transaction.standing() >= Standing::Authenticated
    }

    /// Whether all that the rules ask for is proved.
    pub fn is_proved(transaction: &Transaction<'_>) -> bool {
        let paid = Self::rules().token == TokenRule::None || transaction.standing() == Standing::Paid;
        Self::is_authenticated(transaction) && paid
    }

    /// Whether a refusal is remembered: once the sender is authenticated, and has paid where the operation costs a
    /// token. Before, strangers could fill the store with refusals.
    pub fn remembers_refusal(transaction: &Transaction<'_>) -> bool {
        let needed = match Self::rules().token {
            TokenRule::None => Standing::Authenticated,
            TokenRule::Any | TokenRule::Local => Standing::Paid,
        };
        transaction.standing() >= needed
    }
}
