//! PROTOCOL.md §7 — the sender must prove that it is authorised to deliver to the client.

use std::collections::BTreeMap;

use super::client::{LONG, TestClient};
use crate::{
    crypto::{aead::EarKey, sign::SigningKey},
    identifiers::{GroupId, RequestId},
    queuing_service::records::{Pin, QsClient},
    rng::Random,
    testing::{
        messages::{group, message, mls_message},
        world::{NOW, World, domain},
    },
    time::{DAY, HOUR},
    wire::fan_out::{
        Binding, ClientQueueConfig, FanOutContent, GapReason, QueueMessage, Receipt, WelcomeBundle,
    },
};

const A: &str = "a.example";
const B: &str = "b.example";
const C: &str = "c.example";

struct Scene {
    world: World,
    client: TestClient,
    positions: BTreeMap<GroupId, u64>,
}

fn scene() -> Scene {
    let mut world = World::of(&[A, B, C]);
    let client = TestClient::new(&mut world, B, 1);
    Scene { world, client, positions: BTreeMap::new() }
}

impl Scene {
    /// Has `group`'s homeserver deliver `content`. Returns what the client finds then.
    fn deliver(
        &mut self,
        group: &GroupId,
        content: FanOutContent,
        config: &ClientQueueConfig,
    ) -> Vec<QueueMessage> {
        let position = self.positions.entry(group.clone()).or_default();
        *position += 1;
        self.world.send(message(group, *position - 1, content, std::slice::from_ref(config)));
        assert!(self.world.settle(LONG), "nothing is held up");
        self.client.dequeue(&mut self.world)
    }

    /// Returns what becomes of a message of `group`.
    fn outcome(&mut self, group: &GroupId, config: &ClientQueueConfig) -> Outcome {
        let content = mls_message(group);
        Outcome::of(&self.deliver(group, content, config))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Marked(GapReason),
    Nothing,
}

impl Outcome {
    fn of(found: &[QueueMessage]) -> Self {
        match found {
            [] => Self::Nothing,
            [QueueMessage::Delivery(_)] => Self::Delivered,
            [QueueMessage::Gap(gap)] => Self::Marked(gap.reason),
            more => panic!("{more:?}"),
        }
    }
}

fn welcome() -> FanOutContent {
    let mut random = Random::from_seed([1; 32]);
    let attribution = EarKey::random(&mut random).seal(&mut random, b"", b"").unwrap();
    FanOutContent::Welcome(WelcomeBundle { welcome: vec![1; 100].try_into().unwrap(), attribution })
}

#[test]
fn a_bound_configuration_delivers_and_names_the_source() {
    for owner in [A, B] {
        let mut scene = scene();
        let group = group(owner, 1);
        let config = scene.client.bound(&group);
        let found = scene.deliver(&group, mls_message(&group), &config);
        let [QueueMessage::Delivery(delivery)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&delivery.source, &delivery.group_id), (&domain(owner), &group));
        assert_eq!((delivery.position, delivery.sent_at), (0, NOW));
    }
}

#[test]
fn a_stolen_bound_configuration_is_useless() {
    let mut scene = scene();
    let of = group(A, 1);
    let config = scene.client.bound(&of);
    let thieves = [group(A, 2), group(B, 1), group(C, 1)];
    for thief in &thieves {
        assert_eq!(scene.outcome(thief, &config), Outcome::Marked(GapReason::NotAuthorised), "{thief:?}");
    }
    // Half of a binding is none.
    for (ds_domain, group_id) in [(domain(C), of.clone()), (domain(A), group(C, 1))] {
        let content = scene.client.content(Binding::Bound { ds_domain, group_id }, NOW + DAY);
        let key = scene.client.config_key.clone();
        let config = scene.client.seal(content, &key);
        assert_eq!(scene.outcome(&of, &config), Outcome::Marked(GapReason::NotAuthorised));
    }
    assert_eq!(scene.outcome(&of, &config), Outcome::Delivered);
}

#[test]
fn an_unbound_configuration_takes_a_welcome_and_then_that_groups_messages() {
    let mut scene = scene();
    let (invited, other) = (group(A, 1), group(A, 2));
    let config = scene.client.unbound();
    assert_eq!(scene.outcome(&invited, &config), Outcome::Marked(GapReason::NotAuthorised));
    let receipt = FanOutContent::Receipt(Receipt { request_id: RequestId([1; 16]), epoch: 1 });
    let found = scene.deliver(&invited, receipt, &config);
    assert_eq!(Outcome::of(&found), Outcome::Marked(GapReason::NotAuthorised));
    assert_eq!(Outcome::of(&scene.deliver(&invited, welcome(), &config)), Outcome::Delivered);
    assert_eq!(scene.outcome(&invited, &config), Outcome::Delivered);
    assert_eq!(scene.outcome(&other, &config), Outcome::Marked(GapReason::NotAuthorised));
    // A foreign homeserver cannot use the pin: neither for a group of its own with the same number, nor for
    // that group.
    let foreign = GroupId { domain: domain(C), ..invited.clone() };
    assert_eq!(scene.outcome(&foreign, &config), Outcome::Marked(GapReason::NotAuthorised));
    assert_eq!(scene.outcome(&invited, &config), Outcome::Delivered);
}

