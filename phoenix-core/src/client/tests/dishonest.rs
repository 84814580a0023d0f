//! PROTOCOL.md §4, §11 — homeservers and users that lie: nothing comes of it, and the client says why.

use std::sync::{Arc, Mutex};

use super::{connect, create_group, joined, network::Network, three_users};
use crate::{
    client::{
        ClientError, Event,
        connections::receive_request,
        messages::{ConnectionRequest, ConnectionRequestContent, connection_request_binding},
    },
    codec::{Codec, encode},
    credentials::ValidationError,
    crypto::{
        aead::EarKey,
        labels::Label,
        sign::{InvalidSignature, SigningKey},
    },
    error::Refusal,
    identifiers::{GroupId, GroupUuid},
    time::DAY,
    wire::{
        auth_service::{ConnectionPackage, GetConnectionPackageReply},
        envelope::ResponseEnvelope,
        operations::{OperationKind, RequestBody},
        queuing_service::{AddPackage, GetKeyPackage, GetKeyPackageReply},
    },
};

fn network(seed: u8) -> (Network, [usize; 3]) {
    let mut network = Network::new(seed, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    (network, users)
}

/// Has every reply to `kind` changed on its way.
fn tamper<R: Codec + 'static>(
    network: &mut Network,
    kind: OperationKind,
    mut change: impl FnMut(&mut R) + 'static,
) {
    network.dishonest = Some(Box::new(move |of, answer| match ResponseEnvelope::read::<R>(&answer) {
        Ok(Ok(mut reply)) if of == kind => {
            change(&mut reply);
            ResponseEnvelope::reply(&reply)
        }
        _ => answer,
    }));
}

/// Requests a connection while the connection package in the answer is changed. Returns the error.
fn ask_with(
    network: &mut Network,
    users: [usize; 3],
    change: impl FnMut(&mut ConnectionPackage) + 'static,
) -> ClientError {
    let [first, second, _] = users;
    let mut change = change;
    let kind = OperationKind::GetConnectionPackage;
    tamper(network, kind, move |reply: &mut GetConnectionPackageReply| change(&mut reply.package));
    let asked = network.user(second);
    let task = network.clients[first].connect(asked);
    let result = network.finish(first, task);
    network.dishonest = None;
    assert!(network.clients[first].groups().is_empty(), "no group was made for it");
    result.unwrap_err()
}

#[test]
pub(super) fn a_connection_package_that_is_not_the_users_own_is_refused() {
    let (mut network, users) = network(21);
    let forged = ask_with(&mut network, users, |package| package.signature.0[1] ^= 1);
    assert_eq!(forged, ClientError::Signature(InvalidSignature));
    let exchanged = ask_with(&mut network, users, |package| {
        let mut random = crate::rng::Random::from_seed([1; 32]);
        package.content.encryption_key =
            crate::crypto::hpke::HpkePrivateKey::generate(&mut random).public_key();
    });
    assert_eq!(exchanged, ClientError::Signature(InvalidSignature), "another key in it");
    let forged = ask_with(&mut network, users, |package| package.content.credential.signature.0[1] ^= 1);
    assert_eq!(
        forged,
        ClientError::Invalid(ValidationError::BadSignature),
        "a credential that its authority did not sign"
    );

    // A genuine package, of another user.
    let third = Arc::new(Mutex::new(None));
    let (seen, foreign) = (third.clone(), third);
    tamper(
        &mut network,
        OperationKind::GetConnectionPackage,
        move |reply: &mut GetConnectionPackageReply| {
            *seen.lock().unwrap() = Some(reply.package.clone());
        },
    );
    let other = network.user(users[2]);
    let task = network.clients[users[1]].connect(other);
    network.finish(users[1], task).unwrap();
    let foreign = foreign.lock().unwrap().clone().unwrap();
    let refused = ask_with(&mut network, users, move |package| *package = foreign.clone());
    assert_eq!(refused, ClientError::dishonest("a connection package of another user"));
    assert!(network.clients[users[0]].contacts().is_empty());
}

