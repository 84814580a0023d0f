//! PROTOCOL.md §11.10 — connections by user id: requesting one, and accepting.
//!
//! The requester creates a group and sends its keys, sealed to a connection package of the other user. The
//! other user accepts by joining that group with an external commit, which carries its friendship package.

use openmls::{
    messages::group_info::VerifiableGroupInfo,
    prelude::{LeafNodeParameters, MlsGroup, MlsMessageBodyIn, RatchetTreeIn},
};
use openmls_traits::OpenMlsProvider;
use tls_codec::Deserialize;

use super::{
    error::ClientError,
    event::Event,
    fan_out_queue,
    groups::{self, join_config, message_bytes},
    messages::{
        ConnectionRequest, ConnectionRequestContent, connection_request_binding, friendship_package_binding,
        seal_credential,
    },
    processing,
    shared::Shared,
    state::{Connection, Group, InboxEntry, LockName, Member, State},
    verification::verify_members,
};
use crate::{
    codec::{decode, encode},
    credentials::{MemberCredential, PublishedHpkeKey},
    crypto::{hpke::HpkeCiphertext, labels::Label},
    error::{Advice, Refusal},
    identifiers::{GroupId, RequestId, UserId},
    mls::{GroupInfoUpdate, parse_message},
    wire::{
        auth_service::{ConnectionPackage, EnqueueDirect, GetConnectionPackage},
        delivery_service::{
            CommitData, CommitReply, ExternalCommitInfo, ExternalCommitInfoReply, GroupAccess,
            JoinConnectionGroup,
        },
        fan_out::FanOutContent,
    },
};

/// How often a join starts again because the group has entered another epoch.
const MAX_REBASES: usize = 16;

/// An external commit that is not ordered yet, and the group that it leads into.
struct ExternalJoin {
    group: Group,
    /// This client, as a member of the group.
    own: Member,
    body: JoinConnectionGroup,
}

/// Asks a user for a connection.
pub(super) async fn connect(shared: Shared, user: UserId) -> Result<(), ClientError> {
    let body = GetConnectionPackage { user_id: user.clone() };
    let package = shared.call(&user.domain, &body, None).await?.package;
    let recipient = package.content.credential.client_id().clone();
    if recipient.user_id != user {
        return Err(ClientError::Dishonest("a connection package of another user"));
    }
    check_package(&shared, &package).await?;
    let id = groups::create(&shared, Some(Connection::Asked(user.clone()))).await?;
    let body = shared.with(|state| {
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
        let signature = state.client_key.sign(&content);
        let request = encode(&ConnectionRequest { content, signature });
        let key = package.content.encryption_key;
        let sealed = key.seal(
            &mut state.random,
            Label::SEAL_CONNECTION,
            &connection_request_binding(&recipient),
            &request,
        )?;
        Ok::<_, ClientError>(EnqueueDirect { client_id: recipient.clone(), package: sealed })
    })?;
    shared.call(&user.domain, &body, None).await?;
    Ok(())
}

async fn check_package(shared: &Shared, package: &ConnectionPackage) -> Result<(), ClientError> {
    let content = &package.content;
    shared.validate_client(&content.credential).await?;
    content.credential.verifying_key().verify(content, &package.signature)?;
    if !content.expiration.contains(shared.now()) {
        return Err(ClientError::Dishonest("an expired connection package"));
    }
    Ok(())
}

/// Takes a connection request from the direct queue. Drops a request that none of the connection package keys
/// opens: strangers may put anything there.
pub(super) fn receive_request(shared: &Shared, sealed: &HpkeCiphertext) {
    if let Some(request) = shared.with(|state| state.open_request(sealed)) {
        shared.spawn(handle_request(shared.clone(), request));
    }
}

/// Verifies a request, then accepts it or leaves the decision to the user.
async fn handle_request(shared: Shared, request: ConnectionRequest) -> Result<(), ClientError> {
    let group = request.content.group_id.clone();
    if let Err(reason) = check_request(&shared, &request).await {
        shared.emit(Event::Declined { group, reason });
        return Ok(());
    }
    if shared.with(|state| state.config.auto_accept) {
        return accept_request(shared, request).await;
    }
    shared.with(|state| {
        let user = request.content.sender.client_id().user_id.clone();
        state.connection_requests.insert(user.clone(), request);
        state.emit(Event::ConnectionRequested(user));
    });
    Ok(())
}

