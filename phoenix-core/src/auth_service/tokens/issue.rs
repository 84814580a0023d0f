//! PROTOCOL.md §6, Tokens — tokens issued to clients, redeemed at every service of the homeserver.

use super::allowance;
use crate::{
    auth_service::accounts::Client,
    codec::encode,
    config::Direction,
    credentials::{
        ClientCredential,
        validation::{ValidatedAsCredentials, validate_client_credential},
    },
    crypto::tokens::{TokenPublicKey, TokenScope},
    error::Refusal,
    identifiers::Domain,
    keys::TokenKey,
    operation::{Interrupt, Lane, Transaction},
    peer_keys::{self, Caller},
    request::{Call, Serve},
    store::Key,
    wire::{
        auth_service::{GetTokenKeys, GetTokenKeysReply, IssueTokens, IssueTokensReply},
        envelope::{RequestEnvelope, Sender},
    },
};

/// `get_token_keys`: the keys that issue now, one for each scope.
impl Serve for GetTokenKeys {
    fn serve(transaction: &mut Transaction<'_>, _: &Call<'_, Self>) -> Result<GetTokenKeysReply, Interrupt> {
        let keys = transaction.homeserver().token_keys(transaction.now());
        let public: Vec<TokenPublicKey> = keys.issuing().map(TokenKey::public_key).collect();
        Ok(GetTokenKeysReply { keys: public.try_into().map_err(|_| Refusal::Internal)? })
    }
}

/// `issue_tokens`: tokens, of one scope for clients of this homeserver and of another for all others, within
/// the allowances.
impl Serve for IssueTokens {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"tokens", &encode(&self.credential.payload().client_id)])
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<IssueTokensReply, Interrupt> {
        let body = call.body;
        let credential = &body.credential;
        let client = credential.client_id();
        let domain = &client.user_id.domain;
        let allowances = allowance::rows(transaction.context(), client);
        let scope = if domain == transaction.domain() {
            transaction.snapshot().load(&[vec![Key::of::<Client>(client)], allowances].concat())?;
            authenticate_local(transaction, call)?;
            TokenScope::Local
        } else {
            transaction.config().federation.check(Direction::Inbound, domain)?;
            // In one round, before any signature: each one that is missing has the signatures checked again.
            transaction
                .snapshot()
                .load(&[peer_keys::rows::<ValidatedAsCredentials>(domain), allowances].concat())?;
            authenticate_federated(transaction, call, domain)?;
            TokenScope::Federated
        };
        let keys = transaction.homeserver().token_keys(transaction.now());
        let key = keys.find_issuing(&body.key_id).ok_or(Refusal::UnknownTokenKey)?.issuer();
        if key.scope() != scope {
            return Err(Refusal::WrongTokenScope.into());
        }
        let count = body.blinded.len() as u64;
        allowance::take(transaction, client, count)?;
        let response = key.issue(transaction.random(), &body.blinded).map_err(|_| Refusal::Malformed)?;
        Ok(IssueTokensReply { response })
    }
}

/// Authenticates a client of this homeserver, which is the one on record, with the credential on record.
fn authenticate_local(
    transaction: &mut Transaction<'_>,
    call: &Call<'_, IssueTokens>,
) -> Result<(), Interrupt> {
    let client: Client =
        transaction.get(call.body.credential.client_id())?.ok_or(Refusal::Unauthenticated)?;
    if client.credential != call.body.credential {
        return Err(Refusal::Unauthenticated.into());
    }
    if !client.credential.expiration().contains(transaction.now()) {
        return Err(Refusal::Unauthenticated.into());
    }
    authenticate_credential(transaction, call, &client.credential)
}

/// Authenticates a client of another homeserver, whose credential is validated with that homeserver's: kept,
/// or fetched.
fn authenticate_federated(
    transaction: &mut Transaction<'_>,
    call: &Call<'_, IssueTokens>,
    domain: &Domain,
) -> Result<(), Interrupt> {
    let signer = *call.body.credential.signer();
    let knows_signer = |authorities: &ValidatedAsCredentials| authorities.intermediate(&signer).is_some();
    let authorities = peer_keys::current(transaction, domain, knows_signer, Caller::Stranger)?;
    let valid = validate_client_credential(&call.body.credential, &authorities, transaction.now());
    authenticate_credential(transaction, call, valid.map_err(Refusal::from)?.credential())
}

fn authenticate_credential(
    transaction: &mut Transaction<'_>,
    call: &Call<'_, IssueTokens>,
    credential: &ClientCredential,
) -> Result<(), Interrupt> {
    let Sender::Client(fingerprint) = call.sender()? else { return Err(Refusal::Unauthenticated.into()) };
    if *fingerprint != credential.fingerprint() {
        return Err(Refusal::Unauthenticated.into());
    }
    Ok(call.authenticate(transaction, credential.verifying_key())?)
}
