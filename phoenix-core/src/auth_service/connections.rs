//! PROTOCOL.md §6 — connection packages: how strangers get to ask a user for a connection.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::accounts::{self, User};
use crate::{
    collections::pool::{self, PackageName},
    credentials::ClientCredential,
    error::Refusal,
    identifiers::ClientId,
    operation::{Context, Interrupt, Transaction},
    request::Call,
    store::{Record, RecordKind},
    wire::{
        auth_service::{
            ConnectionPackage, GetConnectionPackage, GetConnectionPackageReply, PublishConnectionPackages,
        },
        message::Done,
    },
};

/// A package as it was published.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct StoredConnectionPackage(ConnectionPackage);

impl Record for StoredConnectionPackage {
    type Name = PackageName<ClientId>;
    const KIND: RecordKind = RecordKind::ConnectionPackage;
}

pool::pool! {
    /// A client's connection packages.
    ConnectionPackages, ClientId, ConnectionPackagePool, StoredConnectionPackage
}

/// `publish_connection_packages`: replaces those of the client.
pub(crate) fn publish_connection_packages(
    transaction: &mut Transaction,
    context: &mut Context,
    call: &Call<'_, PublishConnectionPackages>,
) -> Result<Done, Interrupt> {
    let client = accounts::authenticate(transaction, context, call, &call.body.client_id)?;
    call.redeem(transaction, context)?;
    replace(transaction, context, &client.credential, &call.body.packages)?;
    Ok(Done)
}

/// Replaces the packages of the client whose credential this is, all or none.
pub(super) fn replace(
    transaction: &mut Transaction,
    context: &Context,
    credential: &ClientCredential,
    packages: &[ConnectionPackage],
) -> Result<(), Interrupt> {
    if packages.is_empty() {
        return Err(Refusal::InvalidConnectionPackage.into());
    }
    let client = credential.client_id().clone();
    for package in packages {
        let valid = package.content.credential == *credential
            && package.content.expiration.contains(context.now)
            && credential.verifying_key().verify(&package.content, &package.signature).is_ok();
        if !valid {
            return Err(Refusal::InvalidConnectionPackage.into());
        }
    }
    pool::replace::<ConnectionPackages, _>(transaction, &client, packages, |_, package| {
        Ok(StoredConnectionPackage(package.clone()))
    })
}

/// `get_connection_package`: the next one, consumed unless it is the last.
pub(crate) fn get_connection_package(
    transaction: &mut Transaction,
    context: &mut Context,
    call: &Call<'_, GetConnectionPackage>,
) -> Result<GetConnectionPackageReply, Interrupt> {
    call.redeem(transaction, context)?;
    let user_id = &call.body.user_id;
    let user: User = transaction.get(user_id)?.ok_or(Refusal::NotFound)?;
    let uuid = *user.clients.first().ok_or(Refusal::NotFound)?;
    let client = ClientId { user_id: user_id.clone(), uuid };
    let now = context.now;
    let package = pool::take::<ConnectionPackages, _>(transaction, &client, |_, stored| {
        Ok(Some(stored.0).filter(|package| package.content.expiration.contains(now)))
    })?;
    Ok(GetConnectionPackageReply { package: package.ok_or(Refusal::NotFound)? })
}
