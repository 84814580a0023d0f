//! PROTOCOL.md §2, Order of checks — what an operation is, and a request on its way through its checks.

use super::redeem::redeem;
use crate::{
    config::Plant,
    crypto::sign::VerifyingKey,
    error::Refusal,
    operation::{Interrupt, Lane, Standing, Transaction},
    wire::{
        envelope::{RequestEnvelope, Sender},
        operations::{AuthenticationMode, RequestBody, Rules, TokenRule},
    },
};

/// An operation of a service, implemented for its body: what a request contends for, and what serves it.
///
/// The operation itself checks what its [`Rules`] ask for, through its [`Call`], in the order that its
/// section gives. The dispatch makes sure that it did before the answer leaves.
pub(crate) trait Serve: RequestBody + Send + 'static {
    /// Returns what the request contends for: its group, its queue, its account, or nothing. Requests in one
    /// lane are better served one after the other, since only one of them can commit at a time.
    fn lane(&self, _envelope: &RequestEnvelope) -> Lane {
        Lane::Free
    }

    /// Serves the request from the rows that are loaded, and returns its reply. What it writes is committed
    /// before the reply leaves.
    ///
    /// A pass that lacks a row or another homeserver's answer ends early, and is run again from the start
    /// once that is there. So the order of checks is the order of the lines.
    ///
    /// # Errors
    /// [`Interrupt`]: something must be fetched first, or the request is refused.
    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Self::Reply, Interrupt>
    where
        Self: Sized;
}

/// A request that is being served: with it, the operation authenticates the sender and redeems the token.
pub(crate) struct Call<'a, B> {
    /// The envelope that the request came in.
    pub envelope: &'a RequestEnvelope,
    /// The operation's own message, decoded from the envelope.
    pub body: &'a B,
    /// Whether these very bytes have redeemed their token before, and were told to come back.
    pub is_redeemed: bool,
}

impl<B> Call<'_, B> {
    /// Returns the name that the sender gives. It proves nothing: see [`authenticate`](Self::authenticate).
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] if the request is not signed, and so gives no name.
    pub fn sender(&self) -> Result<&Sender, Refusal> {
        self.envelope.authentication.as_ref().map(|a| &a.sender).ok_or(Refusal::Unauthenticated)
    }

    /// Authenticates the sender: the request is signed with `key`, which is the sender's.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] if it is not signed, or with another key.
    pub fn authenticate(&self, transaction: &mut Transaction<'_>, key: &VerifyingKey) -> Result<(), Refusal> {
        let verified = self.envelope.verify(key);
        if !transaction.planted(Plant::SkipAuthentication) && !self.is_known(transaction, verified.is_ok()) {
            verified.map_err(|_| Refusal::Unauthenticated)?;
        }
        self.accept_proof(transaction);
        Ok(())
    }

    /// Whether a planted bug knows the signature, which it notes if it is `valid`.
    fn is_known(&self, transaction: &Transaction<'_>, valid: bool) -> bool {
        let Some(authentication) = &self.envelope.authentication else { return false };
        transaction.planted(Plant::TrustKnownSignatures)
            && transaction.homeserver().knows_signature(&authentication.signature, valid)
    }

    /// Accepts what the body itself proves of its sender, in place of a signature: a friendship token, a
    /// group's key or a frame's signature, which the operation has checked.
    pub fn accept_proof(&self, transaction: &mut Transaction<'_>) {
        transaction.note_standing(Standing::Authenticated);
    }
}

impl<B: RequestBody> Call<'_, B> {
    /// Returns what holds for every request of this operation.
    fn rules() -> Rules {
        B::KIND.rules()
    }

    /// Redeems the request's token: from here on it is spent, whatever becomes of the request (PROTOCOL.md
    /// §2, Refusals). The same bytes, come back as told, go on from there.
    ///
    /// # Errors
    /// A refusal if there is no token, or not one that this operation takes, or it is spent.
    pub fn redeem(&self, transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
        debug_assert!(
            Self::is_authenticated(transaction),
            "tokens are redeemed once authentication has passed"
        );
        if !self.is_redeemed {
            let token = self.envelope.token.as_ref().ok_or(Refusal::TokenNeeded)?;
            redeem(transaction, token, Self::rules().token == TokenRule::Local)?;
        }
        transaction.note_standing(Standing::Paid);
        Ok(())
    }

    fn is_authenticated(transaction: &Transaction<'_>) -> bool {
        Self::rules().authentication == AuthenticationMode::None
            || transaction.standing() >= Standing::Authenticated
    }

    /// Whether all that the rules ask for is proved: the sender is authenticated, and has paid where it has
    /// to.
    pub fn is_proved(transaction: &Transaction<'_>) -> bool {
        let paid = Self::rules().token == TokenRule::None || transaction.standing() == Standing::Paid;
        Self::is_authenticated(transaction) && paid
    }

    /// Whether the request has redeemed a token.
    pub fn has_paid(transaction: &Transaction<'_>) -> bool {
        transaction.standing() == Standing::Paid
    }

    /// Whether a refusal is remembered (PROTOCOL.md §2, Idempotency): only once the sender is authenticated,
    /// and has paid where the operation costs a token. Otherwise strangers could fill the store with
    /// refusals.
    pub fn remembers_refusal(transaction: &Transaction<'_>) -> bool {
        let needed = match Self::rules().token {
            TokenRule::None => Standing::Authenticated,
            TokenRule::Any | TokenRule::Local => Standing::Paid,
        };
        transaction.standing() >= needed
    }
}
