//! PROTOCOL.md §6, §7, §11 — setting a client up: account, queue, key packages.
//!
//! Each step leaves its result in the state, so that a set-up that failed half-way is taken up where it ended.

use openmls::prelude::{
    Capabilities, CredentialWithKey, Extension, Extensions, KeyPackage, Lifetime, UnknownExtension,
};
use openmls::prelude::{Credential, CredentialType};
use openmls_traits::OpenMlsProvider;
use tls_codec::Serialize;

use super::{
    ClientError, Event,
    messages::add_package_binding,
    state::{Identity, OwnPackage, Queuing, Shared, State},
};
use crate::{
    codec::{Bytes, encode},
    credentials::{ClientCredentialRequest, LeafCredential, PublishedHpkeKey},
    crypto::{
        aead::EarKey, hpke::HpkePrivateKey, opaque::ClientRegistration, ratchet::QueueReader,
        sign::SigningKey,
    },
    identifiers::{GroupId, LeafIdentity},
    mls::{CIPHERSUITE, LEAF_CREDENTIAL_TYPE, QUEUE_CONFIG_EXTENSION, capabilities},
    time::{DAY, ExpirationData, HOUR},
    wire::{
        auth_service::{ConnectionPackage, ConnectionPackageContent, FinishRegistration, InitRegistration},
        envelope::Sender,
        fan_out::{Binding, ClientQueueConfig, Notify, QueueConfigContent},
        queuing_service::{AddPackage, CreateUserRecord, PublishKeyPackages},
    },
};

/// A leaf of ours to be: its key, its credential as MLS has it, and the key to its attribution.
pub(super) struct NewLeaf {
    pub key: SigningKey,
    pub credential: LeafCredential,
    pub attribution_key: EarKey,
}

impl NewLeaf {
    /// Key and credential in the form that MLS takes.
    pub fn for_mls(&self) -> CredentialWithKey {
        let credential =
            Credential::new(CredentialType::Other(LEAF_CREDENTIAL_TYPE), encode(&self.credential));
        CredentialWithKey { credential, signature_key: self.key.verifying_key().0.as_slice().into() }
    }
}

