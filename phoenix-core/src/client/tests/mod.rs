//! PROTOCOL.md §11 — clients against homeservers, from registration to messages in both directions.

mod dishonest;
mod vectors;
mod world;

use self::world::{Outage, World};
use super::{Client, ClientError, Event};
use crate::{
    error::Refusal,
    identifiers::{Domain, GroupId},
    time::DAY,
    wire::{envelope::ResponseEnvelope, message::Done, operations::OperationKind},
};

/// Returns three registered users: two at one homeserver, the third at another.
fn three_users(world: &mut World) -> [usize; 3] {
    let users = ["one.example", "one.example", "two.example"].map(|domain| world.client(domain, |_| {}));
    for user in users {
        let task = world.clients[user].register(b"a password");
        world.finish(user, task).unwrap();
        assert!(world.events[user].contains(&Event::Registered));
        assert!(world.clients[user].qs_client().is_some());
    }
    users
}

/// Connects the first with both others.
fn connect(world: &mut World, [first, second, third]: [usize; 3]) {
    for other in [second, third] {
        let user = world.user(other);
        let task = world.clients[first].connect(user);
        world.finish(first, task).unwrap();
    }
    world.settle(|world| {
        [second, third].iter().all(|other| world.clients[*other].contacts() == [world.user(first)])
            && world.clients[first].contacts().len() == 2
    });
}

/// Has `creator` create a group.
fn create_group(world: &mut World, creator: usize) -> GroupId {
    let task = world.clients[creator].create_group();
    world.finish(creator, task).unwrap();
    let created = world.events[creator].iter().rev().find_map(|event| match event {
        Event::GroupCreated(id) => Some(id.clone()),
        _ => None,
    });
    created.unwrap()
}

fn joined(world: &World, client: usize, group: &GroupId) -> bool {
    world.events[client].contains(&Event::Joined(group.clone()))
}

/// Asserts that all hold the same secret in the same epoch, are healthy and see the same members.
fn assert_agreement(world: &World, clients: &[usize], group: &GroupId) {
    world.assert_untroubled();
    let views: Vec<_> = clients
        .iter()
        .map(|client| {
            let groups = world.clients[*client].groups();
            groups.into_iter().find(|view| view.group_id == *group).unwrap()
        })
        .collect();
    for view in &views {
        assert!(view.healthy, "{view:?}");
        assert_eq!(view.members.len(), clients.len());
        assert_eq!(view.epoch_authenticator, views[0].epoch_authenticator);
        assert_eq!((view.epoch, &view.members), (views[0].epoch, &views[0].members));
    }
}

#[test]
fn from_registration_to_messages_across_homeservers() {
    let mut world = World::new(1, &["one.example", "two.example"]);
    let users = three_users(&mut world);
    let [first, second, third] = users;
    connect(&mut world, users);
    let group = create_group(&mut world, first);
    let invited = [world.user(second), world.user(third)];
    let task = world.clients[first].invite(&group, &invited);
    world.finish(first, task).unwrap();
    world.settle(|world| joined(world, second, &group) && joined(world, third, &group));
    assert_agreement(&world, &users, &group);

    let mut sent = Vec::new();
    for round in 0..3 {
        for user in users {
            let text = format!("message {round} of {user}").into_bytes();
            let task = world.clients[user].send(&group, &text);
            world.finish(user, task).unwrap();
            sent.push(text);
        }
    }
    world.settle(|world| users.iter().all(|user| world.messages(*user, &group).len() == sent.len()));
    for user in users {
        let texts: Vec<_> = world.messages(user, &group).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, sent);
    }

    // Renewing keys changes the epoch for all, and messages go on.
    for user in users {
        let task = world.clients[user].update(&group);
        world.finish(user, task).unwrap();
    }
    world.settle(|world| {
        let epoch =
            |user: usize| world.clients[user].groups().into_iter().find(|view| view.group_id == group);
        users.iter().all(|user| epoch(*user).is_some_and(|view| view.epoch == 4))
    });
    assert_agreement(&world, &users, &group);
}

