//! PROTOCOL.md §11.11 — joining a group from a Welcome: only a contact's, and only after the chain of
//! credentials of every member is verified.

use std::{collections::BTreeMap, time::Duration};

use openmls::prelude::{
    JoinBuilder, Member as TreeLeaf, MlsMessageBodyIn, ProcessedWelcome, RatchetTreeIn, StagedWelcome,
    Welcome,
};
use tls_codec::{Deserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    error::ClientError,
    event::Event,
    exchange::{Body, Patience},
    groups::join_config,
    messages::{
        AttributedWelcome, ConnectionRequest, ConnectionRequestContent, Invitation, WelcomeAttribution,
        welcome_attribution_binding,
    },
    pass::{Interrupt, Pass},
    state::{Group, Identity, Intent, Lane, Member, OwnPackage, State, Want},
    verification::verify_members,
};
use crate::{
    codec::{Bytes, Flag, decode, encode},
    identifiers::GroupId,
    mls::{parse_message, welcome_references},
    wire::{
        delivery_service::{GroupAccess, UpdateQueueInfo, WelcomeInfo, WelcomeInfoReply},
        envelope::Sender,
        fan_out::{Delivery, FanOutContent, WelcomeBundle},
    },
};

/// For how long an invitation waits for the homeserver of its group.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An invitation that a contact signed, and the key package that it is for.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Checked {
    invitation: Invitation,
    reference: Bytes<64>,
    package: OwnPackage,
}

/// Follows an invitation, or declines it and reports why.
pub(super) fn join(pass: &mut Pass<'_>, delivery: &Delivery) -> Result<(), Interrupt> {
    let id = delivery.group_id.clone();
    pass.enter(Lane::Group(id.clone()))?;
    match join_group(pass, delivery) {
        Err(Interrupt::Failed(reason)) => {
            let state = pass.state_mut();
            state.forget_group(&id)?;
            state.emit(Event::Declined { group: id, reason });
            Ok(())
        }
        joined => joined,
    }
}

fn join_group(pass: &mut Pass<'_>, delivery: &Delivery) -> Result<(), Interrupt> {
    let id = &delivery.group_id;
    let until = pass.once("waits until", |state| Ok(state.now + state.config.request_window))?;
    let FanOutContent::Welcome(bundle) = &delivery.content else {
        return Err(ClientError::dishonest("a delivery without a Welcome").into());
    };
    let checked = if pass.is_repeated() {
        None
    } else {
        match pass.state().check_welcome(id, bundle) {
            // It overtook the connection with its inviter: it waits until that is made or has failed.
            Err(ClientError::NotAContact(user))
                if pass.state().is_connecting(&user) && pass.now() < until =>
            {
                return Err(pass.wait_for_change(until.since(pass.now())));
            }
            checked => Some(checked?),
        }
    };
    let checked = pass.once("checked", |_| checked.ok_or(ClientError::BegunByAnotherVersion))?;
    if pass.now().since(pass.since()) > LONGEST_WAIT {
        return Err(ClientError::Unanswered { domain: id.domain.clone() }.into());
    }
    let info = welcome_info(pass, bundle, &checked)?;
    let (leaves, sender) = pass.state().try_welcome(bundle, &info)?;
    let key = &checked.invitation.credential_key;
    let members = verify_members(pass, id, key, leaves, &info.credentials)?;
    check_inviter(sender, &members, &checked.invitation)?;
    pass.once("joined", |state| state.enter_invited(delivery, bundle, checked, &info, members))
}

/// Fetches tree and credentials.
fn welcome_info(
    pass: &mut Pass<'_>,
    bundle: &WelcomeBundle,
    checked: &Checked,
) -> Result<WelcomeInfoReply, Interrupt> {
    let domain = checked.invitation.group_id.domain.clone();
    pass.call(&domain, Patience::Unlimited, |state, _| {
        let (invitation, package) = (&checked.invitation, &checked.package);
        let epoch = state.welcome_epoch(&invitation.group_id, bundle)?;
        let group =
            GroupAccess { group_id: invitation.group_id.clone(), group_key: invitation.group_key.clone() };
        let sender = Sender::KeyPackage(checked.reference.clone());
        let identity = Identity { sender, key: package.leaf_key.clone() };
        Ok(Body::signed(WelcomeInfo { group, epoch }, identity))
    })
}

/// Forgets the group that an intent was to enter and did not: it can be invited, or asked, again.
pub(super) fn forget_unentered(state: &mut State, intent: &Intent) {
    if let Want::Join { delivery: Delivery { group_id, .. } }
    | Want::Accept {
        request: ConnectionRequest { content: ConnectionRequestContent { group_id, .. }, .. },
    } = &intent.want
        && !state.groups.contains(group_id)
    {
        // Nothing else can be done if the state is damaged.
        let _ = state.forget_group(group_id);
    }
}

/// Checks that the member who sent the Welcome is the one who signed the invitation.
fn check_inviter(
    sender: u32,
    members: &BTreeMap<u32, Member>,
    invitation: &Invitation,
) -> Result<(), ClientError> {
    let member = members.get(&sender);
    let inviter = member.map(|member| member.credential.client_credential.client_id());
    if inviter == Some(&invitation.inviter) {
        Ok(())
    } else {
        Err(ClientError::dishonest("a Welcome sent by another member than the inviter"))
    }
}

