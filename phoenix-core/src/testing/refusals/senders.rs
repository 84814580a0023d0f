//! Requests without a sender, of another sender, and of the right sender who signed something else.

use super::{Case, MILLISECOND};
use crate::{
    codec::{Bytes, decode, encode},
    credentials::Fingerprint,
    crypto::aead::EarKey,
    error::Refusal,
    identifiers::{Domain, GroupUuid, QsUserId, RequestId},
    wire::{
        delivery_service::JoinConnectionGroup,
        envelope::{RequestEnvelope, Sender, Signer},
        federation::EnqueueFederated,
        operations::{AuthenticationMode, OperationKind},
        queuing_service::{FriendshipToken, GetKeyPackage},
    },
};

/// No sender, another sender, or the right sender who signed something else.
pub(super) fn authentication(case: &Case) {
    let (unknown, unauthenticated) = (Fingerprint([7; 32]), Refusal::Unauthenticated);
    match case.kind.rules().authentication {
        AuthenticationMode::None => {}
        AuthenticationMode::ClientCredential | AuthenticationMode::FederatedCredential => {
            signatures(case, &Sender::Client(unknown), &unauthenticated);
        }
        AuthenticationMode::PendingCredential => {
            signatures(case, &Sender::Client(unknown), &Refusal::NoSuchRegistration);
        }
        AuthenticationMode::QsClient => {
            signatures(case, &Sender::QsClient(case.other_client), &unauthenticated);
            signatures(case, &Sender::QsUser(QsUserId([1; 16])), &unauthenticated);
        }
        AuthenticationMode::Leaf | AuthenticationMode::LeafOrGroupKey => {
            for leaf in [1, 2, u32::MAX] {
                signatures(case, &Sender::Leaf(leaf), &unauthenticated);
            }
        }
        AuthenticationMode::KeyPackage => {
            let reference = Sender::KeyPackage(vec![1; 32].try_into().unwrap());
            signatures(case, &reference, &unauthenticated);
            signatures(case, &Sender::Leaf(0), &unauthenticated);
        }
        AuthenticationMode::FriendshipToken => friendship(case),
        AuthenticationMode::GroupKey => group_key(case),
        AuthenticationMode::PeerFrame => frame(case),
    }
}

/// `stranger` is a name that is not the sender's; `strange` is the refusal that it gets.
fn signatures(case: &Case, stranger: &Sender, strange: &Refusal) {
    let (sender, key) = case.sample.signer.as_ref().unwrap();
    let none = Refusal::Unauthenticated;
    case.refuses_changed("not signed", |envelope| envelope.authentication = None, &none);
    case.refuses_changed(
        "foreign key",
        |envelope| envelope.sign(Signer { sender, key: &case.other_key }),
        &none,
    );
    case.refuses_changed(
        "another's name",
        |envelope| envelope.sign(Signer { sender: stranger, key }),
        strange,
    );
    case.refuses_changed(
        "a name of another kind",
        |e| e.sign(Signer { sender: &Sender::QsUser(QsUserId([2; 16])), key }),
        &none,
    );

    // The signature is genuine, but over something else.
    case.refuses_changed("replayed in another request", |e| e.request_id = RequestId([1; 16]), &none);
    case.refuses_changed("replayed at another time", |e| e.timestamp = e.timestamp + MILLISECOND, &none);
    case.refuses_changed(
        "replayed with another token",
        |e| e.token = Some(case.federated_token.clone()),
        &none,
    );
    let signed_as = |change: &dyn Fn(&mut RequestEnvelope)| {
        let mut envelope = case.signed(change);
        let authentication = envelope.authentication.take();
        envelope = RequestEnvelope { authentication, ..case.envelope.clone() };
        envelope
    };
    let other_operation = if case.kind == OperationKind::Dequeue { 204 } else { 206 };
    let over = [
        ("for another operation", signed_as(&|envelope| envelope.operation = other_operation)),
        ("over another body", signed_as(&|envelope| envelope.body = Bytes::new(vec![1, 2, 3]).unwrap())),
        ("for another homeserver", signed_as(&|e| e.service_domain = "elsewhere.example".parse().unwrap())),
    ];
    for (how, envelope) in over {
        case.refuses(how, &encode(&envelope), &none);
    }
}

fn with_body<B: crate::codec::Codec>(case: &Case, change: impl FnOnce(&mut B)) -> Vec<u8> {
    let mut body: B = decode(case.envelope.body.as_slice()).unwrap();
    change(&mut body);
    encode(&case.signed(|envelope| envelope.body = Bytes::new(encode(&body)).unwrap()))
}

/// No such user and no friend of the user are one answer.
fn friendship(case: &Case) {
    let stranger = FriendshipToken(EarKey::from_bytes([8; 32]));
    let bytes = with_body::<GetKeyPackage>(case, |body| body.friendship_token = stranger);
    case.refuses("a stranger's token", &bytes, &Refusal::NoFriend);
    let bytes = with_body::<GetKeyPackage>(case, |body| body.user = QsUserId([1; 16]));
    case.refuses("no such user", &bytes, &Refusal::NoFriend);
}

/// No such group and another key are one answer.
fn group_key(case: &Case) {
    let other = EarKey::from_bytes([8; 32]);
    let bytes = with_body::<JoinConnectionGroup>(case, |body| body.group.group_key = other);
    case.refuses("another key", &bytes, &Refusal::NoSuchGroup);
    let bytes = with_body::<JoinConnectionGroup>(case, |body| body.group.group_id.uuid = GroupUuid([1; 16]));
    case.refuses("no such group", &bytes, &Refusal::NoSuchGroup);
    let elsewhere: Domain = "elsewhere.example".parse().unwrap();
    let bytes = with_body::<JoinConnectionGroup>(case, |body| body.group.group_id.domain = elsewhere);
    case.refuses("a group of another homeserver", &bytes, &Refusal::NoSuchGroup);
}

/// Every part of a frame is signed.
fn frame(case: &Case) {
    let forged = Refusal::InvalidFrameSignature;
    let now = case.world.now;
    let bytes = with_body::<EnqueueFederated>(case, |body| body.frame.signature.0[3] ^= 1);
    case.refuses("forged", &bytes, &forged);
    let bytes = with_body::<EnqueueFederated>(case, |body| body.frame.content.stream_id.0[3] ^= 1);
    case.refuses("into another stream", &bytes, &forged);
    let late = now + MILLISECOND;
    let bytes = with_body::<EnqueueFederated>(case, |body| body.frame.content.timestamp = late);
    case.refuses("at another time", &bytes, &forged);
    let ours = case.sample.domain.clone();
    let bytes = with_body::<EnqueueFederated>(case, |body| body.frame.content.source = ours);
    case.refuses("in the receiver's own name", &bytes, &Refusal::UnknownFrameKey);
    let elsewhere: Domain = "elsewhere.example".parse().unwrap();
    let bytes = with_body::<EnqueueFederated>(case, |body| body.frame.content.destination = elsewhere);
    case.refuses("for another homeserver", &bytes, &Refusal::WrongDestination);
    let window = crate::config::Times::default().frame_window;
    for time in [now - window - MILLISECOND, now + window + MILLISECOND] {
        let bytes = with_body::<EnqueueFederated>(case, |body| body.frame.content.timestamp = time);
        let by_milliseconds = 1;
        case.refuses("outside the window", &bytes, &Refusal::FrameOutsideTimeWindow { by_milliseconds });
    }
}
