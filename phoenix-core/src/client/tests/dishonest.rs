//! PROTOCOL.md §4, §11 — homeservers and users that lie: nothing comes of it, and the client says why.

use std::sync::{Arc, Mutex};

use super::{connect, create_group, joined, three_users, world::World};
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
    wire::{
        auth_service::{ConnectionPackage, GetConnectionPackageReply},
        envelope::ResponseEnvelope,
        operations::{OperationKind, RequestBody},
        queuing_service::{AddPackage, GetKeyPackage, GetKeyPackageReply},
    },
};

fn world(seed: u8) -> (World, [usize; 3]) {
    let mut world = World::new(seed, &["one.example", "two.example"]);
    let users = three_users(&mut world);
    (world, users)
}

/// Has every reply to `kind` changed on its way.
fn tamper<R: Codec + 'static>(
    world: &mut World,
    kind: OperationKind,
    mut change: impl FnMut(&mut R) + 'static,
) {
    world.dishonest = Some(Box::new(move |of, answer| match ResponseEnvelope::read::<R>(&answer) {
        Ok(Ok(mut reply)) if of == kind => {
            change(&mut reply);
            ResponseEnvelope::reply(&reply)
        }
        _ => answer,
    }));
}

/// Requests a connection while the connection package in the answer is changed. Returns the error.
fn ask_with(
    world: &mut World,
    users: [usize; 3],
    change: impl FnMut(&mut ConnectionPackage) + 'static,
) -> ClientError {
    let [first, second, _] = users;
    let mut change = change;
    let kind = OperationKind::GetConnectionPackage;
    tamper(world, kind, move |reply: &mut GetConnectionPackageReply| change(&mut reply.package));
    let asked = world.user(second);
    let task = world.clients[first].connect(asked);
    let result = world.finish(first, task);
    world.dishonest = None;
    assert!(world.clients[first].groups().is_empty(), "no group was made for it");
    result.unwrap_err()
}

#[test]
fn a_connection_package_that_is_not_the_users_own_is_refused() {
    let (mut world, users) = world(21);
    let forged = ask_with(&mut world, users, |package| package.signature.0[1] ^= 1);
    assert_eq!(forged, ClientError::Signature(InvalidSignature));
    let exchanged = ask_with(&mut world, users, |package| {
        let mut random = crate::rng::Random::from_seed([1; 32]);
        package.content.encryption_key =
            crate::crypto::hpke::HpkePrivateKey::generate(&mut random).public_key();
    });
    assert_eq!(exchanged, ClientError::Signature(InvalidSignature), "another key in it");
    let forged = ask_with(&mut world, users, |package| package.content.credential.signature.0[1] ^= 1);
    assert_eq!(
        forged,
        ClientError::Invalid(ValidationError::BadSignature),
        "a credential that its authority did not sign"
    );

    // A genuine package, of another user.
    let third = Arc::new(Mutex::new(None));
    let (seen, foreign) = (third.clone(), third);
    tamper(&mut world, OperationKind::GetConnectionPackage, move |reply: &mut GetConnectionPackageReply| {
        *seen.lock().unwrap() = Some(reply.package.clone());
    });
    let other = world.user(users[2]);
    let task = world.clients[users[1]].connect(other);
    world.finish(users[1], task).unwrap();
    let foreign = foreign.lock().unwrap().clone().unwrap();
    let refused = ask_with(&mut world, users, move |package| *package = foreign.clone());
    assert_eq!(refused, ClientError::Dishonest("a connection package of another user"));
    assert!(world.clients[users[0]].contacts().is_empty());
}

/// Invites the second while the key packages in the answer are changed. Returns the error; the group stays as
/// it was.
fn invite_with(
    world: &mut World,
    users: [usize; 3],
    group: &GroupId,
    change: impl FnMut(&mut AddPackage) + 'static,
) -> ClientError {
    let [first, second, _] = users;
    let mut change = change;
    tamper(world, GetKeyPackage::KIND, move |reply: &mut GetKeyPackageReply| {
        let mut package = reply.packages.remove(0);
        change(&mut package);
        reply.packages.push(package).unwrap();
    });
    let invited = [world.user(second)];
    let task = world.clients[first].invite(group, &invited);
    let result = world.finish(first, task);
    world.dishonest = None;
    let view = world.clients[first].groups().into_iter().find(|view| view.group_id == *group).unwrap();
    assert_eq!((view.members.len(), view.epoch), (1, 0));
    result.unwrap_err()
}

#[test]
fn a_key_package_that_is_not_the_contacts_own_is_not_added() {
    let (mut world, users) = world(22);
    connect(&mut world, users);
    // A genuine key package of the third.
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    tamper(&mut world, GetKeyPackage::KIND, move |reply: &mut GetKeyPackageReply| {
        *keep.lock().unwrap() = Some(reply.packages[0].clone());
    });
    let other = create_group(&mut world, users[0]);
    let invited = [world.user(users[2])];
    let task = world.clients[users[0]].invite(&other, &invited);
    world.finish(users[0], task).unwrap();
    let foreign: AddPackage = seen.lock().unwrap().clone().unwrap();
    world.dishonest = None;

    let group = create_group(&mut world, users[0]);
    let whole = foreign.clone();
    let refused = invite_with(&mut world, users, &group, move |package| *package = whole.clone());
    assert!(matches!(refused, ClientError::Undecryptable(_)), "{refused:?}");
    let key_package = foreign.key_package.clone();
    let refused = invite_with(&mut world, users, &group, move |package| {
        package.key_package = key_package.clone();
    });
    assert!(matches!(refused, ClientError::Undecryptable(_)), "the credential is bound to its package");
    let credential = foreign.encrypted_credential;
    let refused = invite_with(&mut world, users, &group, move |package| {
        package.encrypted_credential = credential.clone();
    });
    assert!(matches!(refused, ClientError::Undecryptable(_)), "{refused:?}");
    let refused = invite_with(&mut world, users, &group, |package| {
        let mut bytes = package.key_package.as_slice().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        package.key_package = bytes.try_into().unwrap();
    });
    assert!(matches!(refused, ClientError::Mls(_)), "{refused:?}");
}