#[test]
fn what_is_held_is_read_at_once_and_followed_later() {
    let mut world = World::new(9, &["one.example", "two.example"]);
    let users = three_users(&mut world);
    connect(&mut world, users);
    let group = create_group(&mut world, users[0]);
    let reader = users[2];
    let invited = [world.user(reader)];
    let task = world.clients[users[0]].invite(&group, &invited);
    world.finish(users[0], task).unwrap();
    world.settle(|world| joined(world, reader, &group));
    world.clients[reader].hold_deliveries(true);
    for text in [b"1", b"2", b"3"] {
        let task = world.clients[users[0]].send(&group, text);
        world.finish(users[0], task).unwrap();
    }
    for _ in 0..3 {
        let task = world.clients[reader].read_queues();
        world.finish(reader, task).unwrap();
        world.pass(1000);
    }
    assert_eq!(world.messages(reader, &group), []);
    world.clients[reader].hold_deliveries(false);
    world.settle(|world| world.messages(reader, &group).len() == 3);
    let texts: Vec<_> = world.messages(reader, &group).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, [b"1", b"2", b"3"]);
}

#[test]
fn tokens_in_stock_need_not_be_fetched() {
    let mut world = World::new(10, &["one.example"]);
    let user = world.client("one.example", |config| config.tokens_per_batch = 10);
    let task = world.clients[user].register(b"a password");
    world.finish(user, task).unwrap();
    let domain = world.user(user).domain;
    let task = world.clients[user].stock_tokens(&domain, 25);
    world.finish(user, task).unwrap();
    let group = create_group(&mut world, user);
    let issued = world.requests(OperationKind::IssueTokens);
    for _ in 0..20 {
        let task = world.clients[user].send(&group, b"text");
        world.finish(user, task).unwrap();
    }
    assert_eq!(world.requests(OperationKind::IssueTokens), issued);
}

#[test]
fn commits_and_messages_of_all_at_once() {
    let mut world = World::new(2, &["one.example", "two.example"]);
    let users = three_users(&mut world);
    let [first, second, third] = users;
    connect(&mut world, users);
    let group = create_group(&mut world, first);
    let invited = [world.user(second), world.user(third)];
    let task = world.clients[first].invite(&group, &invited);
    world.finish(first, task).unwrap();
    world.settle(|world| joined(world, second, &group) && joined(world, third, &group));

    let mut tasks = Vec::new();
    for round in 0..4 {
        for user in users {
            tasks.push((user, world.clients[user].update(&group)));
            let text = format!("{round} of {user}");
            tasks.push((user, world.clients[user].send(&group, text.as_bytes())));
        }
    }
    for (user, task) in tasks {
        world.finish(user, task).unwrap();
    }
    world.settle(|world| users.iter().all(|user| world.messages(*user, &group).len() == 12));
    assert_agreement(&world, &users, &group);
    for user in users {
        assert_eq!(world.messages(user, &group), world.messages(first, &group));
    }
}

#[test]
fn lost_requests_and_answers_lose_nothing_and_double_nothing() {
    for seed in 3..6 {
        let mut world = World::new(seed, &["one.example", "two.example"]);
        world.loss = 20;
        let users = three_users(&mut world);
        let [first, second, third] = users;
        connect(&mut world, users);
        let group = create_group(&mut world, first);
        for invited in [second, third] {
            let invited = [world.user(invited)];
            let task = world.clients[first].invite(&group, &invited);
            world.finish(first, task).unwrap();
        }
        world.settle(|world| joined(world, second, &group) && joined(world, third, &group));
        let mut tasks = Vec::new();
        for round in 0..4 {
            for user in users {
                let text = format!("{round} of {user}");
                tasks.push((user, world.clients[user].send(&group, text.as_bytes())));
                if round == 2 {
                    tasks.push((user, world.clients[user].update(&group)));
                }
            }
        }
        for (user, task) in tasks {
            world.finish(user, task).unwrap();
        }
        world.settle(|world| users.iter().all(|user| world.messages(*user, &group).len() == 12));
        assert!(world.lost > 20);
        assert_agreement(&world, &users, &group);
        for user in users {
            assert_eq!(world.messages(user, &group), world.messages(first, &group));
        }
    }
}

