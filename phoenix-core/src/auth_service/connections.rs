//! PROTOCOL.md §6, Connection packages — what strangers need to ask a user for a connection.

use super::accounts::{self, User};
use crate::{
    codec::encode,
    collections::pool::{self, Pool},
    config::Plant,
    credentials::ClientCredential,
    error::Refusal,
    identifiers::ClientId,
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    store::RecordKind,
    wire::{
        auth_service::{
            ConnectionPackage, GetConnectionPackage, GetConnectionPackageReply, PublishConnectionPackages,
        },
        envelope::RequestEnvelope,
        message::Done,
    },
};

/// A client's connection packages.
enum ConnectionPackages {}

impl Pool for ConnectionPackages {
    type Name = ClientId;
    type Content = ConnectionPackage;

    const HEAD: RecordKind = RecordKind::ConnectionPackagePool;
    const PACKAGE: RecordKind = RecordKind::ConnectionPackage;
}

/// `publish_connection_packages`: replaces all of a client's packages.
impl Serve for PublishConnectionPackages {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"connection packages", &encode(&self.client_id.user_id)])
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let client = accounts::authenticate(transaction, call, &call.body.client_id)?;
        call.redeem(transaction)?;
        replace(transaction, &client.credential, &call.body.packages)?;
        Ok(Done)
    }
}

/// Replaces the packages of the client whose credential this is, all or none.
///
/// # Errors
/// [`Interrupt`]; refuses with [`Refusal::InvalidConnectionPackage`] if there is none, or one is not valid.
pub(super) fn replace(
    transaction: &mut Transaction<'_>,
    credential: &ClientCredential,
    packages: &[ConnectionPackage],
) -> Result<(), Interrupt> {
    if packages.is_empty() {
        return Err(Refusal::InvalidConnectionPackage.into());
    }
    let client = credential.client_id().clone();
    for package in packages {
        let valid = package.content.credential == *credential
            && package.content.expiration.contains(transaction.now())
            && credential.verifying_key().verify(&package.content, &package.signature).is_ok();
        if !valid && !transaction.planted(Plant::IgnorePackageOwner) {
            return Err(Refusal::InvalidConnectionPackage.into());
        }
    }
    pool::replace::<ConnectionPackages, _>(
        transaction,
        &client,
        packages,
        |_, _, package| Ok(package.clone()),
    )
}

/// `get_connection_package`: the user's next package, consumed unless it is the last.
impl Serve for GetConnectionPackage {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"connection packages", &encode(&self.user_id)])
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<GetConnectionPackageReply, Interrupt> {
        call.redeem(transaction)?;
        let user_id = &call.body.user_id;
        let user: User = transaction.get(user_id)?.ok_or(Refusal::NotFound)?;
        let uuid = *user.clients.first().ok_or(Refusal::NotFound)?;
        let client = ClientId { user_id: user_id.clone(), uuid };
        let now = transaction.now();
        let package = pool::take::<ConnectionPackages, _>(transaction, &client, |_, package| {
            Ok(Some(package).filter(|package| package.content.expiration.contains(now)))
        })?;
        Ok(GetConnectionPackageReply { package: package.ok_or(Refusal::NotFound)? })
    }
}
