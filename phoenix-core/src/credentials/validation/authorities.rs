//! PROTOCOL.md §4, Validation — validation of an authentication service's credentials and revocations.

use super::checks::{check_issued, check_possession, check_set_times, check_time};
use crate::{
    credentials::{
        authority::{AsCredential, AsIntermediateCredential},
        error::ValidationError,
        key_sets::{AsCredentialSet, AsCredentialSetContent},
        revocation::Revocation,
        signed::Fingerprint,
    },
    crypto::sign::VerifyingKey,
    identifiers::Domain,
    time::{ExpirationData, Timestamp},
};

/// The credentials of an authentication service, validated. [`Self::set`] is what is stored of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedAsCredentials {
    set: AsCredentialSet,
    /// Of the roots, in the order of the set.
    roots: Vec<Fingerprint>,
    /// Of the intermediates, in the order of the set.
    intermediates: Vec<Fingerprint>,
}

/// Checks what an authentication service published, and that everything stays revoked that was revoked in
/// `previous`.
///
/// The credential that signs the set has to be valid at `now`. Others need not be: sets list credentials
/// ahead of their time, and a cached set outlives some.
///
/// # Errors
/// The reason why the set is refused. The caller goes on with `previous` while that is valid.
pub fn validate_as_credential_set(
    set: &AsCredentialSet,
    expected_domain: &Domain,
    now: Timestamp,
    previous: Option<&ValidatedAsCredentials>,
) -> Result<ValidatedAsCredentials, ValidationError> {
    let content = &set.content;
    if content.domain != *expected_domain || previous.is_some_and(|set| set.domain() != expected_domain) {
        return Err(ValidationError::WrongDomain);
    }
    check_set_times(content.issued_at, content.valid_until, now)?;
    if content.roots.is_empty() || content.intermediates.is_empty() {
        return Err(ValidationError::Empty);
    }
    let validated = ValidatedAsCredentials::of(set.clone());
    validated.check_distinct()?;
    if let Some(previous) = previous {
        check_continues(content, &previous.set.content)?;
    }
    validated.check_set_signature(now)?;
    validated.check_roots()?;
    validated.check_intermediates()?;
    validated.check_revocations()?;
    Ok(validated)
}

impl ValidatedAsCredentials {
    fn of(set: AsCredentialSet) -> Self {
        let content = &set.content;
        let roots = content.roots.iter().map(AsCredential::fingerprint).collect();
        let intermediates = content.intermediates.iter().map(AsIntermediateCredential::fingerprint).collect();
        Self { set, roots, intermediates }
    }

    /// Restores a set of `expected_domain` that was validated before it was stored. Its signatures are not checked
    /// again: only the time has changed.
    ///
    /// # Errors
    /// The reason why the set is no longer valid.
    pub(crate) fn restore(
        set: AsCredentialSet,
        expected_domain: &Domain,
        now: Timestamp,
    ) -> Result<Self, ValidationError> {
        let content = &set.content;
        if content.domain != *expected_domain {
            return Err(ValidationError::WrongDomain);
        }
        check_set_times(content.issued_at, content.valid_until, now)?;
        let restored = Self::of(set);
        restored.check_signer(now)?;
        Ok(restored)
    }

    /// The set as it was published.
    pub fn set(&self) -> &AsCredentialSet {
        &self.set
    }

    /// The homeserver's domain.
    pub fn domain(&self) -> &Domain {
        &self.set.content.domain
    }

    /// Until when the set may be used.
    pub fn valid_until(&self) -> Timestamp {
        self.set.content.valid_until
    }

    /// The number of the revocation list.
    pub fn revocation_number(&self) -> u64 {
        self.set.content.revocations.number
    }

    /// The listed intermediate with this fingerprint, revoked or not.
    pub fn intermediate(&self, fingerprint: &Fingerprint) -> Option<&AsIntermediateCredential> {
        let index = self.intermediates.iter().position(|listed| listed == fingerprint)?;
        self.set.content.intermediates.get(index)
    }

    /// Whether a root or intermediate is revoked, itself or through its root.
    pub fn is_revoked(&self, fingerprint: &Fingerprint) -> bool {
        let revoked = |name: &Fingerprint| self.set.content.revocations.find(name).is_some();
        revoked(fingerprint)
            || self.intermediate(fingerprint).is_some_and(|intermediate| revoked(intermediate.signer()))
    }

    /// Whether this issuer has revoked a credential. A revocation by another issuer does not count, nor one that the
    /// issuer has not signed.
    pub fn is_revoked_by(&self, fingerprint: &Fingerprint, issuer: &Fingerprint) -> bool {
        let revocation = self.set.content.revocations.find(fingerprint);
        let issuer = self.intermediate(issuer).map(|listed| (issuer, listed.verifying_key()));
        revocation.zip(issuer).is_some_and(|(revocation, (issuer, key))| {
            revocation.content.signer == *issuer && revocation.verify(key).is_ok()
        })
    }

