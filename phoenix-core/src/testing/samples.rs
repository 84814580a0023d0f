//! A valid request for every operation.

use super::{
    fixtures::{Fixture, Sample, record_request},
    groups::as_leaf,
    people::Leaf,
    world::World,
};
use crate::{
    codec::{Flag, decode},
    crypto::{hpke::HpkePrivateKey, labels::Label},
    operation::Timer,
    time::DAY,
    wire::{
        auth_service::{
            DequeueDirect, EnqueueDirect, GetAsCredentials, GetConnectionPackage, GetTokenKeys,
            PublishConnectionPackages,
        },
        delivery_service::{
            ExternalCommitInfo, GetDsKeys, RequestGroupId, SendMessageReply, UpdateQueueInfo, WelcomeInfo,
        },
        envelope::{RequestEnvelope, Sender},
        federation::EnqueueFederated,
        message::Done,
        operations::{OperationKind, RequestBody},
        queues::DequeueRange,
        queuing_service::{Dequeue, GetConfigKey, GetKeyPackage, GetQsKeys, Listen},
    },
};

/// Returns a valid request for `kind`, and has everything in place for it to succeed.
pub fn sample_request(fixture: &mut Fixture, kind: OperationKind) -> Sample {
    let home = fixture.home.clone();
    match kind {
        OperationKind::InitRegistration
        | OperationKind::FinishRegistration
        | OperationKind::GetAsCredentials
        | OperationKind::GetTokenKeys
        | OperationKind::IssueTokens
        | OperationKind::PublishConnectionPackages
        | OperationKind::GetConnectionPackage
        | OperationKind::EnqueueDirect
        | OperationKind::DequeueDirect => authentication_service(fixture, kind),

        OperationKind::GetConfigKey => Sample::new(&home, &GetConfigKey {}, None),
        OperationKind::GetQsKeys => Sample::new(&home, &GetQsKeys {}, None),
        OperationKind::CreateUserRecord => record_request(&fixture.alice),
        OperationKind::PublishKeyPackages => publish_key_packages(fixture),
        OperationKind::GetKeyPackage => {
            let publish = publish_key_packages(fixture);
            fixture.answer::<Done>(&publish).unwrap();
            let friendship_token = fixture.alice.friendship.clone();
            Sample::new(&home, &GetKeyPackage { user: fixture.alice.user, friendship_token }, None)
        }
        OperationKind::Dequeue => {
            let body = Dequeue { range: DequeueRange { first: 0, maximum: 10, generation: 0, last: None } };
            Sample::new(&home, &body, Some(fixture.alice.as_queue_owner()))
        }
        OperationKind::EnqueueFederated => frame(fixture),
        OperationKind::Listen => Sample::new(&home, &Listen {}, Some(fixture.alice.as_queue_owner())),

        OperationKind::GetDsKeys => Sample::new(&home, &GetDsKeys {}, None),
        OperationKind::RequestGroupId => Sample::new(&home, &RequestGroupId {}, None),
        OperationKind::CreateGroup => fixture.group_request(Flag::No).1,
        OperationKind::WelcomeInfo
        | OperationKind::ExternalCommitInfo
        | OperationKind::JoinConnectionGroup
        | OperationKind::AddUsers
        | OperationKind::UpdateClient
        | OperationKind::SendMessage
        | OperationKind::UpdateQueueInfo => delivery_service(fixture, kind),
    }
}

