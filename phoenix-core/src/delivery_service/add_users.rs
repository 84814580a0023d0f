//! PROTOCOL.md §8, Adding users — an admin adds users, each with its encrypted credential, Welcome and
//! attribution.

use std::collections::BTreeSet;

use super::{
    commit::StagedCommit,
    fan_out::FanOut,
    group::{self, Group},
    roster::{Leaf, Roster},
    sections::check_secret_length,
};
use crate::{
    codec::decode,
    config::Plant,
    credentials::validation::ValidatedQsKeys,
    crypto::aead::EarCiphertext,
    error::Refusal,
    identifiers::Domain,
    limits::{MAX_ADDED_DOMAINS, MAX_WELCOMES},
    mls::{self, AddView, ProposalKind},
    operation::{Context, Interrupt, Lane, Transaction},
    peer_keys::{self, Caller},
    request::{Call, Serve},
    store::Key,
    wire::{
        delivery_service::{AddUsers, CommitReply},
        envelope::RequestEnvelope,
        fan_out::{ClientQueueConfig, Receipt, WelcomeBundle},
        queuing_service::KeyPackageBatch,
    },
};

impl Serve for AddUsers {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<CommitReply, Interrupt> {
        let body = call.body;
        check_lengths(body)?;
        let (group, members) = Group::open(transaction, &body.group)?;
        let sender = group::authenticate(transaction, call, &members)?.clone();
        call.redeem(transaction)?;
        let mut roster = Roster::read(transaction, &group, members)?;
        let is_admin = roster.members.roles.is_admin(&sender.identity);
        if !is_admin && !transaction.planted(Plant::IgnoreRoles) {
            return Err(Refusal::NotAdmin.into());
        }
        // Before the commit is validated, which costs more: another homeserver may have to be asked first.
        check_batches(transaction, &body.batches)?;
        let staged = StagedCommit::validate(transaction, &group, body.commit.as_slice(), &body.group_info)?;
        staged.check_committer(sender.leaf)?;
        staged.check_same_leaf(&sender)?;
        if staged.has_pending() {
            return Err(Refusal::PendingProposals.into());
        }
        let joiners = check_joiners(transaction.context(), body, &staged)?;
        let epoch = staged.summary().epoch_after;
        let receipt = Receipt { request_id: call.envelope.request_id, epoch };
        let mut fan_out = FanOut::new(&body.commit, &roster.members.members, sender.leaf, receipt)?;
        for joiner in joiners {
            let Joiner { leaf, queue_config, encrypted_credential, attribution } = joiner;
            roster.add(transaction.context(), leaf, queue_config.clone(), encrypted_credential.clone())?;
            let bundle = WelcomeBundle { welcome: body.welcome.clone(), attribution: attribution.clone() };
            fan_out.welcome(bundle, &queue_config)?;
        }
        if let Some(sender) = roster.members.find_mut(sender.leaf) {
            sender.active = transaction.now().month();
        }
        staged.apply(transaction, group, roster, fan_out)
    }
}

/// What the request makes the delivery service copy and ask is bounded before anything is read.
fn check_lengths(body: &AddUsers) -> Result<(), Refusal> {
    let domains: BTreeSet<&Domain> = body.batches.iter().map(|batch| &batch.content.domain).collect();
    if domains.len() > MAX_ADDED_DOMAINS {
        return Err(Refusal::Malformed);
    }
    if body.welcome.as_slice().len().saturating_mul(body.attributions.len()) > MAX_WELCOMES {
        return Err(Refusal::TooLarge { limit: MAX_WELCOMES as u64 });
    }
    body.attributions.iter().try_for_each(check_secret_length)
}

/// A user that the commit adds, with all that the request brings for it.
struct Joiner<'a> {
    leaf: Leaf<'a>,
    /// From its key package: where its Welcome and its messages go.
    queue_config: ClientQueueConfig,
    encrypted_credential: &'a EarCiphertext,
    attribution: &'a EarCiphertext,
}

