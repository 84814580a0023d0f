//! PROTOCOL.md §11.3 — what a request has paid counts when it comes back.

use super::{create_group, joined, network::Network, three_users};
use crate::wire::operations::OperationKind;

/// The homeserver of the group cannot ask the other one for its keys: the client waits as it is told, sends the same
/// bytes, and spends one token.
#[test]
fn an_invitation_that_waits_for_another_homeserver_costs_one_token() {
    let mut network = Network::new(48, &["one.example", "two.example"]);
    let [first, _, third] = three_users(&mut network);
    let invited = network.user(third);
    network.world.faults.intercepted = Some(OperationKind::GetQsKeys);
    network.insist(first, |client| client.connect(invited.clone())).unwrap();
    network.settle(|network| network.clients[first].contacts() == [invited.clone()]);
    let group = create_group(&mut network, first);
    let home = network.user(first).domain;
    network.clients[first].stock_tokens(&home, 10);
    network.pass(10_000);
    let before = network.clients[first].state.token_count(&home);
    let task = network.clients[first].invite(&group, std::slice::from_ref(&invited));
    network.pass(90_000);
    assert!(network.requests(OperationKind::AddUsers) > 1, "it was told to come back");
    network.world.faults.intercepted = None;
    network.finish(first, task).unwrap();
    assert_eq!(before - network.clients[first].state.token_count(&home), 1);
    network.settle(|network| joined(network, third, &group));
    network.assert_untroubled();
}
