//! PROTOCOL.md §11.5 — keys of homeservers: fetched, validated, cached; and the chains that they verify.

use std::time::Duration;

use super::{
    error::ClientError,
    exchange::{Body, Patience},
    pass::{Interrupt, Pass},
    state::{Fetched, State, Validated, Want},
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
    time::{CLOCK_TOLERANCE, MINUTE, Timestamp},
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
        let known = self.valid_as_credentials.get(domain);
        let known = known.filter(|known| known.set.valid_until() >= self.now);
        let known = known.ok_or_else(|| Unverified::NeedsKeys(domain.clone()))?;
        match validate_client_credential(credential, &known.set, self.now) {
            Err(ValidationError::UnknownSigner) if self.is_older(known.fetched_at, REFETCH_AFTER) => {
                Err(Unverified::NeedsKeys(domain.clone()))
            }
            validated => Ok(further(&validated?)?),
        }
    }

    /// Drops the set of a homeserver that no contact is of and nothing under way is about: a stranger has had it
    /// fetched. It is fetched again if it is needed.
    pub fn forget_stranger(&mut self, domain: &Domain) {
        let is_needed = *domain == self.config.domain
            || self.contacts.keys().any(|user| user.domain == *domain)
            || self.members.iter().any(|(_, membership)| membership.member.user().domain == *domain)
            || self.intents.iter().any(|(_, intent)| intent.want.concerns(domain));
        if !is_needed {
            self.as_credentials.remove(domain);
            self.valid_as_credentials.remove(domain);
        }
    }

    /// Returns the key to which the client's own queue configurations are sealed, if a valid one is at hand.
    pub fn own_config_key(&self) -> Result<PublishedHpkeKey, ClientError> {
        let keys = self.valid_qs_keys.get(&self.config.domain);
        let key = keys.and_then(|keys| keys.set.current_config_key(self.now)).cloned();
        key.ok_or(ClientError::dishonest("a key set without a valid key for queue configurations"))
    }

    /// Returns whether what was fetched at a time is older than `age`, or was fetched while a clock was wrong.
    fn is_older(&self, fetched_at: Timestamp, age: Duration) -> bool {
        self.now.since(fetched_at) > age || fetched_at > self.now + CLOCK_TOLERANCE
    }

    fn fresh_qs_keys(&self, domain: &Domain) -> Option<&ValidatedQsKeys> {
        let known = self.valid_qs_keys.get(domain)?;
        let is_fresh = !self.is_older(known.fetched_at, self.config.key_refresh);
        (is_fresh && known.set.valid_until() >= self.now).then_some(&known.set)
    }
}

impl Pass<'_> {
    /// Verifies a client's credential. Fetches its homeserver's credentials if needed.
    pub fn verify_client(&mut self, credential: &ClientCredential) -> Result<(), Interrupt> {
        self.verified(|state| state.verify_client(credential))
    }

    /// Verifies something. Fetches the credentials that it needs.
    pub fn verified<T>(
        &mut self,
        verify: impl FnOnce(&State) -> Result<T, Unverified>,
    ) -> Result<T, Interrupt> {
        match verify(self.state()) {
            Ok(result) => Ok(result),
            Err(Unverified::Refused(error)) => Err(error.into()),
            Err(Unverified::NeedsKeys(domain)) => Err(self.after(&Want::FetchAsCredentials { domain })),
        }
    }

    /// Fetches cached credentials again if they are older than the settings allow. If one request timeout is
    /// not enough for it, the cached ones stay in use.
    pub fn refresh_as_credentials(&mut self, domain: &Domain) -> Result<(), Interrupt> {
        let until = self.once("refresh until", |state| Ok(state.now + state.config.request_timeout))?;
        if self.is_repeated() {
            return Ok(());
        }
        let has_failed = self.take_failure().is_some();
        let state = self.state();
        let known = state.valid_as_credentials.get(domain);
        let is_old = known.is_some_and(|known| state.is_older(known.fetched_at, state.config.key_refresh));
        if !is_old || state.now >= until || has_failed {
            return Ok(());
        }
        Err(self.after_or(&Want::FetchAsCredentials { domain: domain.clone() }, until))
    }

    /// Returns the keys of a homeserver's queuing service, fetched again if they are older than the settings
    /// allow.
    pub fn qs_keys(&mut self, domain: &Domain) -> Result<ValidatedQsKeys, Interrupt> {
        match self.state().fresh_qs_keys(domain) {
            Some(keys) => Ok(keys.clone()),
            None => Err(self.after(&Want::FetchQsKeys { domain: domain.clone() })),
        }
    }

    /// Makes sure that the key is at hand to which the client's own queue configurations are sealed.
    pub fn config_key(&mut self) -> Result<(), Interrupt> {
        let domain = self.state().config.domain.clone();
        self.qs_keys(&domain)?;
        Ok(())
    }

    /// Fetches the key with which the delivery service of `domain` signs its proposals.
    pub fn delivery_key(&mut self, domain: &Domain) -> Result<VerifyingKey, Interrupt> {
        let reply = self.call(domain, Patience::Window, |_, _| Ok(Body::unsigned(GetDsKeys {})))?;
        self.once("delivery key", |state| {
            let keys = validate_ds_key_set(&reply.keys, domain, state.now)?;
            let key = keys.current_verifying_key(state.now).map(|key| key.verifying_key);
            key.ok_or(ClientError::dishonest("a key set without a valid key of the delivery service"))
        })
    }
}

/// Fetches the credentials of a homeserver's authentication service.
pub(super) fn fetch_as_credentials(pass: &mut Pass<'_>, domain: &Domain) -> Result<(), Interrupt> {
    let reply = pass.call(domain, Patience::Window, |_, _| Ok(Body::unsigned(GetAsCredentials {})))?;
    pass.once("credentials", |state| {
        let previous = state.valid_as_credentials.get(domain).map(|known| &known.set);
        let (set, fetched_at) = (reply.credentials, state.now);
        let validated = validate_as_credential_set(&set, domain, fetched_at, previous)?;
        state.valid_as_credentials.insert(domain.clone(), Validated { set: validated, fetched_at });
        state.as_credentials.insert(domain.clone(), Fetched { set, fetched_at });
        Ok(())
    })
}

/// Fetches the keys of a homeserver's queuing service.
pub(super) fn fetch_qs_keys(pass: &mut Pass<'_>, domain: &Domain) -> Result<(), Interrupt> {
    let reply = pass.call(domain, Patience::Window, |_, _| Ok(Body::unsigned(GetQsKeys {})))?;
    pass.once("keys", |state| {
        let (set, fetched_at) = (reply.keys, state.now);
        let validated = validate_qs_key_set(&set, domain, fetched_at)?;
        state.valid_qs_keys.insert(domain.clone(), Validated { set: validated, fetched_at });
        state.qs_keys.insert(domain.clone(), Fetched { set, fetched_at });
        Ok(())
    })
}