#[test]
fn a_homeserver_that_is_down_holds_up_no_one_else_and_catches_up() {
    let mut world = World::new(7, &["one.example", "two.example"]);
    let users = three_users(&mut world);
    let [first, second, third] = users;
    connect(&mut world, users);
    let group = create_group(&mut world, first);
    let invited = [world.user(second), world.user(third)];
    let task = world.clients[first].invite(&group, &invited);
    world.finish(first, task).unwrap();
    world.settle(|world| joined(world, second, &group) && joined(world, third, &group));

    world.servers.down = ["two.example".parse().unwrap()].into();
    for text in [b"one", b"two"] {
        let task = world.clients[first].send(&group, text);
        world.finish(first, task).unwrap();
    }
    let task = world.clients[first].update(&group);
    world.finish(first, task).unwrap();
    let task = world.clients[second].read_queues();
    world.finish(second, task).unwrap();
    assert_eq!(world.messages(second, &group).len(), 2);

    // Down for longer than a request is valid: reading fails, visibly.
    let reading = world.clients[third].read_queues();
    assert!(world.finish(third, reading).is_err());
    world.servers.down.clear();
    world.settle(|world| world.messages(third, &group).len() == 2);
    world.settle(|world| {
        let view = world.clients[third].groups().into_iter().find(|view| view.group_id == group);
        view.is_some_and(|view| view.epoch == 2)
    });
    assert_agreement(&world, &users, &group);
}

