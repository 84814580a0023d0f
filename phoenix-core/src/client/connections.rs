//! PROTOCOL.md §11.10 — connections by user id: requesting one, and accepting.
//!
//! The requester creates a group and sends its keys, sealed to a connection package of the other user. The
//! other user accepts by joining that group with an external commit, which carries its friendship package.

use std::time::Duration;

use openmls::{
    messages::group_info::VerifiableGroupInfo,
    prelude::{LeafNodeParameters, MlsGroup, MlsMessageBodyIn, RatchetTreeIn},
};
use openmls_traits::OpenMlsProvider;
use tls_codec::{Deserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    config::ClientPlant,
    error::ClientError,
    event::Event,
    exchange::{Body, Patience},
    groups::{self, join_config, message_bytes},
    messages::{
        ConnectionRequest, ConnectionRequestContent, connection_request_binding, friendship_package_binding,
        seal_credential,
    },
    pass::{Interrupt, Pass},
    state::{Connection, Group, Inbox, InboxEntry, Lane, Member, State, Want},
    verification::verify_members,
};
use crate::{
    codec::{decode, encode},
    crypto::{hpke::HpkeCiphertext, labels::Label},
    error::{Advice, Refusal},
    identifiers::{GroupId, RequestId, UserId},
    mls::{GroupInfoUpdate, parse_message},
    time::Timestamp,
    wire::{
        auth_service::{ConnectionPackage, EnqueueDirect, GetConnectionPackage},
        delivery_service::{
            CommitData, ExternalCommitInfo, ExternalCommitInfoReply, GroupAccess, JoinConnectionGroup,
        },
        fan_out::FanOutContent,
    },
};

/// How many connection requests of strangers are checked and accepted at a time. Each may wait for a homeserver
/// that is out of reach.
const MAX_OPEN_REQUESTS: usize = 64;

/// How many of these are of users of one homeserver.
const MAX_OPEN_OF_DOMAIN: usize = 16;

/// How many connection requests wait for the user's decision.
const MAX_WAITING_REQUESTS: usize = 1024;

/// For how long a request waits for the homeserver of its sender.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often a join begins anew because the group has entered another epoch.
const MAX_REBASES: u32 = 16;

/// An external commit that is not ordered yet; the group that it leads into is in the MLS state.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct ExternalJoin {
    group: Group,
    /// This client, as a member of the group.
    own: Member,
    body: JoinConnectionGroup,
}

/// Asks a user for a connection.
pub(super) fn connect(pass: &mut Pass<'_>, user: &UserId) -> Result<(), Interrupt> {
    let package = pass.call(&user.domain, Patience::Window, |_, _| {
        Ok(Body::unsigned(GetConnectionPackage { user_id: user.clone() }))
    })?;
    let package = package.package;
    let recipient = package.content.credential.client_id().clone();
    if recipient.user_id != *user {
        return Err(ClientError::dishonest("a connection package of another user").into());
    }
    if !pass.is_repeated() {
        check_package(pass, &package)?;
    }
    let id = groups::create(pass, Some(user))?;
    let at_home = pass.state().config.planted(ClientPlant::AskAtHome);
    let domain = if at_home { pass.state().config.domain.clone() } else { user.domain.clone() };
    pass.call(&domain, Patience::Window, |state, _| {
        let group = state.group(&id)?;
        let (group_key, credential_key) = (group.group_key.clone(), group.credential_key.clone());
        let content = ConnectionRequestContent {
            sender: state.credential()?.clone(),
            recipient: recipient.clone(),
            group_id: id.clone(),
            group_key,
            credential_key,
            friendship: state.friendship_package()?,
        };
        let signature = state.account.client_key.sign(&content);
        let request = encode(&ConnectionRequest { content, signature });
        let (key, name) = (package.content.encryption_key, connection_request_binding(&recipient));
        let sealed = key.seal(&mut state.random, Label::SEAL_CONNECTION, &name, &request)?;
        Ok(Body::unsigned(EnqueueDirect { client_id: recipient, package: sealed }))
    })?;
    Ok(())
}

