//! PROTOCOL.md §6, §9 — the authentication service's published credentials.

use crate::{
    credentials::AsCredentialSet,
    error::Refusal,
    operation::{Context, Interrupt, Transaction},
    request::Call,
    wire::auth_service::{GetAsCredentials, GetAsCredentialsReply},
};

/// `get_as_credentials`: roots, intermediates and revocations, signed, with their validity.
pub(crate) fn get_as_credentials(
    _: &mut Transaction,
    context: &mut Context,
    _: &Call<'_, GetAsCredentials>,
) -> Result<GetAsCredentialsReply, Interrupt> {
    let set = context.homeserver().as_credentials(context.now).ok_or(Refusal::Internal)?;
    Ok(GetAsCredentialsReply { credentials: AsCredentialSet::clone(&set) })
}