    fn root(&self, fingerprint: &Fingerprint) -> Option<&AsCredential> {
        let index = self.roots.iter().position(|listed| listed == fingerprint)?;
        self.set.content.roots.get(index)
    }

    fn check_distinct(&self) -> Result<(), ValidationError> {
        let mut names: Vec<&Fingerprint> = self.roots.iter().chain(&self.intermediates).collect();
        names.sort_unstable();
        if names.is_sorted_by(|left, right| left < right) && self.set.content.revocations.is_ascending() {
            Ok(())
        } else {
            Err(ValidationError::Contradiction)
        }
    }

    /// The signer's own credential is checked with all others afterwards: its root is listed, and its
    /// validity lies within its root's.
    fn check_set_signature(&self, now: Timestamp) -> Result<(), ValidationError> {
        let signer = self.check_signer(now)?;
        let verified = signer.verifying_key().verify(&self.set.content, &self.set.signature);
        verified.map_err(|_| ValidationError::BadSignature)
    }

    /// The intermediate that signed the set is listed, valid now, not revoked, and valid for as long as the
    /// set.
    fn check_signer(&self, now: Timestamp) -> Result<&AsIntermediateCredential, ValidationError> {
        let content = &self.set.content;
        let signer = self.intermediate(&content.signer).ok_or(ValidationError::UnknownSigner)?;
        if self.is_revoked(&content.signer) {
            return Err(ValidationError::Revoked);
        }
        check_time(signer.expiration(), now)?;
        if content.valid_until > signer.expiration().not_after {
            return Err(ValidationError::OutsideSignersValidity);
        }
        Ok(signer)
    }

    fn check_roots(&self) -> Result<(), ValidationError> {
        for root in &self.set.content.roots {
            self.check_listing(&root.payload.domain, &root.payload.expiration)?;
            check_possession(root)?;
        }
        Ok(())
    }

    fn check_intermediates(&self) -> Result<(), ValidationError> {
        for intermediate in &self.set.content.intermediates {
            self.check_listing(&intermediate.payload().domain, intermediate.expiration())?;
            let root = self.root(intermediate.signer()).ok_or(ValidationError::UnknownSigner)?;
            check_issued(intermediate, &root.as_issuer())?;
        }
        Ok(())
    }

    /// The set lists only its own homeserver's credentials, and none that had expired when it was made.
    fn check_listing(&self, domain: &Domain, expiration: &ExpirationData) -> Result<(), ValidationError> {
        if *domain != self.set.content.domain {
            Err(ValidationError::WrongDomain)
        } else if expiration.not_after < self.set.content.issued_at {
            Err(ValidationError::Expired)
        } else {
            Ok(())
        }
    }

    /// Whoever may have revoked it is listed. The signatures of those that name listed credentials are verified
    /// here; those of others, thousands perhaps, when a credential that they name is validated: strangers can have
    /// sets fetched, and a set costs no more signatures than it lists credentials.
    fn check_revocations(&self) -> Result<(), ValidationError> {
        for revocation in &self.set.content.revocations.entries {
            let key = self.revoker(revocation)?;
            let named = &revocation.content.fingerprint;
            if self.roots.contains(named) || self.intermediates.contains(named) {
                revocation.verify(key).map_err(|_| ValidationError::BadSignature)?;
            }
        }
        Ok(())
    }

    /// The key that has to have signed a revocation: of a root, its own; of an intermediate, its root's; of a
    /// credential that is not listed, that of the authority which claims to have issued it.
    fn revoker(&self, revocation: &Revocation) -> Result<&VerifyingKey, ValidationError> {
        let content = &revocation.content;
        let issuer = if self.root(&content.fingerprint).is_some() {
            Some(content.fingerprint)
        } else {
            self.intermediate(&content.fingerprint).map(|intermediate| *intermediate.signer())
        };
        if issuer.is_some_and(|issuer| issuer != content.signer) {
            return Err(ValidationError::UnknownSigner);
        }
        let root = self.root(&content.signer).map(|root| &root.payload.verifying_key);
        let intermediate = || self.intermediate(&content.signer).map(AsIntermediateCredential::verifying_key);
        root.or_else(intermediate).ok_or(ValidationError::UnknownSigner)
    }
}

/// The number grows with every change, and a credential stays revoked until it would have expired.
fn check_continues(
    content: &AsCredentialSetContent,
    previous: &AsCredentialSetContent,
) -> Result<(), ValidationError> {
    let (now, before) = (&content.revocations, &previous.revocations);
    if now.number < before.number {
        return Err(ValidationError::RevocationListShrank);
    }
    if now.number == before.number && now.entries != before.entries {
        return Err(ValidationError::Contradiction);
    }
    let remains = |old: &Revocation| {
        old.content.expires < content.issued_at || now.find(&old.content.fingerprint).is_some()
    };
    if before.entries.iter().all(remains) { Ok(()) } else { Err(ValidationError::RevocationListShrank) }
}