fn check_package(pass: &mut Pass<'_>, package: &ConnectionPackage) -> Result<(), Interrupt> {
    let content = &package.content;
    pass.verify_client(&content.credential)?;
    content.credential.verifying_key().verify(content, &package.signature)?;
    if !content.expiration.contains(pass.now()) {
        return Err(ClientError::dishonest("an expired connection package").into());
    }
    Ok(())
}

/// Takes a connection request from the direct queue. Drops a request that none of the connection package keys
/// opens: strangers may put anything there.
pub(super) fn receive_request(state: &mut State, sealed: &HpkeCiphertext) {
    let Some(request) = state.open_request(sealed) else { return };
    let is_request = |want: &Want| matches!(want, Want::HandleRequest { .. } | Want::Accept { .. });
    let domain = &request.content.sender.client_id().user_id.domain;
    let open = state.intents.iter().filter(|(_, intent)| is_request(&intent.want));
    let (of_domain, others): (Vec<_>, Vec<_>) = open.partition(|(_, intent)| intent.want.concerns(domain));
    let has_room = of_domain.len() < MAX_OPEN_OF_DOMAIN && of_domain.len() + others.len() < MAX_OPEN_REQUESTS;
    if has_room && state.connection_requests.keys().count() < MAX_WAITING_REQUESTS {
        state.want(&Want::HandleRequest { request });
    } else {
        let (group, reason) = (request.content.group_id, ClientError::TooManyRequests);
        state.emit(Event::Declined { group, reason });
    }
}

/// Verifies a request, then accepts it or leaves the decision to the user.
pub(super) fn handle_request(pass: &mut Pass<'_>, request: &ConnectionRequest) -> Result<(), Interrupt> {
    match check_request(pass, request) {
        Err(Interrupt::Failed(reason)) => {
            let group = request.content.group_id.clone();
            pass.state_mut().emit(Event::Declined { group, reason });
            return Ok(());
        }
        checked => checked?,
    }
    pass.once("checked", |state| {
        if state.config.auto_accept {
            state.want(&Want::Accept { request: request.clone() });
        } else {
            let user = request.content.sender.client_id().user_id.clone();
            state.connection_requests.insert(user.clone(), request.clone());
            state.emit(Event::ConnectionRequested(user));
        }
        Ok(())
    })
}

fn check_request(pass: &mut Pass<'_>, request: &ConnectionRequest) -> Result<(), Interrupt> {
    let content = &request.content;
    // The queue does not deliver the request again: wait until its homeserver is back.
    match pass.take_failure() {
        None => {}
        Some(error) if error.may_pass() && pass.now().since(pass.since()) < LONGEST_WAIT => {}
        Some(error) => return Err(error.into()),
    }
    pass.verify_client(&content.sender)?;
    content.sender.verifying_key().verify(content, &request.signature)?;
    if content.group_id.domain != content.sender.client_id().user_id.domain {
        return Err(ClientError::dishonest("a connection at another homeserver than the sender's").into());
    }
    Ok(())
}

/// Joins the group that a verified request names.
pub(super) fn accept(pass: &mut Pass<'_>, request: &ConnectionRequest) -> Result<(), Interrupt> {
    let content = &request.content;
    let id = &content.group_id;
    pass.enter(Lane::Group(id.clone()))?;
    let is_fresh = pass.once("inbox", |state| {
        let is_fresh = !state.is_known(id);
        if is_fresh {
            state.inboxes.insert(id.clone(), Inbox::default());
        }
        Ok(crate::codec::Flag::from(is_fresh))
    })?;
    if !bool::from(is_fresh) {
        return Ok(());
    }
    match join(pass, content) {
        Err(Interrupt::Failed(reason)) => {
            let state = pass.state_mut();
            state.forget_group(id)?;
            state.emit(Event::Declined { group: id.clone(), reason });
            Ok(())
        }
        joined => joined,
    }
}

