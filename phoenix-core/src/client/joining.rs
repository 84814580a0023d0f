//! PROTOCOL.md §8, §11 — joining a group from a Welcome: only from contacts, and only once every member's chain
//! of credentials is verified.

use openmls::prelude::{
    JoinBuilder, MlsMessageBodyIn, ProcessedWelcome, RatchetTreeIn, StagedWelcome, Welcome,
};
use tls_codec::Deserialize;

use super::{
    ClientError, Event, account,
    groups::{Connection, Group, Member, join_config},
    locks::LockName,
    messages::{
        AttributedWelcome, Invitation, WelcomeAttribution, leaf_credential, open_credential,
        welcome_attribution_binding,
    },
    processing,
    state::{Identity, OwnPackage, Shared, State},
};
use crate::{
    codec::{Bytes, decode, encode},
    identifiers::{GroupId, UserId},
    mls::{parse_message, welcome_references},
    wire::{
        delivery_service::{GroupAccess, LeafProfile, UpdateQueueInfo, WelcomeInfo, WelcomeInfoReply},
        envelope::Sender,
        fan_out::{Delivery, FanOutContent, WelcomeBundle},
    },
};

/// A Welcome that was decrypted.
struct Opened {
    invitation: Invitation,
    reference: Vec<u8>,
    package: OwnPackage,
    processed: ProcessedWelcome,
    epoch: u64,
}

/// Follows an invitation, or declines it and says why.
pub(super) async fn join(shared: Shared, delivery: Delivery) -> Result<(), ClientError> {
    let id = delivery.group_id.clone();
    let lock = shared.lock(LockName::Group(id.clone())).await;
    if let Err(reason) = join_once_connected(&shared, &delivery).await {
        shared.with(|state| {
            state.inboxes.remove(&id);
            state.emit(Event::Declined { group: id, reason });
        });
        return Ok(());
    }
    // Deliveries find their way to the client only by its own configuration, before the key package's expires.
    let bound = update_queue_info(&shared, &id).await;
    drop(lock);
    processing::follow(&shared, &id).await?;
    bound?;
    replenish(&shared).await
}

/// Joins; an invitation that has overtaken the connection with who invites waits until that is made or has failed.
async fn join_once_connected(shared: &Shared, delivery: &Delivery) -> Result<(), ClientError> {
    let (patience, interval) =
        shared.with(|state| (state.now + state.config.request_window, state.config.poll_interval));
    loop {
        match join_group(shared, delivery).await {
            Err(ClientError::NotAContact(user))
                if shared.with(|state| state.is_connecting(&user) && state.now < patience) =>
            {
                shared.sleep(interval).await;
            }
            result => return result,
        }
    }
}

async fn join_group(shared: &Shared, delivery: &Delivery) -> Result<(), ClientError> {
    let FanOutContent::Welcome(bundle) = &delivery.content else {
        return Err(ClientError::Dishonest("no Welcome"));
    };
    let opened = shared.with(|state| state.open_welcome(&delivery.group_id, bundle))?;
    let access = GroupAccess {
        group_id: opened.invitation.group_id.clone(),
        group_key: opened.invitation.group_key.clone(),
    };
    let info = welcome_info(shared, &access, &opened).await?;
    let id = access.group_id.clone();
    let Opened { invitation, package, processed, .. } = opened;
    let staged = shared.with(|state| {
        let mut tree = info.ratchet_tree.as_slice();
        let tree = RatchetTreeIn::tls_deserialize(&mut tree).map_err(ClientError::mls)?;
        let builder = JoinBuilder::new(&state.provider, processed).with_ratchet_tree(tree);
        builder.skip_lifetime_validation().build().map_err(ClientError::mls)
    })?;
    let leaves: Vec<(u32, Vec<u8>)> = staged
        .members()
        .map(|member| (member.index.u32(), member.credential.serialized_content().to_vec()))
        .collect();
    let members =
        judge_members(shared, (&id, &invitation.credential_key), &leaves, &info.credentials).await?;
    check_inviter(&staged, &members, &invitation)?;
    shared.with(|state| {
        let mls = staged.into_group(&state.provider).map_err(ClientError::mls)?;
        let mut group = Group::new(access, invitation.credential_key, mls, package.leaf_key);
        group.refresh_members(members.into_iter().map(|(_, member)| member).collect());
        group.last_position = Some(delivery.position);
        let changed = group.epoch_changed();
        state.groups.insert(id.clone(), group);
        state.used_packages += usize::from(!package.last_resort);
        state.emit(Event::Joined(id));
        state.emit(changed);
        Ok(())
    })
}

/// Fetches tree and credentials. The Welcome can be opened once only, so this does not give up on a homeserver
/// that is down.
async fn welcome_info(
    shared: &Shared,
    access: &GroupAccess,
    opened: &Opened,
) -> Result<WelcomeInfoReply, ClientError> {
    let body = WelcomeInfo { group: access.clone(), epoch: opened.epoch };
    let sender = Sender::KeyPackage(Bytes::new(opened.reference.clone())?);
    let identity = Identity { sender, key: opened.package.leaf_key.clone() };
    loop {
        match shared.call(&access.group_id.domain, &body, Some(&identity)).await {
            Err(ClientError::Unanswered { .. }) => {}
            result => return result,
        }
    }
}