/// Waits until `user` has declined to join `group`. Returns the reason.
fn declined(world: &mut World, user: usize, group: &GroupId) -> ClientError {
    let reason = |event: &Event| match event {
        Event::Declined { group: of, reason } if of == group => Some(reason.clone()),
        _ => None,
    };
    world.settle(|world| world.events[user].iter().any(|event| reason(event).is_some()));
    assert!(!joined(world, user, group));
    assert!(world.clients[user].groups().iter().all(|view| view.group_id != *group));
    world.events[user].iter().find_map(reason).unwrap()
}

#[test]
fn an_invitation_that_is_not_the_contacts_own_is_declined() {
    let (mut world, users) = world(23);
    let [first, second, _] = users;
    connect(&mut world, users);
    let invited = [world.user(second)];

    // Signed with another key than the credential's, by a holder of the group's keys.
    let group = create_group(&mut world, first);
    let genuine = world.clients[first]
        .shared
        .with(|state| std::mem::replace(&mut state.client_key, SigningKey::from_bytes(&[1; 32])));
    let task = world.clients[first].invite(&group, &invited);
    world.finish(first, task).unwrap();
    world.clients[first].shared.with(|state| state.client_key = genuine);
    let reason = declined(&mut world, second, &group);
    assert_eq!(reason, ClientError::Signature(InvalidSignature));

    // In the name of a stranger.
    let group = create_group(&mut world, first);
    let stranger = world.clients[users[2]].client_id();
    let genuine =
        world.clients[first].shared.with(|state| std::mem::replace(&mut state.client_id, stranger.clone()));
    let task = world.clients[first].invite(&group, &invited);
    world.finish(first, task).unwrap();
    world.clients[first].shared.with(|state| state.client_id = genuine);
    let reason = declined(&mut world, second, &group);
    assert_eq!(reason, ClientError::NotAContact(stranger.user_id));

    // The genuine one is followed.
    let group = create_group(&mut world, first);
    let task = world.clients[first].invite(&group, &invited);
    world.finish(first, task).unwrap();
    world.settle(|world| joined(world, second, &group));
}

/// Sends the second a request for a connection in the name of the first, changed and then signed with `key`.
/// Returns the reason why it is declined.
fn request_with(
    world: &mut World,
    [first, second, _]: [usize; 3],
    key: Option<SigningKey>,
    change: impl FnOnce(&mut ConnectionRequestContent),
) -> ClientError {
    let recipient = world.clients[second].client_id();
    let (content, own_key) = world.clients[first].shared.with(|state| {
        let mut content = ConnectionRequestContent {
            sender: state.credential().unwrap().clone(),
            recipient: recipient.clone(),
            group_id: GroupId { uuid: GroupUuid(state.random.array()), domain: state.config.domain.clone() },
            group_key: EarKey::random(&mut state.random),
            credential_key: EarKey::random(&mut state.random),
            friendship: state.friendship_package().unwrap(),
        };
        change(&mut content);
        (content, state.client_key.clone())
    });
    let group = content.group_id.clone();
    let signature = key.unwrap_or(own_key).sign(&content);
    let request = encode(&ConnectionRequest { content, signature });
    let shared = world.clients[second].shared.clone();
    let sealed = shared.with(|state| {
        let to = state.connection_keys[0].public_key();
        to.seal(&mut state.random, Label::SEAL_CONNECTION, &connection_request_binding(&recipient), &request)
            .unwrap()
    });
    receive_request(&shared, &sealed);
    let reason = declined(world, second, &group);
    assert!(world.clients[second].contacts().is_empty());
    reason
}

#[test]
fn a_request_for_a_connection_that_is_not_the_users_own_is_declined() {
    let (mut world, users) = world(24);
    let other = SigningKey::from_bytes(&[1; 32]);
    let forged = request_with(&mut world, users, Some(other), |_| {});
    assert_eq!(forged, ClientError::Signature(InvalidSignature));
    let forged = request_with(&mut world, users, None, |content| content.sender.signature.0[1] ^= 1);
    assert_eq!(forged, ClientError::Invalid(ValidationError::BadSignature));
    let credential = world.clients[users[2]].shared.with(|state| state.credential().unwrap().clone());
    let foreign = request_with(&mut world, users, None, |content| {
        content.group_id.domain = credential.client_id().user_id.domain.clone();
        content.sender = credential;
    });
    assert_eq!(foreign, ClientError::Signature(InvalidSignature), "another's credential");
    let elsewhere = |content: &mut ConnectionRequestContent| {
        content.group_id.domain = "two.example".parse().unwrap();
    };
    let elsewhere = request_with(&mut world, users, None, elsewhere);
    assert_eq!(elsewhere, ClientError::Dishonest("a connection at another homeserver than the sender's"));
    let nowhere = request_with(&mut world, users, None, |_| {});
    assert_eq!(nowhere, ClientError::Refused(Refusal::NoSuchGroup), "genuine, but for the group");
}
