//! PROTOCOL.md §11.11 — joining a group from a Welcome: only a contact's, and only after the chain of
//! credentials of every member is verified.

use std::collections::BTreeMap;

use openmls::prelude::{
    JoinBuilder, MlsMessageBodyIn, ProcessedWelcome, RatchetTreeIn, StagedWelcome, Welcome,
};
use tls_codec::Deserialize;

use super::{
    error::ClientError,
    event::Event,
    groups::join_config,
    key_packages,
    messages::{AttributedWelcome, Invitation, WelcomeAttribution, welcome_attribution_binding},
    processing,
    shared::Shared,
    state::{Connection, Group, Identity, LockName, Member, OwnPackage, State},
    verification::verify_members,
};
use crate::{
    codec::{Bytes, decode, encode},
    identifiers::{GroupId, UserId},
    mls::{parse_message, welcome_references},
    wire::{
        delivery_service::{GroupAccess, UpdateQueueInfo, WelcomeInfo, WelcomeInfoReply},
        envelope::Sender,
        fan_out::{Delivery, FanOutContent, WelcomeBundle},
    },
};

/// A decrypted Welcome.
struct Opened {
    invitation: Invitation,
    reference: Vec<u8>,
    package: OwnPackage,
    processed: ProcessedWelcome,
    epoch: u64,
}

/// Follows an invitation, or declines it and reports why.
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
    // Until then, deliveries come by the key package's configuration, which expires.
    let bound = update_queue_info(&shared, &id).await;
    drop(lock);
    processing::follow(&shared, &id).await?;
    bound?;
    key_packages::replenish(&shared).await
}

/// Joins. An invitation that overtook the connection with its inviter waits until that is made or has failed.
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
        return Err(ClientError::Dishonest("a delivery without a Welcome"));
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
    let (key, leaves) = (&invitation.credential_key, staged.members().collect());
    let members = verify_members(shared, &id, key, leaves, &info.credentials).await?;
    check_inviter(&staged, &members, &invitation)?;
    shared.with(|state| {
        let mls = staged.into_group(&state.provider).map_err(ClientError::mls)?;
        let mut group = Group::new(access, invitation.credential_key, mls, package.leaf_key);
        group.refresh_members(members.into_values().collect());
        group.last_position = Some(delivery.position);
        let changed = group.epoch_changed();
        state.groups.insert(id.clone(), group);
        state.used_packages += usize::from(!package.last_resort);
        state.emit(Event::Joined(id));
        state.emit(changed);
        Ok(())
    })
}

/// Fetches tree and credentials. Repeats the request until it is answered, because the Welcome opens only
/// once.
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

/// Checks that the member who sent the Welcome is the one who signed the invitation.
fn check_inviter(
    staged: &StagedWelcome,
    members: &BTreeMap<u32, Member>,
    invitation: &Invitation,
) -> Result<(), ClientError> {
    let member = members.get(&staged.welcome_sender_index().u32());
    let inviter = member.map(|member| member.credential.client_credential.client_id());
    if inviter == Some(&invitation.inviter) {
        Ok(())
    } else {
        Err(ClientError::Dishonest("a Welcome sent by another member than the inviter"))
    }
}

/// Binds the client's queue configuration in the group to the group.
pub(super) async fn update_queue_info(shared: &Shared, id: &GroupId) -> Result<(), ClientError> {
    let to = shared.config_key().await?;
    let (body, identity) = shared.with(|state| {
        let queue_config = state.bound_config(&to, id)?;
        let group = state.group(id)?;
        Ok::<_, ClientError>((UpdateQueueInfo { group: group.access(), queue_config }, group.identity()))
    })?;
    loop {
        match shared.call(&id.domain, &body, Some(&identity)).await {
            // A second update does no harm.
            Err(ClientError::Unanswered { .. }) => {}
            result => return result.map(|_| ()),
        }
    }
}

impl State {
    /// Whether a connection with this user is requested, or being accepted.
    fn is_connecting(&self, user: &UserId) -> bool {
        let asked = Some(Connection::Asked(user.clone()));
        self.accepting.contains(user) || self.groups.values().any(|group| group.connection == asked)
    }

    /// Opens the invitation, checks that a contact signed it, and decrypts the Welcome.
    fn open_welcome(&mut self, id: &GroupId, bundle: &WelcomeBundle) -> Result<Opened, ClientError> {
        let opened = self.friendship_key.open(&welcome_attribution_binding(id), &bundle.attribution)?;
        let WelcomeAttribution { invitation, signature } = decode(&opened)?;
        if invitation.group_id != *id {
            return Err(ClientError::Dishonest("an invitation to another group"));
        }
        let inviter = &invitation.inviter;
        let contact = self.contacts.get(&inviter.user_id);
        let contact = contact.filter(|contact| contact.credential.client_id() == inviter);
        let contact = contact.ok_or_else(|| ClientError::NotAContact(inviter.user_id.clone()))?;
        let signed = AttributedWelcome { invitation, welcome: bundle.welcome.clone() };
        contact.credential.verifying_key().verify(&signed, &signature)?;
        let references = welcome_references(bundle.welcome.as_slice()).map_err(ClientError::mls)?;
        let own = references.into_iter().find_map(|reference| {
            let package = self.key_packages.get(&reference)?.clone();
            Some((reference, package))
        });
        let (reference, package) =
            own.ok_or(ClientError::Dishonest("a Welcome for none of the client's key packages"))?;
        let welcome = read_welcome(bundle)?;
        let processed = ProcessedWelcome::new_from_welcome(&self.provider, &join_config(), welcome);
        let processed = processed.map_err(ClientError::mls)?;
        if !package.last_resort {
            self.key_packages.remove(&reference);
        }
        let group_info = processed.unverified_group_info();
        if group_info.group_id().as_slice() != encode(id) {
            return Err(ClientError::Dishonest("a Welcome to another group"));
        }
        let epoch = group_info.epoch().as_u64();
        Ok(Opened { invitation: signed.invitation, reference, package, processed, epoch })
    }
}

fn read_welcome(bundle: &WelcomeBundle) -> Result<Welcome, ClientError> {
    match parse_message(bundle.welcome.as_slice()).map_err(ClientError::mls)?.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(ClientError::Dishonest("another MLS message than a Welcome")),
    }
}