#[test]
fn a_pin_does_not_outlive_its_configuration() {
    let mut scene = scene();
    let group = group(A, 1);
    let content = scene.client.content(Binding::Unbound, NOW + 2 * HOUR);
    let key = scene.client.config_key.clone();
    let config = scene.client.seal(content, &key);
    assert_eq!(Outcome::of(&scene.deliver(&group, welcome(), &config)), Outcome::Delivered);
    scene.world.now = NOW + 3 * HOUR;
    assert_eq!(scene.outcome(&group, &config), Outcome::Marked(GapReason::Expired));
}

/// One unbound configuration takes Welcomes for any number of groups.
#[test]
fn no_homeserver_drives_out_the_pins_of_another() {
    let mut scene = scene();
    let honest = group(C, 1);
    let config = scene.client.unbound();
    assert_eq!(Outcome::of(&scene.deliver(&honest, welcome(), &config)), Outcome::Delivered);
    let flood = scene.client.content(Binding::Unbound, NOW).pinned_domain(&domain(A));
    let id = scene.client.id;
    scene.world.perform(&domain(B), move |transaction| {
        let mut record: QsClient = transaction.get(&id)?.unwrap();
        for number in 0..=u8::MAX {
            for other in 0..=u8::MAX {
                let group = [[number; 16], [other; 16]].concat().try_into().unwrap();
                let _ = record.pinned.push(Pin { group, domain: flood });
            }
        }
        transaction.put(&id, &record);
        Ok(())
    });
    for number in 1..4 {
        let flood = group(A, number);
        assert_eq!(Outcome::of(&scene.deliver(&flood, welcome(), &config)), Outcome::Delivered);
        assert_eq!(scene.outcome(&flood, &config), Outcome::Delivered, "the newest stays");
    }
    assert_eq!(scene.outcome(&honest, &config), Outcome::Delivered);
}

#[test]
fn an_expired_configuration_leaves_a_marker() {
    let mut scene = scene();
    let group = group(A, 1);
    let binding = Binding::Bound { ds_domain: domain(A), group_id: group.clone() };
    let (content, key) = (scene.client.content(binding, NOW + HOUR), scene.client.config_key.clone());
    let config = scene.client.seal(content, &key);
    scene.world.now = NOW + HOUR;
    assert_eq!(scene.outcome(&group, &config), Outcome::Delivered);
    scene.world.now = NOW + HOUR + std::time::Duration::from_millis(1);
    assert_eq!(scene.outcome(&group, &config), Outcome::Marked(GapReason::Expired));
}

#[test]
fn what_the_client_did_not_sign_concerns_nobody() {
    let mut scene = scene();
    let group = group(A, 1);
    let binding = Binding::Bound { ds_domain: domain(A), group_id: group.clone() };
    let content = scene.client.content(binding, NOW + DAY);
    for forger in [SigningKey::from_bytes(&[1; 32]), scene.client.key.clone()] {
        let config = scene.client.seal(content.clone(), &forger);
        assert_eq!(scene.outcome(&group, &config), Outcome::Nothing);
    }
    // Not even once it was seen with another key: what is kept of it is bound to the key.
    let mut garbage = scene.client.bound(&group);
    garbage.sealed.ciphertext = vec![3; 200].try_into().unwrap();
    assert_eq!(scene.outcome(&group, &garbage), Outcome::Nothing);
    let mut elsewhere = scene.client.bound(&group);
    elsewhere.key_id = crate::credentials::KeyId([1; 8]);
    assert_eq!(scene.outcome(&group, &elsewhere), Outcome::Nothing);
    let good = scene.client.bound(&group);
    assert_eq!(scene.outcome(&group, &good), Outcome::Delivered);
}

#[test]
fn a_blocked_group_is_silent_whatever_else_is_wrong() {
    let mut scene = scene();
    let (blocked, other) = (group(A, 1), group(A, 2));
    let config = scene.client.bound(&blocked);
    let binding = Binding::Bound { ds_domain: domain(A), group_id: blocked.clone() };
    let (expired, key) = (scene.client.content(binding, NOW), scene.client.config_key.clone());
    let expired = scene.client.seal(expired, &key);
    let foreign = scene.client.bound(&other);
    scene.client.block(&mut scene.world, &blocked);
    scene.world.now = NOW + HOUR;
    for config in [config, expired, foreign.clone()] {
        assert_eq!(scene.outcome(&blocked, &config), Outcome::Nothing);
    }
    assert_eq!(Outcome::of(&scene.deliver(&blocked, FanOutContent::Dropped, &foreign)), Outcome::Nothing);
    assert_eq!(scene.outcome(&other, &foreign), Outcome::Delivered);
}

#[test]
fn a_recipient_that_names_no_content_concerns_nobody() {
    let mut scene = scene();
    let group = group(A, 1);
    let config = scene.client.bound(&group);
    let mut odd = message(&group, 0, mls_message(&group), &[config]);
    odd.recipients[0].content = 7;
    scene.world.send(odd);
    assert!(scene.world.settle(LONG));
    assert_eq!(scene.client.dequeue(&mut scene.world), []);
}