#[test]
fn the_same_seed_gives_the_same_requests() {
    let now = world::system_time();
    let traces = [8, 8, 9].map(|seed| {
        let mut world = World::starting(now, seed, &["one.example", "two.example"]);
        world.loss = 10;
        let users = three_users(&mut world);
        connect(&mut world, users);
        let group = create_group(&mut world, users[0]);
        let invited = [world.user(users[1]), world.user(users[2])];
        let task = world.clients[users[0]].invite(&group, &invited);
        world.finish(users[0], task).unwrap();
        world.settle(|world| joined(world, users[1], &group) && joined(world, users[2], &group));
        world.trace
    });
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

#[test]
fn who_does_not_accept_by_itself_is_asked() {
    let mut world = World::new(10, &["one.example", "two.example"]);
    let first = world.client("one.example", |_| {});
    let second = world.client("two.example", |config| config.auto_accept = false);
    for user in [first, second] {
        let task = world.clients[user].register(b"a password");
        world.finish(user, task).unwrap();
    }
    let (asker, asked) = (world.user(first), world.user(second));
    let task = world.clients[first].connect(asked.clone());
    world.finish(first, task).unwrap();
    world.settle(|world| world.events[second].contains(&Event::ConnectionRequested(asker.clone())));
    assert!(world.clients[first].contacts().is_empty());
    let task = world.clients[second].accept(asker);
    world.finish(second, task).unwrap();
    world.settle(|world| world.events[first].contains(&Event::Connected(asked.clone())));
    world.assert_untroubled();
}

#[test]
fn what_cannot_be_done_says_so() {
    let mut world = World::new(11, &["one.example", "two.example"]);
    let users = three_users(&mut world);
    let group = create_group(&mut world, users[0]);
    let stranger = world.user(users[2]);
    let task = world.clients[users[0]].invite(&group, std::slice::from_ref(&stranger));
    assert_eq!(world.finish(users[0], task), Err(ClientError::NotAContact(stranger)));
    let task = world.clients[users[1]].send(&group, b"from outside");
    assert_eq!(world.finish(users[1], task), Err(ClientError::UnknownGroup));
    connect(&mut world, users);
    let contact = world.user(users[1]);
    for expected in [Ok(()), Err(ClientError::AlreadyMember(contact.clone()))] {
        let task = world.clients[users[0]].invite(&group, std::slice::from_ref(&contact));
        assert_eq!(world.finish(users[0], task), expected);
    }
    // Only admins invite, and the delivery service knows who they are.
    world.settle(|world| joined(world, users[1], &group));
    let creator = world.user(users[0]);
    let task = world.clients[users[1]].invite(&group, std::slice::from_ref(&creator));
    assert_eq!(world.finish(users[1], task), Err(ClientError::AlreadyMember(creator)));
}

/// No answer comes for as long as a request is valid, so its outcome is known only afterwards.
#[test]
fn an_unknown_outcome_is_found_out_and_nothing_is_done_twice() {
    for outage in [Outage::Requests, Outage::Answers] {
        let mut world = World::new(12, &["one.example", "two.example"]);
        let users = three_users(&mut world);
        let [first, second, third] = users;
        connect(&mut world, users);
        let group = create_group(&mut world, first);
        let invited = [world.user(second), world.user(third)];
        let task = world.clients[first].invite(&group, &invited);
        world.finish(first, task).unwrap();
        world.settle(|world| joined(world, second, &group) && joined(world, third, &group));

        world.outage = Some(outage);
        let message = world.clients[first].send(&group, b"perhaps");
        let commit = world.clients[third].update(&group);
        for (user, task) in [(first, message), (third, commit)] {
            assert!(matches!(world.finish(user, task), Err(ClientError::Unanswered { .. })));
        }
        world.outage = None;
        for user in [third, first, second] {
            let task = world.clients[user].send(&group, b"certainly");
            world.finish(user, task).unwrap();
        }
        let expected = if outage == Outage::Answers { 4 } else { 3 };
        world.settle(|world| users.iter().all(|user| world.messages(*user, &group).len() == expected));
        assert_agreement(&world, &users, &group);
        let view = world.clients[first].groups().into_iter().find(|view| view.group_id == group);
        assert_eq!(view.map(|view| view.epoch), Some(2));
        for user in users {
            assert_eq!(world.messages(user, &group), world.messages(first, &group));
        }
    }
}

#[test]
fn who_has_a_queue_can_listen_to_it() {
    let mut world = World::new(13, &["one.example", "two.example"]);
    let [home, away] = ["one.example", "two.example"].map(|domain| domain.parse::<Domain>().unwrap());
    let user = world.client("one.example", |_| {});
    assert_eq!(world.clients[user].listen(), None, "there is no queue yet");
    let task = world.clients[user].register(b"a password");
    world.finish(user, task).unwrap();

    let listen = |world: &mut World, domain: &Domain| {
        let request = world.clients[user].listen().unwrap();
        ResponseEnvelope::read::<Done>(&world.ask(domain, &request).unwrap()).unwrap()
    };
    assert_eq!(listen(&mut world, &home), Ok(Done));
    let client = world.clients[user].qs_client().unwrap();
    assert_eq!(world.listening, [client]);
    assert_eq!(listen(&mut world, &away), Err(Refusal::WrongHomeserver));

    // The client does not know yet how late it is.
    world.now = world.now + DAY;
    assert_eq!(listen(&mut world, &home), Err(Refusal::OutsideTimeWindow { now: world.now }));
    assert_eq!(world.listening, [client]);
    assert_eq!(world.clients[user].poll(world.now), None);
    assert_eq!(listen(&mut world, &home), Ok(Done));
    assert_eq!(world.listening, [client, client]);
}

#[test]
fn clients_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<Client>();
}
