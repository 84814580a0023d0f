//! PROTOCOL.md §11.4 — registration: account, records at the queuing service, key packages.
//!
//! Each step leaves its result in the state: a registration that failed half-way continues with the step that
//! failed.

use super::{
    error::ClientError,
    event::Event,
    exchange::{Body, Patience},
    key_packages,
    pass::{Interrupt, Pass},
    state::{FanOutQueue, Identity, Lane, OwnQueue, Queuing, State},
};
use crate::{
    codec::{Bytes, List},
    credentials::{ClientCredential, ClientCredentialRequest},
    crypto::{aead::EarKey, hpke::HpkePrivateKey, opaque::ClientRegistration, sign::SigningKey},
    identifiers::Domain,
    time::{DAY, ExpirationData},
    wire::{
        auth_service::{
            ConnectionPackage, ConnectionPackageContent, DequeueDirect, FinishRegistration, InitRegistration,
            InitRegistrationReply,
        },
        envelope::Sender,
        queuing_service::CreateUserRecord,
    },
};

/// Registers, or continues a registration.
pub(super) fn register(pass: &mut Pass<'_>, password: &[u8]) -> Result<(), Interrupt> {
    pass.enter(Lane::Account)?;
    let domain = pass.state().config.domain.clone();
    if !pass.has_reached("account")? {
        if pass.state().account.credential.is_none() && !is_finished(pass, &domain)? {
            create_account(pass, &domain, password)?;
        }
        pass.forget_password()?;
        return Err(pass.reach(0, "account"));
    }
    if !pass.has_reached("records")? {
        if pass.state().account.queuing.is_none() {
            create_records(pass, &domain)?;
        }
        return Err(pass.reach(1, "records"));
    }
    key_packages::publish(pass)?;
    pass.once("registered", |state| {
        state.emit(Event::Registered);
        Ok(())
    })
}

/// Whether a registration that was given up had been finished after all: then its direct queue can be read.
fn is_finished(pass: &mut Pass<'_>, domain: &Domain) -> Result<bool, Interrupt> {
    let granted = pass.once("granted before", |state| Ok(state.account.granted.clone()))?;
    let Some(credential) = granted else { return Ok(false) };
    if !has_account(pass, domain, &credential)? {
        return Ok(false);
    }
    pass.once("was finished", |state| {
        state.account.change().credential = Some(credential);
        Ok(())
    })?;
    Ok(true)
}

/// Whether the direct queue of this credential's client can be read.
fn has_account(
    pass: &mut Pass<'_>,
    domain: &Domain,
    credential: &ClientCredential,
) -> Result<bool, Interrupt> {
    let answer = pass.ask(domain, Patience::Window, |state, _| {
        let range = state.direct_queue.0.range();
        let body = DequeueDirect { client_id: state.account.client_id.clone(), range };
        Ok(Body::signed(body, state.identity_of(credential)))
    })?;
    Ok(answer.is_ok())
}

fn create_account(pass: &mut Pass<'_>, domain: &Domain, password: &[u8]) -> Result<(), Interrupt> {
    let (kept, body) = pass.once("first message", |state| {
        let (registration, opaque_request) = ClientRegistration::start(&mut state.random, password)?;
        let validity = ExpirationData::starting(state.now, 365 * DAY);
        let account = &state.account;
        let credential_request =
            ClientCredentialRequest::create(&account.client_key, account.client_id.clone(), validity);
        let opaque_request = opaque_request.try_into()?;
        let kept = Bytes::<1024>::new(registration.to_bytes().to_vec())?;
        Ok((kept, InitRegistration { credential_request, opaque_request }))
    })?;
    let asked = body.credential_request.clone();
    let reply = pass.call(domain, Patience::Window, |_, _| Ok(Body::unsigned(body)))?;
    let credential = reply.credential.clone();
    if credential.content.request != asked {
        return Err(ClientError::dishonest("a credential for another request").into());
    }
    if !pass.is_repeated() {
        pass.verify_client(&credential)?;
    }
    finish(pass, domain, password, kept.as_slice(), &reply)?;
    pass.once("credential", |state| {
        state.account.change().credential = Some(credential);
        Ok(())
    })
}