async fn check_request(shared: &Shared, request: &ConnectionRequest) -> Result<(), ClientError> {
    let content = &request.content;
    loop {
        match shared.validate_client(&content.sender).await {
            // The queue does not deliver the request again: wait until its homeserver is back.
            Err(ClientError::Unanswered { .. }) => {}
            result => break result?,
        }
    }
    content.sender.verifying_key().verify(content, &request.signature)?;
    if content.group_id.domain != content.sender.client_id().user_id.domain {
        return Err(ClientError::Dishonest("a connection at another homeserver than the sender's"));
    }
    Ok(())
}

/// Accepts the request of `user`, which waits for this decision.
pub(super) async fn accept(shared: Shared, user: UserId) -> Result<(), ClientError> {
    let request = shared.with(|state| state.connection_requests.remove(&user));
    accept_request(shared, request.ok_or(ClientError::NotAContact(user))?).await
}

/// Joins the group that a verified request names.
async fn accept_request(shared: Shared, request: ConnectionRequest) -> Result<(), ClientError> {
    let content = request.content;
    let id = content.group_id.clone();
    let lock = shared.lock(LockName::Group(id.clone())).await;
    let fresh = shared.with(|state| {
        let fresh = !state.inboxes.contains_key(&id);
        state.inboxes.entry(id.clone()).or_default();
        fresh
    });
    if !fresh {
        return Ok(());
    }
    let requester = content.sender.client_id().user_id.clone();
    shared.with(|state| state.accepting.insert(requester.clone()));
    let joined = join(&shared, &content).await;
    shared.with(|state| state.accepting.remove(&requester));
    if let Err(reason) = joined {
        shared.with(|state| {
            state.inboxes.remove(&id);
            state.emit(Event::Declined { group: id, reason });
        });
        return Ok(());
    }
    drop(lock);
    processing::follow(&shared, &id).await
}

async fn join(shared: &Shared, content: &ConnectionRequestContent) -> Result<(), ClientError> {
    let id = &content.group_id;
    let access = GroupAccess { group_id: id.clone(), group_key: content.group_key.clone() };
    let to = shared.config_key().await?;
    for _ in 0..MAX_REBASES {
        let body = ExternalCommitInfo { group: access.clone() };
        let info = loop {
            match shared.call(&id.domain, &body, None).await {
                Err(ClientError::Unanswered { .. }) => {}
                result => break result?,
            }
        };
        let ExternalJoin { group, own, body } =
            shared.with(|state| state.external_commit(content, &access, &info, &to))?;
        let requester = verify_requester(shared, content, &group, &info).await?;
        match order_join(shared, id, &body).await {
            Ok(position) => {
                shared.with(|state| state.enter_connection(group, own, requester, position, content));
                return Ok(());
            }
            Err(error) => {
                shared.with(|state| {
                    let mut group = group;
                    group.mls.delete(state.provider.storage()).map_err(ClientError::mls)
                })?;
                let behind =
                    matches!(&error, ClientError::Refused(refusal) if refusal.advice() == Advice::Rebase);
                if !behind {
                    return Err(error);
                }
            }
        }
    }
    Err(ClientError::Contention)
}

/// Verifies that the group has one other member, which is the requester.
async fn verify_requester(
    shared: &Shared,
    content: &ConnectionRequestContent,
    group: &Group,
    info: &ExternalCommitInfoReply,
) -> Result<Member, ClientError> {
    let own = group.mls.own_leaf_index();
    let others = group.mls.members().filter(|member| member.index != own).collect();
    let members =
        verify_members(shared, &group.id, &content.credential_key, others, &info.credentials).await?;
    match members.into_values().collect::<Vec<_>>().as_slice() {
        [requester] if requester.credential.client_credential == content.sender => Ok(requester.clone()),
        _ => Err(ClientError::Dishonest("a connection's group with others than the requester")),
    }
}