/// Binds the client's queue configuration in a group to the group. A second time does no harm.
pub(super) fn bind_queue(pass: &mut Pass<'_>, id: &GroupId) -> Result<(), Interrupt> {
    if !pass.state().groups.contains(id) {
        return Ok(());
    }
    if !pass.is_repeated() {
        pass.config_key()?;
    }
    pass.call(&id.domain, Patience::Unlimited, |state, _| {
        let to = state.own_config_key()?;
        let queue_config = state.bound_config(&to, id)?;
        let body = UpdateQueueInfo { group: state.access(id)?, queue_config };
        Ok(Body::signed(body, state.leaf_identity(id)?))
    })?;
    Ok(())
}

impl State {
    /// Opens an invitation, and checks that a contact signed it and that it is for one of the client's key
    /// packages.
    fn check_welcome(&self, id: &GroupId, bundle: &WelcomeBundle) -> Result<Checked, ClientError> {
        let name = welcome_attribution_binding(id);
        let opened = self.account.friendship_key.open(&name, &bundle.attribution)?;
        let WelcomeAttribution { invitation, signature } = decode(&opened)?;
        if invitation.group_id != *id {
            return Err(ClientError::dishonest("an invitation to another group"));
        }
        let inviter = &invitation.inviter;
        let contact = self.contacts.get(&inviter.user_id);
        let contact = contact.filter(|contact| contact.credential.client_id() == inviter);
        let contact = contact.ok_or_else(|| ClientError::NotAContact(inviter.user_id.clone()))?;
        let signed = AttributedWelcome { invitation, welcome: bundle.welcome.clone() };
        contact.credential.verifying_key().verify(&signed, &signature)?;
        let references = welcome_references(bundle.welcome.as_slice()).map_err(ClientError::mls)?;
        let own = references.into_iter().find_map(|reference| {
            let reference = Bytes::new(reference).ok()?;
            let package = self.key_packages.get(&reference)?.clone();
            Some((reference, package))
        });
        let (reference, package) =
            own.ok_or(ClientError::dishonest("a Welcome for none of the client's key packages"))?;
        Ok(Checked { invitation: signed.invitation, reference, package })
    }

    /// Decrypts a Welcome. That uses an ordinary key package up.
    fn open_welcome(&self, bundle: &WelcomeBundle) -> Result<ProcessedWelcome, ClientError> {
        let welcome = read_welcome(bundle)?;
        ProcessedWelcome::new_from_welcome(&self.provider, &join_config(), welcome).map_err(ClientError::mls)
    }

    fn stage_welcome(
        &self,
        bundle: &WelcomeBundle,
        info: &WelcomeInfoReply,
    ) -> Result<StagedWelcome, ClientError> {
        let processed = self.open_welcome(bundle)?;
        let mut tree = info.ratchet_tree.as_slice();
        let tree = RatchetTreeIn::tls_deserialize(&mut tree).map_err(ClientError::mls)?;
        let builder = JoinBuilder::new(&self.provider, processed).with_ratchet_tree(tree);
        builder.skip_lifetime_validation().build().map_err(ClientError::mls)
    }

    /// Returns the epoch that a Welcome leads into, which must be one of the group's. Uses nothing up.
    fn welcome_epoch(&self, id: &GroupId, bundle: &WelcomeBundle) -> Result<u64, ClientError> {
        self.provider.records().trying(|| {
            let processed = self.open_welcome(bundle)?;
            let group_info = processed.unverified_group_info();
            if group_info.group_id().as_slice() != encode(id) {
                return Err(ClientError::dishonest("a Welcome to another group"));
            }
            Ok(group_info.epoch().as_u64())
        })
    }

    /// Returns the members of the group that a Welcome leads into, and the leaf that sent it. Uses nothing up.
    fn try_welcome(
        &self,
        bundle: &WelcomeBundle,
        info: &WelcomeInfoReply,
    ) -> Result<(Vec<TreeLeaf>, u32), ClientError> {
        self.provider.records().trying(|| {
            let staged = self.stage_welcome(bundle, info)?;
            Ok((staged.members().collect(), staged.welcome_sender_index().u32()))
        })
    }

    /// Takes in the group that was joined: the key package is used up.
    fn enter_invited(
        &mut self,
        delivery: &Delivery,
        bundle: &WelcomeBundle,
        checked: Checked,
        info: &WelcomeInfoReply,
        members: BTreeMap<u32, Member>,
    ) -> Result<(), ClientError> {
        let id = &delivery.group_id;
        let Checked { invitation, reference, package } = checked;
        let staged = self.stage_welcome(bundle, info)?;
        let mls = staged.into_group(&self.provider).map_err(ClientError::mls)?;
        self.mls_groups.insert(id.clone(), mls);
        let group = Group {
            leaf_key: package.leaf_key,
            group_key: invitation.group_key,
            credential_key: invitation.credential_key,
            connection: None,
        };
        self.enter_group(id, group, members.into_values().collect(), Some(delivery.position))?;
        if package.last_resort == Flag::No {
            self.key_packages.remove(&reference);
            self.account.change().used_packages += 1;
        }
        self.emit(Event::Joined(id.clone()));
        self.enter_epoch(id)?;
        self.follow_later(id);
        // Until then, deliveries come by the key package's configuration, which expires.
        self.want(&Want::BindQueue { group: id.clone() });
        self.replenish_key_packages();
        Ok(())
    }
}

fn read_welcome(bundle: &WelcomeBundle) -> Result<Welcome, ClientError> {
    match parse_message(bundle.welcome.as_slice()).map_err(ClientError::mls)?.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(ClientError::dishonest("another MLS message than a Welcome")),
    }
}