/// Returns the users that the commit adds, in the order of its Adds, once commit, Welcome and batches agree
/// on them.
fn check_joiners<'a>(
    context: &Context,
    body: &'a AddUsers,
    staged: &'a StagedCommit,
) -> Result<Vec<Joiner<'a>>, Refusal> {
    let summary = staged.summary();
    if summary.adds.is_empty() || !summary.is_only_inline(ProposalKind::Add) {
        return Err(Refusal::CommitNotAllowed);
    }
    let credentials = &*staged.data.encrypted_credentials;
    if credentials.len() != summary.adds.len()
        || body.attributions.len() != summary.adds.len()
        || staged.data.friendship_package.is_some()
    {
        return Err(Refusal::CredentialCount);
    }
    check_welcome(body, &summary.adds)?;
    let mut joiners = Vec::new();
    for ((add, encrypted_credential), attribution) in
        summary.adds.iter().zip(credentials).zip(&body.attributions)
    {
        let queue_config = check_key_package(context, body, add)?;
        let leaf = Leaf { index: add.leaf, credential: &add.view.credential, key: &add.view.signature_key };
        joiners.push(Joiner { leaf, queue_config, encrypted_credential, attribution });
    }
    Ok(joiners)
}

/// Makes sure that the Welcome names exactly the key packages added, each once.
fn check_welcome(body: &AddUsers, adds: &[AddView]) -> Result<(), Refusal> {
    let added: BTreeSet<&[u8]> = adds.iter().map(|add| add.view.reference.as_slice()).collect();
    let welcomed = mls::welcome_references(body.welcome.as_slice()).map_err(|_| Refusal::WelcomeMismatch)?;
    let welcomed: BTreeSet<&[u8]> = welcomed.iter().map(Vec::as_slice).collect();
    if added.len() != adds.len() || added != welcomed { Err(Refusal::WelcomeMismatch) } else { Ok(()) }
}

/// Makes sure that an added key package is valid now and was handed out lately, and returns its queue
/// configuration.
fn check_key_package(
    context: &Context,
    body: &AddUsers,
    add: &AddView,
) -> Result<ClientQueueConfig, Refusal> {
    if !add.view.is_valid_at(context.now().seconds()) {
        return Err(Refusal::InvalidKeyPackage);
    }
    let config: ClientQueueConfig =
        decode(&add.view.queue_config).map_err(|_| Refusal::InvalidQueueConfig)?;
    if !body.batches.iter().any(|batch| covers(batch, add, &config)) {
        return Err(Refusal::KeyPackageNotCovered);
    }
    Ok(config)
}

/// Checks all batches. What is known of their homeservers' keys is read in one round.
fn check_batches(transaction: &mut Transaction<'_>, batches: &[KeyPackageBatch]) -> Result<(), Interrupt> {
    let domains = batches.iter().map(|batch| &batch.content.domain);
    let others = domains.filter(|domain| *domain != transaction.domain());
    let rows = others.flat_map(|domain| {
        let unknown = peer_keys::rows_before_asking::<ValidatedQsKeys>(transaction.context(), domain);
        peer_keys::rows::<ValidatedQsKeys>(domain).into_iter().chain(unknown)
    });
    let rows: Vec<Key> = rows.collect();
    transaction.snapshot().load(&rows)?;
    batches.iter().try_for_each(|batch| check_batch(transaction, batch))
}

/// Makes sure that the queuing service of the batch's domain signed it, and lately.
fn check_batch(transaction: &mut Transaction<'_>, batch: &KeyPackageBatch) -> Result<(), Interrupt> {
    let content = &batch.content;
    let times = &transaction.config().times;
    if content.issued_at + times.key_package_batch < transaction.now()
        || content.issued_at > transaction.now() + times.request_future
    {
        return Err(Refusal::KeyPackageNotCovered.into());
    }
    let wanted = Some(content.key_id);
    let keys = peer_keys::queuing_keys(transaction, &content.domain, wanted, Caller::Client)?;
    let key = keys.verifying_key(content.key_id, transaction.now()).ok_or(Refusal::KeyPackageNotCovered)?;
    if key.verify(content, &batch.signature).is_err() && !transaction.planted(Plant::SkipBatchSignature) {
        return Err(Refusal::KeyPackageNotCovered.into());
    }
    Ok(())
}

/// Whether the batch names the key package, and is of the homeserver that the key package's messages go to.
fn covers(batch: &KeyPackageBatch, add: &AddView, config: &ClientQueueConfig) -> bool {
    let reference = add.view.reference.as_slice();
    batch.content.domain == config.domain && batch.content.references.iter().any(|known| known == reference)
}
