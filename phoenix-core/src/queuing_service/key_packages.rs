//! PROTOCOL.md §7, Key packages — published by a client, handed out to its friends, each once.

use std::collections::BTreeSet;

use subtle::ConstantTimeEq as _;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::records::{self, QsUser};
use crate::{
    codec::{List, decode, encode},
    collections::pool::{self, PackageName, Pool},
    config::Plant,
    crypto::{
        aead::{EarCiphertext, EarKey},
        kdf::Hash,
        provider::MlsCrypto,
    },
    error::Refusal,
    identifiers::QsClientId,
    keys::QueuingKey,
    limits::MAX_CLIENTS,
    mls,
    operation::{Context, Interrupt, Lane, Transaction},
    request::{Call, Serve},
    store::RecordKind,
    wire::{
        envelope::RequestEnvelope,
        fan_out::ClientQueueConfig,
        message::Done,
        queuing_service::{
            AddPackage, GetKeyPackage, GetKeyPackageReply, KeyPackageBatch, KeyPackageBatchContent,
            PublishKeyPackages,
        },
    },
};

/// A client's key packages; the last resort is the last. Each is stored with its reference, encrypted under a
/// key derived from the friendship token.
enum KeyPackages {}

impl Pool for KeyPackages {
    type Name = QsClientId;
    type Content = EarCiphertext;

    const HEAD: RecordKind = RecordKind::KeyPackagePool;
    const PACKAGE: RecordKind = RecordKind::KeyPackage;
}

/// A stored key package, decrypted.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Content {
    reference: Hash,
    /// Seconds since the Unix epoch; not handed out from then on.
    not_after: u64,
    package: AddPackage,
}

/// `publish_key_packages`: replaces all of a client's key packages.
impl Serve for PublishKeyPackages {
    fn lane(&self, envelope: &RequestEnvelope) -> Lane {
        Lane::sender(envelope)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let (client, record) = records::authenticate(transaction, call)?;
        let user: QsUser = transaction.get(&record.user)?.ok_or(Refusal::Unauthenticated)?;
        call.redeem(transaction)?;
        check_friend(transaction.context(), &user, &call.body.friendship_token.hash())?;
        let contents = validated(transaction, &call.body.packages)?;
        let key = call.body.friendship_token.add_package_key();
        pool::replace::<KeyPackages, _>(transaction, &client, &contents, |random, name, content| {
            Ok(key.seal(random, &associated(name), &encode(content))?)
        })?;
        Ok(Done)
    }
}

/// The packages, each valid and no two alike, with the one last resort at the end.
fn validated(transaction: &mut Transaction<'_>, packages: &[AddPackage]) -> Result<Vec<Content>, Refusal> {
    let crypto = MlsCrypto::with_memo(transaction.random().array(), transaction.homeserver().hash_memo());
    let mut contents = Vec::new();
    let mut last_resort = Vec::new();
    let mut references = BTreeSet::new();
    for package in packages {
        let view =
            mls::validate_key_package(&crypto, package.key_package.as_slice(), transaction.now().seconds())
                .map_err(|_| Refusal::InvalidKeyPackage)?;
        let config: ClientQueueConfig =
            decode(&view.queue_config).map_err(|_| Refusal::InvalidQueueConfig)?;
        config.check_length()?;
        if config.domain != *transaction.domain() {
            return Err(Refusal::InvalidQueueConfig);
        }
        let reference: Hash = view.reference.try_into().map_err(|_| Refusal::InvalidKeyPackage)?;
        if !references.insert(reference) {
            return Err(Refusal::InvalidKeyPackage);
        }
        let content = Content { reference, not_after: view.lifetime.not_after, package: package.clone() };
        if view.last_resort { last_resort.push(content) } else { contents.push(content) }
    }
    if last_resort.len() != 1 {
        return Err(Refusal::NoLastResort);
    }
    contents.append(&mut last_resort);
    Ok(contents)
}

fn check_friend(context: &Context, user: &QsUser, hash: &Hash) -> Result<(), Refusal> {
    let is_friend = bool::from(user.friendship_hash.ct_eq(hash));
    if is_friend || context.planted(Plant::IgnoreFriendshipToken) { Ok(()) } else { Err(Refusal::NoFriend) }
}

/// What a stored package is bound to: its row.
fn associated(name: &PackageName<QsClientId>) -> Vec<u8> {
    pool::package_row::<KeyPackages>(name).to_bytes()
}

/// `get_key_package`: one for each client of the user, and a signed batch of their references.
impl Serve for GetKeyPackage {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"key packages", &encode(&self.user)])
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<GetKeyPackageReply, Interrupt> {
        // The answer does not tell a user that does not exist from one that the caller is no friend of.
        let user: QsUser = transaction.get(&call.body.user)?.ok_or(Refusal::NoFriend)?;
        check_friend(transaction.context(), &user, &call.body.friendship_token.hash())?;
        call.accept_proof(transaction);
        call.redeem(transaction)?;
        let key = call.body.friendship_token.add_package_key();
        pool::load::<KeyPackages>(transaction, &user.clients)?;
        let mut packages: List<AddPackage, MAX_CLIENTS> = List::default();
        let mut references: List<Hash, MAX_CLIENTS> = List::default();
        for client in &user.clients {
            if let Some(content) = take(transaction, &key, client)? {
                let _ = references.push(content.reference);
                let _ = packages.push(content.package);
            }
        }
        if packages.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        Ok(GetKeyPackageReply { packages, batch: sign_batch(transaction.context(), references)? })
    }
}

/// The client's next package that has not expired. `None` if it has none.
fn take(
    transaction: &mut Transaction<'_>,
    key: &EarKey,
    client: &QsClientId,
) -> Result<Option<Content>, Interrupt> {
    let now = transaction.now().seconds();
    pool::take::<KeyPackages, Content>(transaction, client, |name, sealed| {
        let damaged = Refusal::StoredData { kind: RecordKind::KeyPackage as u8 };
        let plain = key.open(&associated(name), &sealed).map_err(|_| damaged.clone())?;
        let content: Content = decode(&plain).map_err(|_| damaged)?;
        Ok(Some(content).filter(|content| now < content.not_after))
    })
}

fn sign_batch(context: &Context, references: List<Hash, MAX_CLIENTS>) -> Result<KeyPackageBatch, Refusal> {
    let QueuingKey { id: key_id, key } = context.keys().queuing_key()?;
    let domain = context.domain().clone();
    let content = KeyPackageBatchContent { domain, references, issued_at: context.now(), key_id };
    let signature = key.sign(&content);
    Ok(KeyPackageBatch { content, signature })
}