fn join(pass: &mut Pass<'_>, content: &ConnectionRequestContent) -> Result<(), Interrupt> {
    let id = &content.group_id;
    let place = pass.place();
    if pass.rounds() > MAX_REBASES {
        return Err(ClientError::Contention.into());
    }
    let access = GroupAccess { group_id: id.clone(), group_key: content.group_key.clone() };
    if !pass.is_repeated() {
        pass.config_key()?;
    }
    // Before the commit is made: after that, the group may have taken it.
    if !pass.has_made("external commit") && pass.now().since(pass.since()) > LONGEST_WAIT {
        return Err(ClientError::Unanswered { domain: id.domain.clone() }.into());
    }
    let info = pass.call(&id.domain, Patience::Unlimited, |_, _| {
        Ok(Body::unsigned(ExternalCommitInfo { group: access.clone() }))
    })?;
    let ExternalJoin { group, own, body } =
        pass.once("external commit", |state| state.external_commit(content, &access, &info))?;
    let requester = if pass.is_repeated() { None } else { Some(verify_requester(pass, content, &info)?) };
    let requester = pass.once("requester", |_| requester.ok_or(ClientError::BegunByAnotherVersion))?;
    let joined = pass.ask(&id.domain, Patience::Unlimited, |_, _| Ok(Body::unsigned(body)))?;
    let (request, _) = pass.answered()?;
    let position = match joined {
        Ok(reply) => reply.position,
        Err(Refusal::NotAwaitingConnection) if pass.was_uncertain()? => find_receipt(pass, id, request)?,
        Err(refusal) => {
            pass.once("refused", |state| {
                if let Some(mut mls) = state.mls_groups.remove(id) {
                    mls.delete(state.provider.storage()).map_err(ClientError::mls)?;
                }
                Ok(())
            })?;
            let is_behind = refusal.advice() == Advice::Rebase;
            return Err(if is_behind { pass.again_from(place) } else { ClientError::from(refusal).into() });
        }
    };
    pass.once("joined", |state| {
        state.enter_group(id, group, vec![own, requester], Some(position))?;
        state.enter_epoch(id)?;
        state.connected(content.sender.clone(), content.friendship.clone());
        state.follow_later(id);
        Ok(())
    })
}

/// Verifies that the group has one other member, which is the requester.
fn verify_requester(
    pass: &mut Pass<'_>,
    content: &ConnectionRequestContent,
    info: &ExternalCommitInfoReply,
) -> Result<Member, Interrupt> {
    let id = &content.group_id;
    let mls = pass.state().mls(id)?;
    let own = mls.own_leaf_index();
    let others = mls.members().filter(|member| member.index != own).collect();
    let members = verify_members(pass, id, &content.credential_key, others, &info.credentials)?;
    match members.into_values().collect::<Vec<_>>().as_slice() {
        [requester] if requester.credential.client_credential == content.sender => Ok(requester.clone()),
        _ => Err(ClientError::dishonest("a connection's group with others than the requester").into()),
    }
}

/// Waits for the receipt that shows that the joiner of the group was this client. Returns its position.
fn find_receipt(pass: &mut Pass<'_>, id: &GroupId, request: RequestId) -> Result<u64, Interrupt> {
    let until: Timestamp = pass.once("looks until", |state| Ok(state.now + state.config.request_window))?;
    let state = pass.state();
    let found = state.inbox(id).find_map(|waiting| {
        let InboxEntry::Delivery(delivery) = waiting else { return None };
        let FanOutContent::Receipt(receipt) = &delivery.content else { return None };
        (receipt.request_id == request).then_some(delivery.position)
    });
    if let Some(position) = found {
        return Ok(position);
    }
    if state.now >= until {
        return Err(ClientError::from(Refusal::NotAwaitingConnection).into());
    }
    let next = state.last_read + state.config.poll_interval;
    if state.now >= next && pass.take_failure().is_none() {
        return Err(pass.after(&Want::ReadFanOutQueue));
    }
    let patience = pass.state().config.poll_interval;
    Err(pass.wait_for_change(patience))
}

