//! Twelve requests race on three groups, on two nodes, with conflicts and unknown outcomes: no order of their
//! steps forks a group.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{ops::Range, sync::atomic::AtomicU64, time::Duration};

use phoenix_core::{
    client::{Client, Output},
    dispatch::Input,
    homeserver::Homeserver,
    operation::{Ask, Outcome},
    rng::Random,
    store::{Commit, Reads, Settlement, commit::Rows},
    time::Timestamp,
    wire::{envelope::RequestEnvelope, operations::OperationKind},
};
use phoenix_sim::{
    disk::{Disk, StoreFaults},
    generate, interpose,
    network::PerThousand,
    node::{Node, OperationId, Work},
    oracle::{Violation, order::Order},
    plan::{Action, Cryptography, Intent, Plan, Settings},
    schedule::Schedule,
    world::World,
};

const SEEDS: u64 = 1_000;
const GROUPS: usize = 3;
const MEMBERS: usize = 4;

/// A homeserver with three groups of four members, and a request of each member to each group.
struct Prepared {
    homeservers: [Homeserver; 2],
    disk: Disk,
    requests: Vec<Vec<u8>>,
    now: Timestamp,
}

fn plan() -> Plan {
    let settings = Settings {
        seed: 1,
        servers: 1,
        users: MEMBERS,
        messages: 0,
        span: None,
        plant: None,
        cryptography: Cryptography::Real,
    };
    let mut plan = generate::plain(&settings);
    let intent =
        |seconds: u64, user: usize, action: Action| Intent { at: Duration::from_secs(seconds), user, action };
    plan.intents = (0..MEMBERS).map(|user| intent(1, user, Action::Register)).collect();
    for other in 1..MEMBERS {
        plan.intents.push(intent(10, 0, Action::Connect { other }));
        plan.intents.extend((0..GROUPS).map(|group| intent(30, 0, Action::Invite { group, other })));
    }
    plan.intents.extend((0..GROUPS).map(|group| intent(20, 0, Action::CreateGroup { group })));
    plan.faults.clear();
    plan.attempts.clear();
    plan.loans.clear();
    plan.network = plan.network.without_faults();
    plan.store_faults = StoreFaults::none();
    plan.faults_end = Duration::from_secs(60);
    plan
}

fn prepare() -> Prepared {
    let mut world = World::new(plan());
    world.run(&AtomicU64::new(0));
    assert_eq!(world.failure(), None);
    let server = &world.servers()[0];
    let homeservers = [server.homeserver(0), server.homeserver(1)];
    let mut disk = server.disk.clone();
    let now = server.skew.reads(world.clock().now());
    let mut requests = Vec::new();
    for (number, user) in world.users_mut().iter_mut().enumerate() {
        let client = user.client.as_mut().unwrap();
        for view in client.groups().iter().filter(|view| !view.connection) {
            if number % 2 == 0 {
                client.update(&view.group_id);
            } else {
                client.send(&view.group_id, b"at the same time");
            }
        }
        collect(client, &homeservers[0], &mut disk, now, &mut requests);
    }
    assert_eq!(requests.len(), GROUPS * MEMBERS);
    Prepared { homeservers, disk, requests, now }
}

/// Collects the requests that are to race. What the client has to ask before, is served.
fn collect(
    client: &mut Client,
    homeserver: &Homeserver,
    disk: &mut Disk,
    now: Timestamp,
    requests: &mut Vec<Vec<u8>>,
) {
    while let Some(output) = client.poll(now) {
        let exchange = match output {
            Output::Request(exchange) => exchange,
            Output::Save(save) => {
                client.saved(save.id, Ok(()));
                continue;
            }
            Output::Event(..) | Output::Stopped => continue,
        };
        let (kind, _) = RequestEnvelope::read(&exchange.request).unwrap();
        if matches!(kind, OperationKind::UpdateClient | OperationKind::SendMessage) {
            requests.push(exchange.request);
        } else {
            let answer = serve(homeserver, disk, &exchange.request, now);
            client.respond(exchange.id, Ok(answer), now);
        }
    }
}

/// Serves one request by itself.
fn serve(homeserver: &Homeserver, disk: &mut Disk, request: &[u8], now: Timestamp) -> Vec<u8> {
    let mut node = Node::new(homeserver.clone());
    let mut work = node.accept(Input::Request(request), now, [7; 32], ());
    loop {
        work = match work.pop().unwrap() {
            Work::Read { operation, reads } => node.supply(operation, Some(disk.rows.read(&reads))),
            Work::Commit { operation, commit } => node.settle(operation, disk.commit(&commit)),
            Work::Done { outcome: Outcome { reply, .. }, .. } => return reply.unwrap(),
            Work::Ask(Ask { domain, .. }) => panic!("no peer has to be asked, but {domain} is"),
            Work::Buffered => panic!("no bug is planted"),
        }
    }
}