fn authentication_service(fixture: &mut Fixture, kind: OperationKind) -> Sample {
    let home = fixture.home.clone();
    let now = fixture.world.now;
    match kind {
        OperationKind::InitRegistration => {
            let person = fixture.unregistered();
            fixture.init_registration(&person).1
        }
        OperationKind::FinishRegistration => {
            let mut person = fixture.unregistered();
            fixture.registration(&mut person).unwrap().0
        }
        OperationKind::GetAsCredentials => Sample::new(&home, &GetAsCredentials {}, None),
        OperationKind::GetTokenKeys => Sample::new(&home, &GetTokenKeys {}, None),
        OperationKind::IssueTokens => fixture.token_request(false, &home, 3).1,
        OperationKind::PublishConnectionPackages => {
            let package = fixture.alice.connection_package(&mut fixture.random, now);
            let body = PublishConnectionPackages {
                client_id: fixture.alice.client_id.clone(),
                packages: vec![package].try_into().unwrap(),
            };
            Sample::new(&home, &body, Some(fixture.alice.as_client()))
        }
        OperationKind::GetConnectionPackage => {
            let user_id = fixture.alice.client_id.user_id.clone();
            Sample::new(&home, &GetConnectionPackage { user_id }, None)
        }
        OperationKind::EnqueueDirect => {
            let key = HpkePrivateKey::generate(&mut fixture.random).public_key();
            let package = key.seal(&mut fixture.random, Label::SEAL_CONNECTION, b"", b"hello").unwrap();
            Sample::new(&home, &EnqueueDirect { client_id: fixture.alice.client_id.clone(), package }, None)
        }
        _ => {
            let range = DequeueRange { first: 0, maximum: 10, generation: 0, last: None };
            let body = DequeueDirect { client_id: fixture.alice.client_id.clone(), range };
            Sample::new(&home, &body, Some(fixture.alice.as_client()))
        }
    }
}

fn publish_key_packages(fixture: &mut Fixture) -> Sample {
    let leaf = Leaf::new(&mut fixture.random, &fixture.alice, fixture.world.now);
    fixture.key_packages(false, &leaf, 2).0
}

fn delivery_service(fixture: &mut Fixture, kind: OperationKind) -> Sample {
    let home = fixture.home.clone();
    match kind {
        OperationKind::JoinConnectionGroup => {
            let group = fixture.group(Flag::Yes);
            fixture.external_join(&group)
        }
        OperationKind::AddUsers => {
            let mut group = fixture.group(Flag::No);
            fixture.add_bob(&mut group).0
        }
        OperationKind::ExternalCommitInfo => {
            let group = fixture.group(Flag::No);
            let body = ExternalCommitInfo { group: group.access.clone() };
            Sample::new(&home, &body, as_leaf(0, &group.leaf.key))
        }
        OperationKind::UpdateClient => fixture.shared_group().0.update(),
        OperationKind::SendMessage => fixture.shared_group().0.message(b"hello"),
        OperationKind::WelcomeInfo => {
            let (group, bob, reference) = fixture.shared_group();
            let body = WelcomeInfo { group: group.access.clone(), epoch: 1 };
            let sender = Sender::KeyPackage(reference.try_into().unwrap());
            Sample::new(&home, &body, Some((sender, bob.key)))
        }
        _ => {
            let (group, ..) = fixture.shared_group();
            let not_after = fixture.world.now + 90 * DAY;
            let queue_config = fixture.alice.bound(&mut fixture.random, &group.access.group_id, not_after);
            let body = UpdateQueueInfo { group: group.access.clone(), queue_config };
            Sample::new(&home, &body, as_leaf(0, &group.leaf.key))
        }
    }
}

/// Returns a frame from Alice's homeserver to Bob's, caught on its way.
fn frame(fixture: &mut Fixture) -> Sample {
    let message = fixture.shared_group().0.message(b"hello");
    fixture.answer::<SendMessageReply>(&message).unwrap();
    let away = fixture.away.clone();
    // The keys of the other homeserver must be there before the frame can be sealed.
    let bytes = catch_frame(&mut fixture.world, &fixture.home.clone(), &away);
    let envelope: RequestEnvelope = decode(&bytes).unwrap();
    let body: EnqueueFederated = decode(envelope.body.as_slice()).unwrap();
    Sample::new(&away, &body, None)
}

/// Returns the bytes of the first frame that `from` sends to `to`. It never arrives.
pub fn catch_frame(
    world: &mut World,
    from: &crate::identifiers::Domain,
    to: &crate::identifiers::Domain,
) -> Vec<u8> {
    world.faults.intercepted = Some(EnqueueFederated::KIND);
    for recorded in world.run_until_idle() {
        assert!(recorded.reply.is_none());
    }
    world.faults.intercepted = None;
    let deliveries = world
        .timers()
        .iter()
        .filter(|(at, timer, _)| at == from && matches!(timer, Timer::Deliver(_)))
        .count();
    assert!(deliveries > 0, "it will be tried again");
    let code = EnqueueFederated::KIND.code().to_be_bytes();
    let frame = world.asks.iter().find(|ask| ask.domain == *to && ask.request[2..4] == code);
    frame.unwrap().request.clone()
}
