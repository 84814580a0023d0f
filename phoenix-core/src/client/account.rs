//! PROTOCOL.md §11.4 — registration: account, records at the queuing service, key packages.
//!
//! Each step leaves its result in the state: a registration that failed half-way continues with the step that
//! failed.

use super::{
    error::ClientError,
    event::Event,
    key_packages,
    shared::Shared,
    state::{Identity, Queuing, State},
};
use crate::{
    credentials::{ClientCredential, ClientCredentialRequest},
    crypto::{
        aead::EarKey, hpke::HpkePrivateKey, opaque::ClientRegistration, ratchet::QueueReader,
        sign::SigningKey,
    },
    rng::Random,
    time::{DAY, ExpirationData},
    wire::{
        auth_service::{ConnectionPackage, ConnectionPackageContent, FinishRegistration, InitRegistration},
        envelope::Sender,
        queuing_service::CreateUserRecord,
    },
};

/// The keys of the client's records at its queuing service, before the records exist.
struct RecordKeys {
    user: SigningKey,
    client: SigningKey,
    config: SigningKey,
    queue: HpkePrivateKey,
    list: EarKey,
}

impl RecordKeys {
    fn generate(random: &mut Random) -> Self {
        Self {
            user: SigningKey::generate(random),
            client: SigningKey::generate(random),
            config: SigningKey::generate(random),
            queue: HpkePrivateKey::generate(random),
            list: EarKey::random(random),
        }
    }
}

/// Registers, or continues a registration.
pub(super) async fn register(shared: Shared, password: Vec<u8>) -> Result<(), ClientError> {
    if shared.with(|state| state.credential.is_none()) {
        create_account(&shared, &password).await?;
    }
    if shared.with(|state| state.queuing.is_none()) {
        create_records(&shared).await?;
    }
    key_packages::publish(&shared).await?;
    shared.emit(Event::Registered);
    Ok(())
}

async fn create_account(shared: &Shared, password: &[u8]) -> Result<(), ClientError> {
    let domain = shared.with(|state| state.config.domain.clone());
    let (registration, body) = shared.with(|state| {
        let (registration, opaque_request) = ClientRegistration::start(&mut state.random, password)?;
        let validity = ExpirationData::starting(state.now, 365 * DAY);
        let credential_request =
            ClientCredentialRequest::create(&state.client_key, state.client_id.clone(), validity);
        let opaque_request = opaque_request.try_into()?;
        Ok::<_, ClientError>((registration, InitRegistration { credential_request, opaque_request }))
    })?;
    let reply = shared.call(&domain, &body, None).await?;
    let credential = reply.credential;
    let asked = &body.credential_request;
    if credential.content.request != *asked {
        return Err(ClientError::Dishonest("a credential for another request"));
    }
    shared.validate_client(&credential).await?;
    let (finish, identity) = shared.with(|state| {
        let hashing = state.config.password_hashing;
        let response = reply.opaque_response.as_slice();
        let opaque_upload =
            registration.finish(&mut state.random, password, response, hashing)?.try_into()?;
        state.connection_keys.clear();
        let packages =
            (0..state.config.connection_packages.max(1)).map(|_| connection_package(state, &credential));
        let connection_packages = packages.collect::<Vec<_>>().try_into()?;
        let body = FinishRegistration {
            expires_at: reply.expires_at,
            opaque_upload,
            queue_key: state.direct_queue.public_key(),
            connection_packages,
        };
        let sender = Sender::Client(credential.fingerprint());
        Ok::<_, ClientError>((body, Identity { sender, key: state.client_key.clone() }))
    })?;
    shared.call(&domain, &finish, Some(&identity)).await?;
    shared.with(|state| state.credential = Some(credential));
    Ok(())
}

fn connection_package(state: &mut State, credential: &ClientCredential) -> ConnectionPackage {
    let key = HpkePrivateKey::generate(&mut state.random);
    let encryption_key = key.public_key();
    state.connection_keys.push(key);
    let validity = ExpirationData::starting(state.now, 365 * DAY).intersection(credential.expiration());
    let content =
        ConnectionPackageContent { credential: credential.clone(), encryption_key, expiration: validity };
    let signature = state.client_key.sign(&content);
    ConnectionPackage { content, signature }
}

async fn create_records(shared: &Shared) -> Result<(), ClientError> {
    let domain = shared.with(|state| state.config.domain.clone());
    let (keys, body) = shared.with(|state| {
        let keys = RecordKeys::generate(&mut state.random);
        let body = CreateUserRecord {
            user_key: keys.user.verifying_key(),
            friendship_hash: state.friendship_token.hash(),
            client_key: keys.client.verifying_key(),
            config_key: keys.config.verifying_key(),
            queue_key: keys.queue.public_key(),
        };
        (keys, body)
    });
    let reply = shared.call(&domain, &body, None).await?;
    shared.with(|state| {
        state.queuing = Some(Queuing {
            user: reply.user,
            client: reply.client,
            user_key: keys.user,
            client_key: keys.client,
            config_key: keys.config,
            list_key: keys.list,
            reader: QueueReader::new(keys.queue),
        });
    });
    Ok(())
}