/// Verifies who every member is.
pub(super) async fn judge_members(
    shared: &Shared,
    (id, credential_key): (&GroupId, &crate::crypto::aead::EarKey),
    leaves: &[(u32, Vec<u8>)],
    profiles: &[LeafProfile],
) -> Result<Vec<(u32, Member)>, ClientError> {
    let mut members = Vec::new();
    for (index, credential) in leaves {
        let leaf = leaf_credential(credential)?;
        let identity = leaf.leaf.payload.identity;
        let profile = profiles.iter().find(|profile| profile.leaf == *index);
        let profile = profile.ok_or(ClientError::Dishonest("a member without a credential"))?;
        let credential = open_credential(credential_key, id, &identity, &profile.encrypted_credential)?;
        shared.judged(|state| state.judge_leaf(&leaf, &credential)).await?;
        members.push((*index, Member { identity, credential }));
    }
    Ok(members)
}

/// The Welcome must be of the member who signed the invitation.
fn check_inviter(
    staged: &StagedWelcome,
    members: &[(u32, Member)],
    invitation: &Invitation,
) -> Result<(), ClientError> {
    let sender = staged.welcome_sender_index().u32();
    let member = members.iter().find(|(index, _)| *index == sender).map(|(_, member)| member);
    let inviter = member.map(|member| member.credential.client_credential.client_id());
    if inviter == Some(&invitation.inviter) {
        Ok(())
    } else {
        Err(ClientError::Dishonest("a Welcome of another than the inviter"))
    }
}

/// Has the group's messages sent to the client's own configuration.
pub(super) async fn update_queue_info(shared: &Shared, id: &GroupId) -> Result<(), ClientError> {
    let to = shared.config_key().await?;
    let (body, identity) = shared.with(|state| {
        let queue_config = state.bound_config(&to, id)?;
        let group = state.group(id)?;
        Ok::<_, ClientError>((UpdateQueueInfo { group: group.access(), queue_config }, group.identity()))
    })?;
    loop {
        match shared.call(&id.domain, &body, Some(&identity)).await {
            // Doing it twice does no harm.
            Err(ClientError::Unanswered { .. }) => {}
            result => return result.map(|_| ()),
        }
    }
}

/// Publishes fresh key packages once half of them are used.
async fn replenish(shared: &Shared) -> Result<(), ClientError> {
    let few = shared.with(|state| state.used_packages * 2 >= state.config.key_packages.max(1));
    if few { account::publish_key_packages(shared).await } else { Ok(()) }
}

impl State {
    /// Whether a connection with this user is asked for, or being accepted.
    fn is_connecting(&self, user: &UserId) -> bool {
        let asked = Some(Connection::Asked(user.clone()));
        self.accepting.contains(user) || self.groups.values().any(|group| group.connection == asked)
    }

    /// Opens the invitation, checks that a contact signed it, and decrypts the Welcome.
    fn open_welcome(&mut self, id: &GroupId, bundle: &WelcomeBundle) -> Result<Opened, ClientError> {
        let opened = self.friendship_key.open(&welcome_attribution_binding(id), &bundle.attribution)?;
        let WelcomeAttribution { invitation, signature } = decode(&opened)?;
        if invitation.group_id != *id {
            return Err(ClientError::Dishonest("an invitation into another group"));
        }
        let inviter = &invitation.inviter;
        let contact = self.contacts.get(&inviter.user_id);
        let contact = contact.filter(|contact| contact.credential.client_id() == inviter);
        let contact = contact.ok_or_else(|| ClientError::NotAContact(inviter.user_id.clone()))?;
        let signed = AttributedWelcome { invitation, welcome: bundle.welcome.clone() };
        contact.credential.verifying_key().verify(&signed, &signature)?;
        let references = welcome_references(bundle.welcome.as_slice()).map_err(ClientError::mls)?;
        let ours = references.into_iter().find_map(|reference| {
            let package = self.key_packages.get(&reference)?.clone();
            Some((reference, package))
        });
        let (reference, package) = ours.ok_or(ClientError::Dishonest("a Welcome for others"))?;
        let welcome = read_welcome(bundle)?;
        let processed = ProcessedWelcome::new_from_welcome(&self.provider, &join_config(), welcome);
        let processed = processed.map_err(ClientError::mls)?;
        if !package.last_resort {
            self.key_packages.remove(&reference);
        }
        let group_info = processed.unverified_group_info();
        if group_info.group_id().as_slice() != encode(id) {
            return Err(ClientError::Dishonest("a Welcome into another group"));
        }
        let epoch = group_info.epoch().as_u64();
        Ok(Opened { invitation: signed.invitation, reference, package, processed, epoch })
    }
}

fn read_welcome(bundle: &WelcomeBundle) -> Result<Welcome, ClientError> {
    match parse_message(bundle.welcome.as_slice()).map_err(ClientError::mls)?.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(ClientError::Dishonest("no Welcome")),
    }
}