/// The whole set-up.
pub(super) async fn register(shared: Shared, password: Vec<u8>) -> Result<(), ClientError> {
    if shared.with(|state| state.credential.is_none()) {
        create_account(&shared, &password).await?;
    }
    if shared.with(|state| state.queuing.is_none()) {
        create_records(&shared).await?;
    }
    publish_key_packages(&shared).await?;
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
        return Err(ClientError::Dishonest("a credential that was not asked for"));
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

fn connection_package(
    state: &mut State,
    credential: &crate::credentials::ClientCredential,
) -> ConnectionPackage {
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
    let (user_key, client_key, config_key, queue_key, list_key, body) = shared.with(|state| {
        let random = &mut state.random;
        let user_key = SigningKey::generate(random);
        let client_key = SigningKey::generate(random);
        let config_key = SigningKey::generate(random);
        let queue_key = HpkePrivateKey::generate(random);
        let list_key = EarKey::random(random);
        let body = CreateUserRecord {
            user_key: user_key.verifying_key(),
            friendship_hash: state.friendship_token.hash(),
            client_key: client_key.verifying_key(),
            config_key: config_key.verifying_key(),
            queue_key: queue_key.public_key(),
        };
        (user_key, client_key, config_key, queue_key, list_key, body)
    });
    let reply = shared.call(&domain, &body, None).await?;
    shared.with(|state| {
        state.queuing = Some(Queuing {
            user: reply.user,
            client: reply.client,
            user_key,
            client_key,
            config_key,
            list_key,
            reader: QueueReader::new(queue_key),
        });
    });
    Ok(())
}

/// Publishes fresh key packages in place of those before. Earlier ones that were handed out stay usable.
pub(super) async fn publish_key_packages(shared: &Shared) -> Result<(), ClientError> {
    let domain = shared.with(|state| state.config.domain.clone());
    let to = shared.config_key().await?;
    let (body, identity) = shared.with(|state| {
        let ordinary = state.config.key_packages;
        let packages: Result<Vec<_>, ClientError> =
            (0..=ordinary).map(|number| state.key_package(&to, number == ordinary)).collect();
        state.used_packages = 0;
        let friendship_token = state.friendship_token.clone();
        let body = PublishKeyPackages { friendship_token, packages: packages?.try_into()? };
        Ok::<_, ClientError>((body, state.queuing_identity()?))
    })?;
    shared.call(&domain, &body, Some(&identity)).await?;
    Ok(())
}

impl State {
    /// A fresh leaf of this client.
    pub fn new_leaf(&mut self) -> Result<NewLeaf, ClientError> {
        let client_credential = self.credential()?.clone();
        let random = &mut self.random;
        let key = SigningKey::generate(random);
        let attribution_key = EarKey::random(random);
        let identity = LeafIdentity::random(random);
        let expiration = ExpirationData::starting(self.now, 365 * DAY);
        let credential = LeafCredential::create(
            random,
            &key,
            &self.client_key,
            &client_credential,
            &attribution_key,
            identity,
            expiration,
        )?;
        Ok(NewLeaf { key, credential, attribution_key })
    }

    /// The MLS lifetime of what is made now.
    pub fn lifetime(&self) -> Lifetime {
        let end = self.now + self.config.key_package_lifetime;
        Lifetime::init((self.now - HOUR).seconds(), end.seconds())
    }

    /// What every leaf of ours declares.
    pub fn capabilities() -> Capabilities {
        capabilities()
    }

    /// A key package, its private parts kept.
    fn key_package(&mut self, to: &PublishedHpkeKey, last_resort: bool) -> Result<AddPackage, ClientError> {
        let leaf = self.new_leaf()?;
        let config = self.queue_config(to, Binding::Unbound)?;
        let extension = Extension::Unknown(QUEUE_CONFIG_EXTENSION, UnknownExtension(encode(&config)));
        let extensions = Extensions::single(extension).map_err(ClientError::mls)?;
        let mut builder = KeyPackage::builder()
            .leaf_node_capabilities(Self::capabilities())
            .key_package_lifetime(self.lifetime())
            .key_package_extensions(extensions);
        if last_resort {
            builder = builder.mark_as_last_resort();
        }
        let bundle = builder
            .build(CIPHERSUITE, &self.provider, &leaf.key, leaf.for_mls())
            .map_err(ClientError::mls)?;
        let package = bundle.key_package();
        let reference =
            package.hash_ref(self.provider.crypto()).map_err(ClientError::mls)?.as_slice().to_vec();
        let bytes = package.tls_serialize_detached().map_err(ClientError::mls)?;
        let identity = leaf.credential.leaf.payload.identity;
        let member = encode(&self.member_credential(leaf.attribution_key.clone())?);
        let encrypted_credential =
            self.friendship_key.seal(&mut self.random, &add_package_binding(&identity), &member)?;
        self.key_packages.insert(reference, OwnPackage { leaf_key: leaf.key, last_resort });
        Ok(AddPackage { key_package: Bytes::new(bytes)?, encrypted_credential })
    }

    /// A fresh queue configuration of this client.
    pub fn queue_config(
        &mut self,
        to: &PublishedHpkeKey,
        binding: Binding,
    ) -> Result<ClientQueueConfig, ClientError> {
        let lifetime = self.config.queue_config_lifetime;
        // An unbound one serves for as long as its key package, and then as long again as a bound one.
        let extra =
            if binding == Binding::Unbound { self.config.key_package_lifetime } else { Default::default() };
        let not_after = self.now + lifetime + extra;
        let queuing = self.queuing.as_ref().ok_or(ClientError::NotRegistered)?;
        let content = QueueConfigContent {
            client: queuing.client,
            push_token_key: None,
            list_key: queuing.list_key.clone(),
            notify: Notify::Always,
            binding,
            not_after,
        };
        let domain = self.config.domain.clone();
        Ok(ClientQueueConfig::seal(&mut self.random, domain, to, content, &queuing.config_key)?)
    }

    /// A queue configuration for one group.
    pub fn bound_config(
        &mut self,
        to: &PublishedHpkeKey,
        group: &GroupId,
    ) -> Result<ClientQueueConfig, ClientError> {
        self.queue_config(to, Binding::Bound { ds_domain: group.domain.clone(), group_id: group.clone() })
    }
}
