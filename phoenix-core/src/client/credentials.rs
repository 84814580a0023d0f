//! PROTOCOL.md §11.5 — keys of homeservers: fetched, validated, cached; and the chains that they verify.

use std::{future::Future, pin::Pin, time::Duration};

use super::{
    error::ClientError,
    shared::Shared,
    state::{CachedSet, LockName, State},
};
use crate::{
    credentials::{
        ClientCredential, LeafCredential, MemberCredential, PublishedHpkeKey, ValidationError,
        validation::{
            ValidatedQsKeys, validate_as_credential_set, validate_client_credential, validate_ds_key_set,
            validate_leaf_credential, validate_qs_key_set,
        },
    },
    crypto::sign::VerifyingKey,
    identifiers::Domain,
    time::MINUTE,
    wire::{auth_service::GetAsCredentials, delivery_service::GetDsKeys, queuing_service::GetQsKeys},
};

/// Why a credential is not verified.
pub(super) enum Unverified {
    /// The credentials of this homeserver's authentication service have to be fetched first.
    NeedsKeys(Domain),
    /// It is not valid.
    Refused(ClientError),
}

impl From<ValidationError> for Unverified {
    fn from(error: ValidationError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ClientError> for Unverified {
    fn from(error: ClientError) -> Self {
        Self::Refused(error)
    }
}

/// How long after a fetch an unknown signer does not cause another.
const REFETCH_AFTER: Duration = MINUTE;

impl State {
    /// Verifies a client's credential with the cached credentials of its homeserver.
    pub fn verify_client(&self, credential: &ClientCredential) -> Result<(), Unverified> {
        self.verify_chain(credential, |_| Ok(()))
    }

    /// Verifies a leaf's chain of credentials, up from the client that `member` names.
    pub fn verify_leaf(&self, leaf: &LeafCredential, member: &MemberCredential) -> Result<(), Unverified> {
        self.verify_chain(&member.client_credential, |client| {
            validate_leaf_credential(leaf, &member.attribution_key, client, self.now).map(|_| ())
        })
    }

    fn verify_chain(
        &self,
        credential: &ClientCredential,
        further: impl FnOnce(
            &crate::credentials::validation::ValidatedClientCredential,
        ) -> Result<(), ValidationError>,
    ) -> Result<(), Unverified> {
        let domain = &credential.client_id().user_id.domain;
        let known = self.key_cache.as_credentials.get(domain);
        let known = known.filter(|known| known.set.valid_until() >= self.now);
        let known = known.ok_or_else(|| Unverified::NeedsKeys(domain.clone()))?;
        match validate_client_credential(credential, &known.set, self.now) {
            Err(ValidationError::UnknownSigner) if self.now.since(known.fetched_at) > REFETCH_AFTER => {
                Err(Unverified::NeedsKeys(domain.clone()))
            }
            validated => Ok(further(&validated?)?),
        }
    }
}

impl Shared {
    /// Verifies a client's credential. Fetches its homeserver's credentials if needed.
    pub async fn validate_client(&self, credential: &ClientCredential) -> Result<(), ClientError> {
        self.verified(|state| state.verify_client(credential)).await
    }

    /// Repeats `verify` and fetches the credentials that it needs, until it has a result.
    pub async fn verified<T>(
        &self,
        mut verify: impl FnMut(&mut State) -> Result<T, Unverified>,
    ) -> Result<T, ClientError> {
        loop {
            match self.with(&mut verify) {
                Ok(result) => return Ok(result),
                Err(Unverified::Refused(error)) => return Err(error),
                Err(Unverified::NeedsKeys(domain)) => self.fetch_as_credentials(&domain).await?,
            }
        }
    }

    /// Fetches the credentials of a homeserver's authentication service. Boxed, because many large futures
    /// contain this one.
    pub fn fetch_as_credentials<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> Pin<Box<dyn Future<Output = Result<(), ClientError>> + Send + 'a>> {
        Box::pin(async move {
            let asked = self.now();
            let _lock = self.lock(LockName::Keys(domain.clone())).await;
            let fetched =
                |state: &mut State| state.key_cache.as_credentials.get(domain).map(|known| known.fetched_at);
            if self.with(fetched).is_some_and(|fetched| fetched >= asked) {
                return Ok(());
            }
            let reply = self.call(domain, &GetAsCredentials {}, None).await?;
            self.with(|state| {
                let previous = state.key_cache.as_credentials.get(domain).map(|known| &known.set);
                let set = validate_as_credential_set(&reply.credentials, domain, state.now, previous)?;
                let known = CachedSet { set, fetched_at: state.now };
                state.key_cache.as_credentials.insert(domain.clone(), known);
                Ok(())
            })
        })
    }

    /// Fetches cached credentials again if they are older than the settings allow. If one request timeout is
    /// not enough for it, the cached ones stay in use.
    pub async fn refresh_as_credentials(&self, domain: &Domain) {
        let (old, timeout) = self.with(|state| {
            let known = state.key_cache.as_credentials.get(domain);
            let old = known.is_some_and(|known| state.now.since(known.fetched_at) > state.config.key_refresh);
            (old, state.config.request_timeout)
        });
        if !old {
            return;
        }
        if let Ok(reply) = self.call_within(domain, &GetAsCredentials {}, None, timeout).await {
            self.with(|state| {
                let previous = state.key_cache.as_credentials.get(domain).map(|known| &known.set);
                if let Ok(set) = validate_as_credential_set(&reply.credentials, domain, state.now, previous) {
                    let known = CachedSet { set, fetched_at: state.now };
                    state.key_cache.as_credentials.insert(domain.clone(), known);
                }
            });
        }
    }

    /// Returns the keys of a homeserver's queuing service, fetched again if they are older than the settings
    /// allow.
    pub async fn qs_keys(&self, domain: &Domain) -> Result<ValidatedQsKeys, ClientError> {
        let known = self.with(|state| {
            let known = state.key_cache.qs_keys.get(domain)?;
            let fresh = state.now.since(known.fetched_at) <= state.config.key_refresh;
            (fresh && known.set.valid_until() >= state.now).then(|| known.set.clone())
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let reply = self.call(domain, &GetQsKeys {}, None).await?;
        self.with(|state| {
            let set = validate_qs_key_set(&reply.keys, domain, state.now)?;
            let known = CachedSet { set: set.clone(), fetched_at: state.now };
            state.key_cache.qs_keys.insert(domain.clone(), known);
            Ok(set)
        })
    }

    /// Returns the key to which the client's own queue configurations are sealed.
    pub async fn config_key(&self) -> Result<PublishedHpkeKey, ClientError> {
        let domain = self.with(|state| state.config.domain.clone());
        let keys = self.qs_keys(&domain).await?;
        let key = keys.current_config_key(self.now()).cloned();
        key.ok_or(ClientError::Dishonest("a key set without a valid key for queue configurations"))
    }

    /// Fetches the key with which the delivery service of `domain` signs its proposals.
    pub async fn delivery_key(&self, domain: &Domain) -> Result<VerifyingKey, ClientError> {
        let reply = self.call(domain, &GetDsKeys {}, None).await?;
        let now = self.now();
        let keys = validate_ds_key_set(&reply.keys, domain, now)?;
        let key = keys.current_verifying_key(now).map(|key| key.verifying_key);
        key.ok_or(ClientError::Dishonest("a key set without a valid key of the delivery service"))
    }
}