/// Invites the second while the key packages in the answer are changed. Returns the error; the group stays as
/// it was.
fn invite_with(
    network: &mut Network,
    users: [usize; 3],
    group: &GroupId,
    change: impl FnMut(&mut AddPackage) + 'static,
) -> ClientError {
    let [first, second, _] = users;
    let mut change = change;
    tamper(network, GetKeyPackage::KIND, move |reply: &mut GetKeyPackageReply| {
        let mut package = reply.packages.remove(0);
        change(&mut package);
        reply.packages.push(package).unwrap();
    });
    let invited = [network.user(second)];
    let task = network.clients[first].invite(group, &invited);
    let result = network.finish(first, task);
    network.dishonest = None;
    let view = network.clients[first].groups().into_iter().find(|view| view.group_id == *group).unwrap();
    assert_eq!((view.members.len(), view.epoch), (1, 0));
    result.unwrap_err()
}

#[test]
pub(super) fn a_key_package_that_is_not_the_contacts_own_is_not_added() {
    let (mut network, users) = network(22);
    connect(&mut network, users);
    // A genuine key package of the third.
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    tamper(&mut network, GetKeyPackage::KIND, move |reply: &mut GetKeyPackageReply| {
        *keep.lock().unwrap() = Some(reply.packages[0].clone());
    });
    let other = create_group(&mut network, users[0]);
    let invited = [network.user(users[2])];
    let task = network.clients[users[0]].invite(&other, &invited);
    network.finish(users[0], task).unwrap();
    let foreign: AddPackage = seen.lock().unwrap().clone().unwrap();
    network.dishonest = None;

    let group = create_group(&mut network, users[0]);
    let whole = foreign.clone();
    let refused = invite_with(&mut network, users, &group, move |package| *package = whole.clone());
    assert!(matches!(refused, ClientError::Undecryptable(_)), "{refused:?}");
    let key_package = foreign.key_package.clone();
    let refused = invite_with(&mut network, users, &group, move |package| {
        package.key_package = key_package.clone();
    });
    assert!(matches!(refused, ClientError::Undecryptable(_)), "the credential is bound to its package");
    let credential = foreign.encrypted_credential;
    let refused = invite_with(&mut network, users, &group, move |package| {
        package.encrypted_credential = credential.clone();
    });
    assert!(matches!(refused, ClientError::Undecryptable(_)), "{refused:?}");
    let refused = invite_with(&mut network, users, &group, |package| {
        let mut bytes = package.key_package.as_slice().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        package.key_package = bytes.try_into().unwrap();
    });
    assert!(matches!(refused, ClientError::Mls(_)), "{refused:?}");
}

/// Waits until `user` has declined to join `group`. Returns the reason.
fn declined(network: &mut Network, user: usize, group: &GroupId) -> ClientError {
    let reason = |event: &Event| match event {
        Event::Declined { group: of, reason } if of == group => Some(reason.clone()),
        _ => None,
    };
    network.settle(|network| network.events[user].iter().any(|event| reason(event).is_some()));
    assert!(!joined(network, user, group));
    assert!(network.clients[user].groups().iter().all(|view| view.group_id != *group));
    network.events[user].iter().find_map(reason).unwrap()
}

#[test]
pub(super) fn an_invitation_that_is_not_the_contacts_own_is_declined() {
    let (mut network, users) = network(23);
    let [first, second, _] = users;
    connect(&mut network, users);
    let invited = [network.user(second)];

    // Signed with another key than the credential's, by a holder of the group's keys.
    let group = create_group(&mut network, first);
    let account = network.clients[first].state.account.change();
    let genuine = std::mem::replace(&mut account.client_key, SigningKey::from_bytes(&[1; 32]));
    let task = network.clients[first].invite(&group, &invited);
    network.finish(first, task).unwrap();
    network.clients[first].state.account.change().client_key = genuine;
    let reason = declined(&mut network, second, &group);
    assert_eq!(reason, ClientError::Signature(InvalidSignature));

    // In the name of a stranger.
    let group = create_group(&mut network, first);
    let stranger = network.clients[users[2]].client_id();
    let account = network.clients[first].state.account.change();
    let genuine = std::mem::replace(&mut account.client_id, stranger.clone());
    let task = network.clients[first].invite(&group, &invited);
    network.finish(first, task).unwrap();
    network.clients[first].state.account.change().client_id = genuine;
    let reason = declined(&mut network, second, &group);
    assert_eq!(reason, ClientError::NotAContact(stranger.user_id));

    // The genuine one is followed.
    let group = create_group(&mut network, first);
    let task = network.clients[first].invite(&group, &invited);
    network.finish(first, task).unwrap();
    network.settle(|network| joined(network, second, &group));
}