/// What happens in a race. Requests and nodes are named by their index.
enum Event {
    Begin { request: usize },
    Supply { node: usize, operation: OperationId, reads: Reads, early: Rows },
    Apply { node: usize, operation: OperationId, commit: Commit },
    Settle { node: usize, operation: OperationId, settlement: Settlement },
}

/// One race of all requests.
struct Race<'a> {
    prepared: &'a Prepared,
    nodes: [Node<usize>; 2],
    disk: Disk,
    schedule: Schedule<Event>,
    random: Random,
    store_faults: StoreFaults,
    now: Timestamp,
    order: Order,
    served: usize,
}

impl<'a> Race<'a> {
    fn new(prepared: &'a Prepared, seed: u64, ignores_expectations: bool) -> Self {
        let mut random = Random::derive(&generate::seed_bytes(seed), "race", &[]);
        let mut schedule = Schedule::default();
        for request in 0..prepared.requests.len() {
            schedule.add(
                Timestamp::default() + Duration::from_millis(random.below(20)),
                0,
                Event::Begin { request },
            );
        }
        let nodes = [0, 1].map(|number: usize| Node::new(prepared.homeservers[number].clone()));
        let store_faults = StoreFaults {
            conflicts: PerThousand(100),
            unknown: PerThousand(100),
            unreadable: PerThousand(0),
            latency: Duration::from_millis(12),
        };
        let mut disk = prepared.disk.clone();
        disk.ignores_expectations = ignores_expectations;
        let order = Order::default();
        Self {
            prepared,
            nodes,
            disk,
            schedule,
            random,
            store_faults,
            now: Timestamp::default(),
            order,
            served: 0,
        }
    }

    fn run(mut self) -> Result<(), Violation> {
        while let Some(scheduled) = self.schedule.take() {
            self.now = scheduled.due;
            let (node, work) = match scheduled.event {
                Event::Begin { request } => {
                    let node = self.random.below(2) as usize;
                    let (now, seed) = (self.prepared.now, self.random.array());
                    let input = Input::Request(&self.prepared.requests[request]);
                    (node, self.nodes[node].accept(input, now, seed, request))
                }
                Event::Supply { node, operation, reads, early: mut rows } => {
                    // Each row as it was when the store was asked, or as it is now.
                    for (late, row) in self.disk.rows.read(&reads).rows.into_iter().zip(&mut rows.rows) {
                        if self.random.below(2) == 0 {
                            *row = late;
                        }
                    }
                    (node, self.nodes[node].supply(operation, Some(rows)))
                }
                Event::Apply { node, operation, commit } => {
                    let fate = self.store_faults.fate(&mut self.random);
                    let settlement = fate.carry_out(&mut self.disk, &commit);
                    self.later(Event::Settle { node, operation, settlement });
                    continue;
                }
                Event::Settle { node, operation, settlement } => {
                    (node, self.nodes[node].settle(operation, settlement))
                }
            };
            self.carry_out(node, work)?;
        }
        assert_eq!(self.served, self.prepared.requests.len());
        Ok(())
    }

    fn later(&mut self, event: Event) {
        let delay = self.store_faults.latency(&mut self.random);
        self.schedule.add(self.now + delay, 0, event);
    }

    fn carry_out(&mut self, node: usize, work: Vec<Work<usize>>) -> Result<(), Violation> {
        for work in work {
            match work {
                Work::Read { operation, reads } => {
                    let early = self.disk.rows.read(&reads);
                    self.later(Event::Supply { node, operation, reads, early });
                }
                Work::Commit { operation, commit } => self.later(Event::Apply { node, operation, commit }),
                Work::Done { origin: request, outcome, .. } => {
                    self.served += 1;
                    let reply = outcome.reply.unwrap();
                    self.order.answered(&self.prepared.requests[request], &reply, self.served as u64)?;
                }
                Work::Ask(Ask { domain, .. }) => panic!("no peer has to be asked, but {domain} is"),
                Work::Buffered => panic!("no bug is planted"),
            }
        }
        Ok(())
    }
}

/// Asserts that no race of these seeds forks a group.
fn assert_no_race_forks(seeds: Range<u64>) {
    interpose::in_world(1, || {
        let prepared = prepare();
        for seed in seeds {
            let outcome = Race::new(&prepared, seed, false).run();
            assert_eq!(outcome, Ok(()), "seed {seed}");
        }
    })
    .unwrap();
}

#[test]
fn no_order_of_steps_forks_a_group() {
    assert_no_race_forks(0..SEEDS / 2);
}

#[test]
fn no_order_of_steps_forks_a_group_in_the_other_half_of_the_seeds() {
    assert_no_race_forks(SEEDS / 2..SEEDS);
}

#[test]
fn a_store_that_ignores_expectations_forks_a_group() {
    interpose::in_world(1, || {
        let prepared = prepare();
        let fork = (0..SEEDS).find_map(|seed| Race::new(&prepared, seed, true).run().err());
        assert_eq!(fork.unwrap().oracle, "order");
    })
    .unwrap();
}
