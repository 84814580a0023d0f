//! PROTOCOL.md §8 — commits of members: adding users, updating one's own leaf.

use std::collections::BTreeSet;

use super::{
    commit::{Staged, add_member, pseudonym},
    fan_out::FanOut,
    group::{self, Group},
    sections::{RestSection, Section, check_secret},
};
use crate::{
    codec::decode,
    credentials::validation::ValidatedQsKeys,
    error::Refusal,
    identifiers::Domain,
    limits::{MAX_ADDED_DOMAINS, MAX_WELCOMES},
    mls::{self, AddView, ProposalKind},
    operation::{Context, Interrupt, Lane, Transaction},
    peer_keys::{self, Caller},
    request::{Call, Serve},
    store::Key,
    wire::{
        delivery_service::{AddUsers, CommitReply, LeafProfile, UpdateClient},
        envelope::RequestEnvelope,
        fan_out::{ClientQueueConfig, WelcomeBundle},
        queuing_service::KeyPackageBatch,
    },
};

/// `add_users`: an admin adds users, each with its encrypted credential, Welcome and attribution.
impl Serve for AddUsers {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<CommitReply, Interrupt> {
        let body = call.body;
        check_lengths(body)?;
        let (group, mut members) = Group::open(transaction, &body.group)?;
        let sender = group::authenticate(transaction, call, &members)?.clone();
        call.redeem(transaction)?;
        let mut rest: RestSection = group.read(transaction, Section::Rest)?;
        if !members.roles.is_admin(&sender.identity) {
            return Err(Refusal::NotAdmin.into());
        }
        // Before the commit is validated, which costs the more: another homeserver may have to be asked first.
        check_batches(transaction, &body.batches)?;
        let staged = Staged::new(transaction, &group, (&body.commit, &body.group_info))?;
        staged.check_committer(sender.leaf)?;
        staged.check_same_leaf(&sender)?;
        if staged.has_pending() {
            return Err(Refusal::PendingProposals.into());
        }
        let joiners = joiners(transaction.context(), body, &staged)?;
        let about = (call.envelope.request_id, staged.summary().epoch_after);
        let mut fan_out = FanOut::new(&body.commit, &members.members, sender.leaf, about)?;
        let credentials = &staged.data.encrypted_credentials;
        for (((add, config), credential), attribution) in
            joiners.iter().zip(credentials).zip(&body.attributions)
        {
            let profile = LeafProfile { leaf: add.leaf, encrypted_credential: credential.clone() };
            let leaf = (add.leaf, add.view.credential.as_slice(), &add.view.signature_key);
            add_member(transaction.context(), (&mut members, &mut rest), leaf, config.clone(), profile)?;
            let bundle = WelcomeBundle { welcome: body.welcome.clone(), attribution: attribution.clone() };
            fan_out.welcome(bundle, config)?;
        }
        if let Some(sender) = members.find_mut(sender.leaf) {
            sender.active = transaction.now().month();
        }
        staged.apply(transaction, group, (members, rest), fan_out)
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
    body.attributions.iter().try_for_each(check_secret)
}

/// The users that a commit adds, each with its queue, once everything about them is checked.
fn joiners(
    context: &Context,
    body: &AddUsers,
    staged: &Staged,
) -> Result<Vec<(AddView, ClientQueueConfig)>, Refusal> {
    let summary = staged.summary();
    if summary.adds.is_empty() || !summary.is_only_inline(ProposalKind::Add) {
        return Err(Refusal::CommitNotAllowed);
    }
    if staged.data.encrypted_credentials.len() != summary.adds.len()
        || body.attributions.len() != summary.adds.len()
        || staged.data.friendship_package.is_some()
    {
        return Err(Refusal::CredentialCount);
    }
    let added: BTreeSet<&[u8]> = summary.adds.iter().map(|add| add.view.reference.as_slice()).collect();
    let welcomed = mls::welcome_references(body.welcome.as_slice()).map_err(|_| Refusal::WelcomeMismatch)?;
    let welcomed: BTreeSet<&[u8]> = welcomed.iter().map(Vec::as_slice).collect();
    if added.len() != summary.adds.len() || added != welcomed {
        return Err(Refusal::WelcomeMismatch);
    }
    let mut joiners = Vec::new();
    for add in &summary.adds {
        if !add.view.is_valid_at(context.now().seconds()) {
            return Err(Refusal::InvalidKeyPackage);
        }
        let config: ClientQueueConfig =
            decode(&add.view.queue_config).map_err(|_| Refusal::InvalidQueueConfig)?;
        if !body.batches.iter().any(|batch| covers(batch, add, &config)) {
            return Err(Refusal::KeyPackageNotCovered);
        }
        joiners.push((add.clone(), config));
    }
    Ok(joiners)
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

/// A batch counts if its queuing service signed it, and lately.
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
    Ok(key.verify(content, &batch.signature).map_err(|_| Refusal::KeyPackageNotCovered)?)
}

fn covers(batch: &KeyPackageBatch, add: &AddView, config: &ClientQueueConfig) -> bool {
    let reference = add.view.reference.as_slice();
    batch.content.domain == config.domain && batch.content.references.iter().any(|known| known == reference)
}

/// `update_client`: a member renews its leaf, and with it commits all that is pending.
impl Serve for UpdateClient {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<CommitReply, Interrupt> {
        let body = call.body;
        let (group, mut members) = Group::open(transaction, &body.group)?;
        let sender = group::authenticate(transaction, call, &members)?.clone();
        call.redeem(transaction)?;
        let mut rest: RestSection = group.read(transaction, Section::Rest)?;
        let staged = Staged::new(transaction, &group, (&body.commit, &body.group_info))?;
        staged.check_committer(sender.leaf)?;
        staged.check_pending()?;
        let summary = staged.summary();
        let own_changes = !summary.adds.is_empty()
            || summary.group_context_changes
            || summary.proposals.iter().any(|proposal| !proposal.by_reference);
        if own_changes || !summary.has_path {
            return Err(Refusal::CommitNotAllowed.into());
        }
        let about = (call.envelope.request_id, summary.epoch_after);
        let fan_out = FanOut::new(&body.commit, &members.members, sender.leaf, about)?;
        let leaf = &summary.committer;
        if pseudonym(transaction.context(), &leaf.credential, &leaf.signature_key)? != sender.identity {
            return Err(Refusal::CommitNotAllowed.into());
        }
        renew_profile(&staged, &mut rest, sender.leaf)?;
        if let Some(member) = members.find_mut(sender.leaf) {
            member.key = leaf.signature_key;
            member.active = transaction.now().month();
        }
        let removed: BTreeSet<u32> = summary.removes.iter().map(|remove| remove.leaf).collect();
        members.members.retain(|member| !removed.contains(&member.leaf));
        rest.credentials.retain(|profile| !removed.contains(&profile.leaf));
        staged.apply(transaction, group, (members, rest), fan_out)
    }
}

/// A new encrypted credential comes along just if the leaf's credential has changed.
fn renew_profile(staged: &Staged, rest: &mut RestSection, leaf: u32) -> Result<(), Refusal> {
    let changed = staged.credential_changes(leaf);
    match (changed, &*staged.data.encrypted_credentials) {
        (true, [credential]) => {
            check_secret(credential)?;
            if let Some(profile) = rest.credentials.iter_mut().find(|profile| profile.leaf == leaf) {
                profile.encrypted_credential = credential.clone();
            }
            Ok(())
        }
        (false, []) => Ok(()),
        _ => Err(Refusal::CredentialCount),
    }
}
