//! PROTOCOL.md §11.11 — inviting: contacts' key packages, fetched and verified before their leaves are added.

use openmls::prelude::{KeyPackage, KeyPackageIn, ProtocolVersion};
use openmls_traits::OpenMlsProvider;
use tls_codec::Deserialize;

use super::{
    error::ClientError,
    messages::{add_package_binding, leaf_credential},
    shared::Shared,
    state::{Contact, Member, State},
};
use crate::{
    codec::decode,
    credentials::MemberCredential,
    crypto::aead::EarKey,
    identifiers::Domain,
    mls::validate_key_package,
    wire::{
        fan_out::ClientQueueConfig,
        queuing_service::{AddPackage, GetKeyPackage, KeyPackageBatch},
    },
};

/// A client of a contact, verified and ready to be added.
pub(super) struct Joiner {
    pub package: KeyPackage,
    pub member: Member,
    /// Encrypts the Welcome attribution for the joiner.
    pub friendship_key: EarKey,
    pub batch: KeyPackageBatch,
}

/// Fetches a contact's key packages, one for each of its clients, and verifies them.
pub(super) async fn fetch_joiners(shared: &Shared, contact: &Contact) -> Result<Vec<Joiner>, ClientError> {
    let domain = contact.credential.client_id().user_id.domain.clone();
    let friendship = &contact.friendship;
    let body = GetKeyPackage { user: friendship.user, friendship_token: friendship.token.clone() };
    let reply = shared.call(&domain, &body, None).await?;
    check_batch(shared, &domain, &reply.batch).await?;
    let mut joiners = Vec::new();
    for package in &reply.packages {
        joiners.push(shared.verified(|state| Ok(state.joiner(contact, package, &reply.batch)?)).await?);
        if let Some(joiner) = joiners.last() {
            let leaf = leaf_credential(joiner.package.leaf_node().credential().serialized_content())?;
            shared.refresh_as_credentials(&domain).await;
            shared.verified(|state| state.verify_leaf(&leaf, &joiner.member.credential)).await?;
        }
    }
    Ok(joiners)
}

/// Verifies that a batch is of the contact's queuing service and signed by it, as the delivery service will
/// do.
async fn check_batch(shared: &Shared, domain: &Domain, batch: &KeyPackageBatch) -> Result<(), ClientError> {
    if batch.content.domain != *domain {
        return Err(ClientError::Dishonest("a batch of another homeserver"));
    }
    let keys = shared.qs_keys(domain).await?;
    let key = keys.verifying_key(batch.content.key_id, shared.now());
    let key = key.ok_or(ClientError::Dishonest("a batch signed by an unknown key"))?;
    Ok(key.verify(&batch.content, &batch.signature)?)
}

impl State {
    /// Verifies an add package except for its leaf's chain of credentials.
    fn joiner(
        &mut self,
        contact: &Contact,
        package: &AddPackage,
        batch: &KeyPackageBatch,
    ) -> Result<Joiner, ClientError> {
        let bytes = package.key_package.as_slice();
        let crypto = self.provider.crypto();
        let view = validate_key_package(crypto, bytes, self.now.seconds()).map_err(ClientError::mls)?;
        let leaf = leaf_credential(&view.credential)?;
        if *leaf.leaf.payload.verifying_key.0.as_slice() != view.signature_key.0 {
            return Err(ClientError::Dishonest("a leaf credential for another key than the leaf's"));
        }
        let identity = leaf.leaf.payload.identity;
        let opened =
            contact.friendship.key.open(&add_package_binding(&identity), &package.encrypted_credential)?;
        let credential: MemberCredential = decode(&opened)?;
        let user = &contact.credential.client_id().user_id;
        if credential.client_credential.client_id().user_id != *user {
            return Err(ClientError::Dishonest("a key package of another user"));
        }
        let config: ClientQueueConfig = decode(&view.queue_config)?;
        if config.domain != user.domain {
            return Err(ClientError::Dishonest("a queue configuration of another homeserver"));
        }
        if !batch.content.references.iter().any(|reference| reference.as_slice() == view.reference) {
            return Err(ClientError::Dishonest("a key package that is not in the batch"));
        }
        let package = KeyPackageIn::tls_deserialize(&mut &*bytes).map_err(ClientError::mls)?;
        let package = package.validate(crypto, ProtocolVersion::Mls10).map_err(ClientError::mls)?;
        let member = Member { identity, credential };
        Ok(Joiner { package, member, friendship_key: contact.friendship.key.clone(), batch: batch.clone() })
    }
}