/// Puts a request for a connection into a client's hands, as its direct queue brings it.
fn ask(network: &mut Network, asked: usize, request: ConnectionRequest) {
    let recipient = network.clients[asked].client_id();
    let state = &mut network.clients[asked].state;
    let to = state.account.connection_keys[0].public_key();
    let name = connection_request_binding(&recipient);
    let sealed = to.seal(&mut state.random, Label::SEAL_CONNECTION, &name, &encode(&request)).unwrap();
    receive_request(state, &sealed);
}

/// Requests in the name of users of a homeserver that never answers, so that none can be checked.
#[test]
fn strangers_fill_no_memory_with_requests_and_lock_no_one_out_for_good() {
    let (mut network, [first, second, _]) = network(25);
    for number in 0..200_u8 {
        let recipient = network.clients[second].client_id();
        let state = &mut network.clients[first].state;
        let mut sender = state.credential().unwrap().clone();
        sender.content.request.payload.client_id.user_id.domain = "nowhere.example".parse().unwrap();
        let content = ConnectionRequestContent {
            sender,
            recipient,
            group_id: GroupId { uuid: GroupUuid([number; 16]), domain: "nowhere.example".parse().unwrap() },
            group_key: EarKey::random(&mut state.random),
            credential_key: EarKey::random(&mut state.random),
            friendship: state.friendship_package().unwrap(),
        };
        let signature = SigningKey::from_bytes(&[number; 32]).sign(&content);
        ask(&mut network, second, ConnectionRequest { content, signature });
    }
    network.pass(60_000);
    let declined = |network: &Network| {
        let reason = |event: &&Event| matches!(event, Event::Declined { .. });
        network.events[second].iter().filter(reason).count()
    };
    assert_eq!(declined(&network), 200 - 16, "of users of one homeserver");
    // One fetch of keys serves all of them.
    assert_eq!(network.clients[second].under_way().len(), 17);
    network.world.now = network.world.now + 31 * DAY;
    network.pass(60_000);
    assert_eq!(declined(&network), 200);
    assert!(network.clients[second].is_idle());
}

/// Sends the second a request for a connection in the name of the first, changed and then signed with `key`.
/// Returns the reason why it is declined.
fn request_with(
    network: &mut Network,
    [first, second, _]: [usize; 3],
    key: Option<SigningKey>,
    change: impl FnOnce(&mut ConnectionRequestContent),
) -> ClientError {
    let recipient = network.clients[second].client_id();
    let state = &mut network.clients[first].state;
    let mut content = ConnectionRequestContent {
        sender: state.credential().unwrap().clone(),
        recipient: recipient.clone(),
        group_id: GroupId { uuid: GroupUuid(state.random.array()), domain: state.config.domain.clone() },
        group_key: EarKey::random(&mut state.random),
        credential_key: EarKey::random(&mut state.random),
        friendship: state.friendship_package().unwrap(),
    };
    change(&mut content);
    let own_key = state.account.client_key.clone();
    let group = content.group_id.clone();
    let signature = key.unwrap_or(own_key).sign(&content);
    ask(network, second, ConnectionRequest { content, signature });
    let reason = declined(network, second, &group);
    assert!(network.clients[second].contacts().is_empty());
    reason
}

#[test]
pub(super) fn a_request_for_a_connection_that_is_not_the_users_own_is_declined() {
    let (mut network, users) = network(24);
    let other = SigningKey::from_bytes(&[1; 32]);
    let forged = request_with(&mut network, users, Some(other), |_| {});
    assert_eq!(forged, ClientError::Signature(InvalidSignature));
    let forged = request_with(&mut network, users, None, |content| content.sender.signature.0[1] ^= 1);
    assert_eq!(forged, ClientError::Invalid(ValidationError::BadSignature));
    let credential = network.clients[users[2]].state.credential().unwrap().clone();
    let foreign = request_with(&mut network, users, None, |content| {
        content.group_id.domain = credential.client_id().user_id.domain.clone();
        content.sender = credential;
    });
    assert_eq!(foreign, ClientError::Signature(InvalidSignature), "another's credential");
    let elsewhere = |content: &mut ConnectionRequestContent| {
        content.group_id.domain = "two.example".parse().unwrap();
    };
    let elsewhere = request_with(&mut network, users, None, elsewhere);
    assert_eq!(elsewhere, ClientError::dishonest("a connection at another homeserver than the sender's"));
    let nowhere = request_with(&mut network, users, None, |_| {});
    assert_eq!(nowhere, ClientError::Refused(Refusal::NoSuchGroup), "genuine, but for the group");
}
