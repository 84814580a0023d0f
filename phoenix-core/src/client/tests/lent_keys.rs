//! PROTOCOL.md §12 — what a client lends is what homeservers know it by.

use super::{group_of_three, network::Network};
use crate::{
    client::{LentGroup, LentKeys},
    codec::encode,
    crypto::sign::SigningKey,
    error::Refusal,
    forgery::sign_request,
    identifiers::{GroupId, RequestId},
    wire::{
        delivery_service::{ExternalCommitInfo, ExternalCommitInfoReply, GroupAccess},
        envelope::{RequestEnvelope, ResponseEnvelope, Sender},
        operations::OperationKind,
        queuing_service::Listen,
    },
};

fn lent(network: &Network, user: usize, group: &GroupId) -> (LentKeys, usize) {
    let keys = network.clients[user].lend_keys().unwrap();
    let index = keys.groups.iter().position(|lent| lent.group_id == *group).unwrap();
    (keys, index)
}

/// Returns what the group's homeserver answers to a question of a member who signs with `key`.
fn question(network: &mut Network, of: &LentGroup, key: &SigningKey) -> Refusal {
    let group = GroupAccess { group_id: of.group_id.clone(), group_key: of.group_key.clone() };
    let domain = of.group_id.domain.clone();
    let (now, body) = (network.world.now, ExternalCommitInfo { group });
    let mut envelope =
        RequestEnvelope::to(domain.clone(), now, RequestId([1; 16]), &body).unsigned().unwrap();
    sign_request(&mut envelope, &Sender::Leaf(of.leaf), key);
    let answer = network.ask(&domain, &encode(&envelope)).unwrap();
    ResponseEnvelope::read::<ExternalCommitInfoReply>(&answer).unwrap().unwrap_err()
}

#[test]
fn lent_keys_are_those_that_homeservers_know() {
    let mut network = Network::new(41, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    for user in users {
        let (keys, index) = lent(&network, user, &group);
        let (other, _) = lent(&network, users[(user + 1) % 3], &group);
        let membership = &keys.groups[index];
        assert!(!membership.is_changing);
        // Signed by its owner, the question only lacks a token.
        assert_eq!(question(&mut network, membership, &membership.leaf_key), Refusal::TokenNeeded);
        assert_eq!(question(&mut network, membership, &other.client_key), Refusal::Unauthenticated);

        let domain = keys.client_id.user_id.domain.clone();
        let now = network.world.now;
        let mut listen =
            RequestEnvelope::to(domain.clone(), now, RequestId([2; 16]), &Listen {}).unsigned().unwrap();
        for (key, served) in [(&other.queue_key, false), (&keys.queue_key, true)] {
            sign_request(&mut listen, &Sender::QsClient(keys.qs_client), key);
            let answer = network.ask(&domain, &encode(&listen)).unwrap();
            assert_eq!(ResponseEnvelope::refusal(&answer).is_none(), served);
        }
    }
}

#[test]
fn a_membership_is_changing_while_a_commit_is_under_way() {
    let mut network = Network::new(42, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    network.withhold(OperationKind::UpdateClient);
    network.clients[users[1]].update(&group);
    network.pass(5_000);
    let (keys, index) = lent(&network, users[1], &group);
    assert!(keys.groups[index].is_changing, "the delivery service may know another key");
}

#[test]
fn who_is_not_registered_lends_nothing() {
    let mut network = Network::new(43, &["one.example"]);
    let user = network.client("one.example", |_| {});
    assert!(network.clients[user].lend_keys().is_none());
}