impl State {
    /// Begins to accept the request of `user`. Returns whether there is one.
    pub fn accept_request_of(&mut self, user: &UserId) -> Option<Want> {
        let request = self.connection_requests.remove(user)?;
        Some(Want::Accept { request })
    }

    /// Opens a request with the key of the connection package that it was sealed to.
    fn open_request(&self, sealed: &HpkeCiphertext) -> Option<ConnectionRequest> {
        let name = connection_request_binding(&self.account.client_id);
        let mut keys = self.account.connection_keys.iter();
        let opened = keys.find_map(|key| key.open(Label::SEAL_CONNECTION, &name, sealed).ok())?;
        let request: ConnectionRequest = decode(&opened).ok()?;
        (request.content.recipient == self.account.client_id).then_some(request)
    }

    /// Makes the external commit that joins the group.
    fn external_commit(
        &mut self,
        content: &ConnectionRequestContent,
        access: &GroupAccess,
        info: &ExternalCommitInfoReply,
    ) -> Result<ExternalJoin, ClientError> {
        let id = &access.group_id;
        let leaf = self.new_leaf()?;
        let identity = leaf.credential.leaf.payload.identity;
        let credential = self.member_credential(leaf.attribution_key.clone())?;
        let key = &content.credential_key;
        let sealed = seal_credential(&mut self.random, key, id, &identity, &credential)?;
        let friendship = encode(&self.friendship_package()?);
        let friendship = key.seal(&mut self.random, &friendship_package_binding(id), &friendship)?;
        let data = CommitData {
            encrypted_credentials: vec![sealed].try_into()?,
            friendship_package: Some(friendship),
        };
        let to = self.own_config_key()?;
        let queue_config = self.bound_config(&to, id)?;
        let provider = &self.provider;
        let tree =
            RatchetTreeIn::tls_deserialize(&mut info.ratchet_tree.as_slice()).map_err(ClientError::mls)?;
        let parameters = LeafNodeParameters::builder().with_capabilities(Self::capabilities()).build();
        let (mls, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_config(join_config())
            .with_aad(encode(&data))
            .skip_lifetime_validation()
            .build_group(provider, group_info(id, info)?, leaf.for_mls())
            .map_err(ClientError::mls)?
            .leaf_node_parameters(parameters)
            .load_psks(provider.storage())
            .map_err(ClientError::mls)?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), &leaf.key, |_| true)
            .map_err(ClientError::mls)?
            .finalize(provider)
            .map_err(ClientError::mls)?;
        let update = bundle.group_info().ok_or(ClientError::mls("a commit without group information"))?;
        let body = JoinConnectionGroup {
            group: access.clone(),
            commit: message_bytes(bundle.commit())?.try_into()?,
            group_info: GroupInfoUpdate::from_group_info(update).map_err(ClientError::mls)?,
            queue_config,
        };
        self.mls_groups.insert(id.clone(), mls);
        let group = Group {
            leaf_key: leaf.key,
            group_key: access.group_key.clone(),
            credential_key: key.clone(),
            connection: Some(Connection::Made),
        };
        Ok(ExternalJoin { group, own: Member { identity, credential }, body })
    }
}

/// Decodes group information, which must be of group `id`.
fn group_info(id: &GroupId, info: &ExternalCommitInfoReply) -> Result<VerifiableGroupInfo, ClientError> {
    match parse_message(info.group_info.as_slice()).map_err(ClientError::mls)?.extract() {
        MlsMessageBodyIn::GroupInfo(group_info) if group_info.group_id().as_slice() == encode(id) => {
            Ok(group_info)
        }
        _ => Err(ClientError::dishonest("group information of another group")),
    }
}