/// Has the external commit ordered, however long that takes. Returns its position.
async fn order_join(shared: &Shared, id: &GroupId, body: &JoinConnectionGroup) -> Result<u64, ClientError> {
    let mut requests: Vec<RequestId> = Vec::new();
    let mut lost = false;
    loop {
        let note = |_: &mut State, request| requests.push(request);
        let reply: Result<CommitReply, ClientError> = shared.call_ordered(&id.domain, body, None, note).await;
        match reply {
            Ok(reply) => return Ok(reply.position),
            // The group takes one joiner only, so sending the same commit again does no harm.
            Err(ClientError::Unanswered { .. }) => lost = true,
            Err(ClientError::Refused(Refusal::NotAwaitingConnection)) if lost => {
                return find_receipt(shared, id, &requests).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Waits for the receipt that shows that the joiner of the group was this client. Returns its position.
async fn find_receipt(shared: &Shared, id: &GroupId, requests: &[RequestId]) -> Result<u64, ClientError> {
    let (patience, interval) =
        shared.with(|state| (state.now + state.config.request_window, state.config.poll_interval));
    while shared.now() < patience {
        fan_out_queue::read(shared).await?;
        let found = shared.with(|state| {
            state.inboxes.get(id)?.iter().find_map(|waiting| {
                let InboxEntry::Delivery(delivery) = waiting else { return None };
                let FanOutContent::Receipt(receipt) = &delivery.content else { return None };
                requests.contains(&receipt.request_id).then_some(delivery.position)
            })
        });
        if let Some(position) = found {
            return Ok(position);
        }
        shared.sleep(interval).await;
    }
    Err(Refusal::NotAwaitingConnection.into())
}

impl State {
    /// Opens a request with the key of the connection package that it was sealed to.
    fn open_request(&self, sealed: &HpkeCiphertext) -> Option<ConnectionRequest> {
        let name = connection_request_binding(&self.client_id);
        let mut keys = self.connection_keys.iter();
        let opened = keys.find_map(|key| key.open(Label::SEAL_CONNECTION, &name, sealed).ok())?;
        let request: ConnectionRequest = decode(&opened).ok()?;
        (request.content.recipient == self.client_id).then_some(request)
    }

    /// Makes the external commit that joins the group.
    fn external_commit(
        &mut self,
        content: &ConnectionRequestContent,
        access: &GroupAccess,
        info: &ExternalCommitInfoReply,
        to: &PublishedHpkeKey,
    ) -> Result<ExternalJoin, ClientError> {
        let id = &access.group_id;
        let leaf = self.new_leaf()?;
        let identity = leaf.credential.leaf.payload.identity;
        let credential: MemberCredential = self.member_credential(leaf.attribution_key.clone())?;
        let key = &content.credential_key;
        let sealed = seal_credential(&mut self.random, key, id, &identity, &credential)?;
        let friendship = encode(&self.friendship_package()?);
        let friendship = key.seal(&mut self.random, &friendship_package_binding(id), &friendship)?;
        let data = CommitData {
            encrypted_credentials: vec![sealed].try_into()?,
            friendship_package: Some(friendship),
        };
        let queue_config = self.bound_config(to, id)?;
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
        let group = Group::new(access.clone(), key.clone(), mls, leaf.key);
        Ok(ExternalJoin { group, own: Member { identity, credential }, body })
    }

    /// Takes in the joined group, and the requester as a contact.
    fn enter_connection(
        &mut self,
        mut group: Group,
        own: Member,
        requester: Member,
        position: u64,
        content: &ConnectionRequestContent,
    ) {
        group.refresh_members(vec![own, requester]);
        group.last_position = Some(position);
        group.connection = Some(Connection::Made);
        let changed = group.epoch_changed();
        self.groups.insert(group.id.clone(), group);
        self.emit(changed);
        self.connected(content.sender.clone(), content.friendship.clone());
    }
}

/// Decodes group information, which must be of group `id`.
fn group_info(id: &GroupId, info: &ExternalCommitInfoReply) -> Result<VerifiableGroupInfo, ClientError> {
    match parse_message(info.group_info.as_slice()).map_err(ClientError::mls)?.extract() {
        MlsMessageBodyIn::GroupInfo(group_info) if group_info.group_id().as_slice() == encode(id) => {
            Ok(group_info)
        }
        _ => Err(ClientError::Dishonest("group information of another group")),
    }
}
