//! PROTOCOL.md §11.11 — inviting: contacts' key packages, fetched and verified before their leaves are added.

use openmls::prelude::{KeyPackage, KeyPackageIn, ProtocolVersion};
use openmls_traits::OpenMlsProvider;
use tls_codec::Deserialize;

use super::{
    error::ClientError,
    exchange::{Body, Patience},
    messages::{add_package_binding, leaf_credential},
    pass::{Interrupt, Pass},
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
        queuing_service::{AddPackage, GetKeyPackage, GetKeyPackageReply, KeyPackageBatch},
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
pub(super) fn fetch_joiners(pass: &mut Pass<'_>, contact: &Contact) -> Result<GetKeyPackageReply, Interrupt> {
    let domain = contact.credential.client_id().user_id.domain.clone();
    let friendship = contact.friendship.clone();
    let reply = pass.call(&domain, Patience::Window, |_, _| {
        let body = GetKeyPackage { user: friendship.user, friendship_token: friendship.token };
        Ok(Body::unsigned(body))
    })?;
    pass.refresh_as_credentials(&domain)?;
    if pass.is_repeated() {
        return Ok(reply);
    }
    check_batch(pass, &domain, &reply.batch)?;
    for package in &reply.packages {
        let joiner = pass.state().joiner(contact, package, &reply.batch)?;
        let leaf = leaf_credential(joiner.package.leaf_node().credential().serialized_content())?;
        pass.verified(|state| state.verify_leaf(&leaf, &joiner.member.credential))?;
    }
    Ok(reply)
}

/// Verifies that a batch is of the contact's queuing service and signed by it, as the delivery service will
/// do.
fn check_batch(pass: &mut Pass<'_>, domain: &Domain, batch: &KeyPackageBatch) -> Result<(), Interrupt> {
    if batch.content.domain != *domain {
        return Err(ClientError::dishonest("a batch of another homeserver").into());
    }
    let keys = pass.qs_keys(domain)?;
    let key = keys.verifying_key(batch.content.key_id, pass.now());
    let key = key.ok_or(ClientError::dishonest("a batch signed by an unknown key"))?;
    Ok(key.verify(&batch.content, &batch.signature)?)
}

impl State {
    /// Verifies an add package except for its leaf's chain of credentials.
    pub fn joiner(
        &self,
        contact: &Contact,
        package: &AddPackage,
        batch: &KeyPackageBatch,
    ) -> Result<Joiner, ClientError> {
        let bytes = package.key_package.as_slice();
        let crypto = self.provider.crypto();
        let view = validate_key_package(crypto, bytes, self.now.seconds()).map_err(ClientError::mls)?;
        let leaf = leaf_credential(&view.credential)?;
        if *leaf.leaf.payload.verifying_key.0.as_slice() != view.signature_key.0 {
            return Err(ClientError::dishonest("a leaf credential for another key than the leaf's"));
        }
        let identity = leaf.leaf.payload.identity;
        let opened =
            contact.friendship.key.open(&add_package_binding(&identity), &package.encrypted_credential)?;
        let credential: MemberCredential = decode(&opened)?;
        let user = &contact.credential.client_id().user_id;
        if credential.client_credential.client_id().user_id != *user {
            return Err(ClientError::dishonest("a key package of another user"));
        }
        let config: ClientQueueConfig = decode(&view.queue_config)?;
        if config.domain != user.domain {
            return Err(ClientError::dishonest("a queue configuration of another homeserver"));
        }
        if !batch.content.references.iter().any(|reference| reference.as_slice() == view.reference) {
            return Err(ClientError::dishonest("a key package that is not in the batch"));
        }
        let package = KeyPackageIn::tls_deserialize(&mut &*bytes).map_err(ClientError::mls)?;
        let package = package.validate(crypto, ProtocolVersion::Mls10).map_err(ClientError::mls)?;
        let member = Member { identity, credential };
        Ok(Joiner { package, member, friendship_key: contact.friendship.key.clone(), batch: batch.clone() })
    }
}
