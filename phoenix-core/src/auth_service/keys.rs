//! PROTOCOL.md §6, Published credentials — the authentication service's published credentials.

use crate::{
    credentials::AsCredentialSet,
    operation::{Interrupt, Transaction},
    request::{Call, Serve},
    wire::auth_service::{GetAsCredentials, GetAsCredentialsReply},
};

/// `get_as_credentials`: roots, intermediates and revocations, signed, with their validity.
impl Serve for GetAsCredentials {
    fn serve(
        transaction: &mut Transaction<'_>,
        _: &Call<'_, Self>,
    ) -> Result<GetAsCredentialsReply, Interrupt> {
        let set = transaction.homeserver().as_credentials(transaction.now())?;
        Ok(GetAsCredentialsReply { credentials: AsCredentialSet::clone(&set) })
    }
}
