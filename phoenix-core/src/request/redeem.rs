//! PROTOCOL.md §6, Tokens — a token is redeemed once, at whichever service of the homeserver.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    config::Plant,
    crypto::{
        kdf::Hash,
        tokens::{Token, TokenScope},
    },
    error::Refusal,
    keys::TokenKey,
    operation::{Context, Interrupt, Transaction},
    store::{Expiring, Key, Record, RecordKind},
};

/// That a token is spent: the row says all by being there.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Nullifier {}

impl Record for Nullifier {
    type Name = Expiring<Hash>;
    const KIND: RecordKind = RecordKind::Nullifier;
}

fn nullifier(key: &TokenKey, token: &Token) -> Expiring<Hash> {
    Expiring { hour: key.validity().not_after.hour(), name: token.nullifier() }
}

/// Returns the key of the row that redeeming `token` reads, to load it early; `None` if the token's key is
/// not in force.
pub(crate) fn row(context: &Context, token: &Token) -> Option<Key> {
    let keys = context.homeserver().token_keys(context.now());
    let key = keys.find(&token.key_id)?;
    Some(Key::of::<Nullifier>(&nullifier(key, token)))
}

/// Redeems `token`: from here on it is spent, whatever becomes of the request. With `local_only`, only a
/// token of the local scope is taken.
///
/// The nullifier's absence is a precondition of the commit, and its presence part of it: two requests that
/// bring one token cannot both commit, on any node.
///
/// # Errors
/// In this order: [`Refusal::TokenNeeded`], [`Refusal::WrongTokenScope`], [`Refusal::InvalidToken`],
/// [`Refusal::TokenSpent`]. The caller gets another token, except for a wrong scope.
pub(crate) fn redeem(
    transaction: &mut Transaction<'_>,
    token: &Token,
    local_only: bool,
) -> Result<(), Interrupt> {
    let keys = transaction.homeserver().token_keys(transaction.now());
    let key = keys.find(&token.key_id).ok_or(Refusal::TokenNeeded)?;
    let wrong_scope = local_only && key.issuer().scope() != TokenScope::Local;
    if wrong_scope && !transaction.planted(Plant::IgnoreTokenScope) {
        return Err(Refusal::WrongTokenScope.into());
    }
    let name = nullifier(key, token);
    // Read before the token is verified, which costs a public-key operation: the pass may end here, and come
    // again.
    let spent = transaction.get::<Nullifier>(&name)?.is_some();
    if key.issuer().verify(token).is_err() && !transaction.planted(Plant::SkipTokenCheck) {
        return Err(Refusal::InvalidToken.into());
    }
    if spent && !transaction.planted(Plant::ReuseNullifier) {
        return Err(Refusal::TokenSpent.into());
    }
    transaction.put(&name, &Nullifier {});
    transaction.savepoint();
    Ok(())
}
