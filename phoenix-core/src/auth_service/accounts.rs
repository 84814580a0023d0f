//! PROTOCOL.md §6, State — users and their clients; PROTOCOL.md §6, Authentication modes — the proof that a
//! request is a local client's.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, List},
    credentials::ClientCredential,
    error::Refusal,
    identifiers::{ClientId, ClientUuid, UserId},
    limits::MAX_CLIENTS,
    operation::{Interrupt, Transaction},
    request::Call,
    store::{Record, RecordKind},
    wire::envelope::Sender,
};

/// A registered user.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct User {
    /// OPAQUE's record of the password, which does not reveal it.
    pub password_file: Bytes<1024>,
    /// The user's clients.
    pub clients: List<ClientUuid, MAX_CLIENTS>,
}

impl Record for User {
    type Name = UserId;
    const KIND: RecordKind = RecordKind::User;
}

/// A client of a user.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Client {
    /// The credential that the homeserver issued to it.
    pub credential: ClientCredential,
}

impl Record for Client {
    type Name = ClientId;
    const KIND: RecordKind = RecordKind::Client;
}

/// The client `id` of this homeserver, once its signature on the request is verified.
///
/// # Errors
/// [`Interrupt`]; refuses with [`Refusal::Unauthenticated`] if the request is another sender's, or the
/// client's credential has expired.
pub(super) fn authenticate<B>(
    transaction: &mut Transaction<'_>,
    call: &Call<'_, B>,
    id: &ClientId,
) -> Result<Client, Interrupt> {
    let client: Client = transaction.get(id)?.ok_or(Refusal::Unauthenticated)?;
    let Sender::Client(fingerprint) = call.sender()? else { return Err(Refusal::Unauthenticated.into()) };
    if *fingerprint != client.credential.fingerprint()
        || !client.credential.expiration().contains(transaction.now())
    {
        return Err(Refusal::Unauthenticated.into());
    }
    call.authenticate(transaction, client.credential.verifying_key())?;
    Ok(client)
}
