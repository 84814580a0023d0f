//! PROTOCOL.md §6, Registration — a credential and a password file, in two steps.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    accounts::{Client, User},
    connections, direct_queue, password,
};
use crate::{
    codec::{List, encode},
    config::RegistrationPolicy,
    credentials::{ClientCredential, Fingerprint, validation::validate_client_credential_request},
    crypto::{kdf, labels::Label},
    error::Refusal,
    identifiers::UserId,
    keys::IntermediateKey,
    operation::{Interrupt, Lane, Transaction},
    rates::Window,
    request::{Call, Serve},
    store::{Expiring, Record, RecordKind},
    time::{ExpirationData, MINUTE, Timestamp},
    wire::{
        auth_service::{FinishRegistration, InitRegistration, InitRegistrationReply},
        envelope::{RequestEnvelope, Sender},
        message::Done,
    },
};

/// A registration between its two steps.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PendingRegistration {
    credential: ClientCredential,
    /// Exactly: the row's name has the hour only.
    expires_at: Timestamp,
}

impl Record for PendingRegistration {
    type Name = Expiring<Fingerprint>;
    const KIND: RecordKind = RecordKind::PendingRegistration;
}

/// Registrations begun in a minute. Any caller can begin one, and each leaves a row: so there is a limit. It
/// is kept in several rows so that registrations do not all wait for each other.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct RegistrationRate(Window<u32>);

impl Record for RegistrationRate {
    type Name = u8;
    const KIND: RecordKind = RecordKind::RegistrationRate;
}

/// The number of rows that registrations are counted in, unless fewer of them are allowed.
const SHARDS: u8 = 8;

/// The row, of this many, that counts the registration of this user.
fn shard(user_id: &UserId, shards: u8) -> u8 {
    kdf::hash(Label::ROW_NAME, &[b"registration", &encode(user_id)])[0] % shards
}

/// The row that counts the registration of this user, and how many it may count: with all rows together as many as
/// are allowed in a minute.
fn share(allowed: u32, user_id: &UserId) -> (u8, u32) {
    let shards = u8::try_from(allowed).map_or(SHARDS, |allowed| allowed.clamp(1, SHARDS));
    let shard = shard(user_id, shards);
    let (each, left) = (allowed / u32::from(shards), allowed % u32::from(shards));
    (shard, each + u32::from(u32::from(shard) < left))
}

/// Counts a registration.
///
/// # Errors
/// [`Interrupt`]; refuses with [`Refusal::RateLimited`] if it is one too many in this minute.
fn count(transaction: &mut Transaction<'_>, user_id: &UserId) -> Result<(), Interrupt> {
    let (shard, limit) = share(transaction.config().rates.registrations_per_minute, user_id);
    let RegistrationRate(mut begun) = transaction.get(&shard)?.unwrap_or_default();
    begun.take(transaction.now(), MINUTE, 1, limit.into()).map_err(Refusal::rate_limited)?;
    transaction.put(&shard, &RegistrationRate(begun));
    Ok(())
}

/// `init_registration`: signs the credential request and answers the first OPAQUE message.
impl Serve for InitRegistration {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"registrations", &[shard(&self.credential_request.payload.client_id.user_id, SHARDS)]])
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<InitRegistrationReply, Interrupt> {
        match transaction.config().registration {
            RegistrationPolicy::Open => {}
            RegistrationPolicy::Closed => return Err(Refusal::RegistrationClosed.into()),
        }
        count(transaction, &call.body.credential_request.payload.client_id.user_id)?;
        let now = transaction.now();
        let request =
            validate_client_credential_request(&call.body.credential_request, transaction.domain(), now)
                .map_err(Refusal::from)?;
        let user_id = &request.client_id().user_id;
        if transaction.get::<User>(user_id)?.is_some() {
            return Err(Refusal::UserExists.into());
        }
        let opaque_response =
            password::start(transaction.context(), user_id, call.body.opaque_request.as_slice())?;
        let IntermediateKey { credential: intermediate, key } = transaction.keys().intermediate(now)?;
        let expiration = ExpirationData::starting(now, transaction.config().times.client_credential);
        let credential =
            ClientCredential::issue(&request, key, intermediate, &expiration).map_err(Refusal::from)?;
        let expires_at = now + transaction.config().times.registration;
        let name = Expiring { hour: expires_at.hour(), name: credential.fingerprint() };
        transaction.put(&name, &PendingRegistration { credential: credential.clone(), expires_at });
        let opaque_response = opaque_response.try_into().map_err(|_| Refusal::Internal)?;
        Ok(InitRegistrationReply { credential, opaque_response, expires_at })
    }
}

/// `finish_registration`: creates user, client, direct queue and connection packages.
impl Serve for FinishRegistration {
    fn lane(&self, envelope: &RequestEnvelope) -> Lane {
        Lane::sender(envelope)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let body = call.body;
        let Sender::Client(fingerprint) = call.sender()? else { return Err(Refusal::Unauthenticated.into()) };
        let name = Expiring { hour: body.expires_at.hour(), name: *fingerprint };
        let pending: PendingRegistration = transaction.get(&name)?.ok_or(Refusal::NoSuchRegistration)?;
        let credential = pending.credential;
        call.authenticate(transaction, credential.verifying_key())?;
        if transaction.now() > pending.expires_at {
            return Err(Refusal::NoSuchRegistration.into());
        }
        let client_id = credential.client_id().clone();
        // Two registrations for one name may be under way at once: the first to finish gets it.
        if transaction.get::<User>(&client_id.user_id)?.is_some() {
            return Err(Refusal::UserExists.into());
        }
        let password_file = password::finish(transaction.context(), body.opaque_upload.as_slice())?;
        let password_file = password_file.try_into().map_err(|_| Refusal::Internal)?;
        connections::replace(transaction, &credential, &body.connection_packages)?;
        direct_queue::create(transaction, &client_id, body.queue_key)?;
        let mut clients = List::default();
        let _ = clients.push(client_id.uuid);
        transaction.put(&client_id.user_id, &User { password_file, clients });
        transaction.put(&client_id, &Client { credential });
        transaction.delete::<PendingRegistration>(&name);
        Ok(Done)
    }
}
