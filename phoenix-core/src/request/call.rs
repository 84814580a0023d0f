//! PROTOCOL.md §2 — a request on its way through its checks.

use std::cell::Cell;

use super::redeem::redeem;
use crate::{
    crypto::sign::VerifyingKey,
    error::Refusal,
    operation::{Context, Interrupt, Transaction},
    wire::{
        envelope::{RequestEnvelope, Sender},
        operations::{AuthenticationMode, Rules, TokenRule},
    },
};

/// A request with what has been checked of it so far.
pub(crate) struct Call<'a, B> {
    /// The envelope it came in.
    pub envelope: &'a RequestEnvelope,
    /// The operation's own part.
    pub body: &'a B,
    pub(crate) checks: &'a Checks,
}

/// What the dispatch makes sure of before an answer leaves.
pub(crate) struct Checks {
    rules: Rules,
    pub authenticated: Cell<bool>,
    pub redeemed: Cell<bool>,
}

impl Checks {
    pub fn new(rules: Rules) -> Self {
        let authenticated = Cell::new(rules.authentication == AuthenticationMode::None);
        let redeemed = Cell::new(rules.token == TokenRule::None);
        Self { rules, authenticated, redeemed }
    }
}

impl<B> Call<'_, B> {
    /// By which name the sender goes.
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
    pub fn authenticate(&self, transaction: &mut Transaction, key: &VerifyingKey) -> Result<(), Refusal> {
        self.envelope.verify(key).map_err(|_| Refusal::Unauthenticated)?;
        self.vouch(transaction);
        Ok(())
    }

    /// The body itself proved who sent it: by a friendship token, a group's key or a frame's signature.
    pub fn vouch(&self, transaction: &mut Transaction) {
        self.checks.authenticated.set(true);
        if self.checks.rules.token == TokenRule::None {
            transaction.remember_refusal();
        }
    }

    /// Redeems the request's token; from here on it is spent whatever follows (PROTOCOL.md §2).
    ///
    /// # Errors
    /// A refusal if there is none, or not one that this operation takes.
    pub fn redeem(&self, transaction: &mut Transaction, context: &Context) -> Result<(), Interrupt> {
        debug_assert!(self.checks.authenticated.get(), "tokens are redeemed once authentication has passed");
        let local_only = self.checks.rules.token == TokenRule::Local;
        let token = self.envelope.token.as_ref().ok_or(Refusal::TokenNeeded)?;
        redeem(transaction, context, token, local_only)?;
        transaction.remember_refusal();
        self.checks.redeemed.set(true);
        Ok(())
    }
}