/// Finishes the registration. If that is refused after an answer was lost, the account may exist: then its
/// direct queue can be read.
fn finish(
    pass: &mut Pass<'_>,
    domain: &Domain,
    password: &[u8],
    kept: &[u8],
    reply: &InitRegistrationReply,
) -> Result<(), Interrupt> {
    let credential = &reply.credential;
    let finished = pass.ask(domain, Patience::Unlimited, |state, _| {
        let body = state.finish_registration(password, kept, reply)?;
        Ok(Body::signed(body, state.identity_of(credential)))
    })?;
    let Err(refusal) = finished else { return Ok(()) };
    if !pass.was_uncertain()? {
        return Err(ClientError::from(refusal).into());
    }
    if has_account(pass, domain, credential)? { Ok(()) } else { Err(ClientError::from(refusal).into()) }
}

/// The keys of the client's records at its queuing service, before the records exist.
type RecordKeys = ((SigningKey, SigningKey, SigningKey), (HpkePrivateKey, EarKey));

fn create_records(pass: &mut Pass<'_>, domain: &Domain) -> Result<(), Interrupt> {
    let ((user, client, config), (queue, list)): RecordKeys = pass.once("record keys", |state| {
        let random = &mut state.random;
        let keys = (SigningKey::generate(random), SigningKey::generate(random), SigningKey::generate(random));
        Ok((keys, (HpkePrivateKey::generate(random), EarKey::random(random))))
    })?;
    let reply = pass.call(domain, Patience::Window, |state, _| {
        Ok(Body::unsigned(CreateUserRecord {
            user_key: user.verifying_key(),
            friendship_hash: state.account.friendship_token.hash(),
            client_key: client.verifying_key(),
            config_key: config.verifying_key(),
            queue_key: queue.public_key(),
        }))
    })?;
    pass.once("records", |state| {
        state.account.change().queuing = Some(Queuing {
            user: reply.user,
            client: reply.client,
            user_key: user,
            client_key: client,
            config_key: config,
            list_key: list,
        });
        *state.fan_out_queue.change() = FanOutQueue(Some(OwnQueue::new(queue)));
        Ok(())
    })
}

impl State {
    /// Returns the client as the holder of a credential that is not the client's own yet.
    fn identity_of(&self, credential: &ClientCredential) -> Identity {
        let sender = Sender::Client(credential.fingerprint());
        Identity { sender, key: self.account.client_key.clone() }
    }

    fn finish_registration(
        &mut self,
        password: &[u8],
        kept: &[u8],
        reply: &InitRegistrationReply,
    ) -> Result<FinishRegistration, ClientError> {
        let hashing = self.config.password_hashing;
        let response = reply.opaque_response.as_slice();
        let registration = ClientRegistration::from_bytes(kept)?;
        let opaque_upload = registration.finish(&mut self.random, password, response, hashing)?.try_into()?;
        let account = self.account.change();
        account.connection_keys = List::default();
        account.granted = Some(reply.credential.clone());
        let count = self.config.connection_packages.max(1);
        let packages: Result<Vec<_>, _> =
            (0..count).map(|_| self.connection_package(&reply.credential)).collect();
        Ok(FinishRegistration {
            expires_at: reply.expires_at,
            opaque_upload,
            queue_key: self.direct_queue.0.reader().public_key(),
            connection_packages: packages?.try_into()?,
        })
    }

    fn connection_package(
        &mut self,
        credential: &ClientCredential,
    ) -> Result<ConnectionPackage, ClientError> {
        let key = HpkePrivateKey::generate(&mut self.random);
        let encryption_key = key.public_key();
        let account = self.account.change();
        account.connection_keys.push(key).map_err(|_| ClientError::TooLong)?;
        let validity = ExpirationData::starting(self.now, 365 * DAY).intersection(credential.expiration());
        let content =
            ConnectionPackageContent { credential: credential.clone(), encryption_key, expiration: validity };
        let signature = account.client_key.sign(&content);
        Ok(ConnectionPackage { content, signature })
    }
}
