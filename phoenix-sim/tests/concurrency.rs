//! Twelve requests on three groups at once, on two nodes, with contention and unknown outcomes: whatever the
//! order of their steps, no group forks.
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
    clock::START,
    disk::{Disk, Trouble},
    generate, interpose,
    network::PerThousand,
    node::{Node, OperationId, Work},
    oracle::{Violation, order::Order},
    plan::{Action, Intent, Plan, Settings},
    schedule::Schedule,
    world::World,
};

const SEEDS: u64 = 1_000;
const GROUPS: usize = 3;
const MEMBERS: usize = 4;

/// Three groups of four as they are when all is quiet, and a request of each member to each of its groups.
struct Prepared {
    homeservers: [Homeserver; 2],
    disk: Disk,
    requests: Vec<Vec<u8>>,
    now: Timestamp,
}

fn plan() -> Plan {
    let settings = Settings { seed: 1, servers: 1, users: MEMBERS, messages: 0, plant: None };
    let mut plan = generate::plan(&settings);
    let intent =
        |seconds: u64, user: usize, action: Action| Intent { at: Duration::from_secs(seconds), user, action };
    plan.intents = (0..MEMBERS).map(|user| intent(1, user, Action::Register)).collect();
    for other in 1..MEMBERS {
        plan.intents.push(intent(10, 0, Action::Connect(other)));
        plan.intents.extend((0..GROUPS).map(|group| intent(30, 0, Action::Invite(group, other))));
    }
    plan.intents.extend((0..GROUPS).map(|group| intent(20, 0, Action::CreateGroup(group))));
    plan.faults.clear();
    plan.attempts.clear();
    plan.network = plan.network.calm();
    plan.trouble = Trouble::none();
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
        for view in user.client.groups().iter().filter(|view| !view.connection) {
            if number % 2 == 0 {
                user.client.update(&view.group_id);
            } else {
                user.client.send(&view.group_id, b"at the same time");
            }
        }
        collect(&mut user.client, (&homeservers[0], &mut disk), now, &mut requests);
    }
    assert_eq!(requests.len(), GROUPS * MEMBERS);
    Prepared { homeservers, disk, requests, now }
}

/// Takes the requests that are to compete; what a client needs before that, it gets.
fn collect(
    client: &mut Client,
    server: (&Homeserver, &mut Disk),
    now: Timestamp,
    requests: &mut Vec<Vec<u8>>,
) {
    let (homeserver, disk) = server;
    while let Some(output) = client.poll(now) {
        let Output::Request(exchange) = output else { continue };
        let (kind, _) = RequestEnvelope::read(&exchange.request).unwrap();
        if matches!(kind, OperationKind::UpdateClient | OperationKind::SendMessage) {
            requests.push(exchange.request);
        } else {
            let answer = serve(homeserver, disk, &exchange.request, now);
            client.respond(exchange.id, Ok(answer), now);
        }
    }
}

/// Serves one request without anything in its way.
fn serve(homeserver: &Homeserver, disk: &mut Disk, request: &[u8], now: Timestamp) -> Vec<u8> {
    let mut node = Node::new(homeserver.clone());
    let mut work = node.accept(Input::Request(request), (now, [7; 32]), ());
    loop {
        work = match work.pop().unwrap() {
            Work::Read(id, reads) => node.supply(id, Some(disk.read(&reads))),
            Work::Commit(id, commit) => node.settle(id, disk.commit(&commit)),
            Work::Done((), Outcome { reply, .. }) => return reply.unwrap(),
            Work::Ask(Ask { domain, .. }) => panic!("nobody is asked, not even {domain}"),
            Work::Buffered => panic!("no bug is planted"),
        }
    }
}

/// What happens in a race.
enum Event {
    Begin(usize),
    Supply(usize, OperationId, Reads, Rows),
    Apply(usize, OperationId, Commit),
    Settle(usize, OperationId, Settlement),
}

/// One race of all requests.
struct Race<'a> {
    prepared: &'a Prepared,
    nodes: [Node<usize>; 2],
    disk: Disk,
    schedule: Schedule<Event>,
    random: Random,
    trouble: Trouble,
    now: Timestamp,
    order: Order,
    served: usize,
}

impl<'a> Race<'a> {
    fn new(prepared: &'a Prepared, seed: u64, ignores_expectations: bool) -> Self {
        let mut random = Random::derive(&generate::seed_bytes(seed), "race", &[]);
        let mut schedule = Schedule::default();
        for request in 0..prepared.requests.len() {
            schedule.add(START + Duration::from_millis(random.below(20)), 0, Event::Begin(request));
        }
        let nodes = [0, 1].map(|number: usize| Node::new(prepared.homeservers[number].clone()));
        let often = |per_thousand| PerThousand(per_thousand);
        let (conflicts, unknown) = (often(100), often(100));
        let trouble =
            Trouble { conflicts, unknown, unreadable: often(0), latency: Duration::from_millis(12) };
        let mut disk = prepared.disk.clone();
        disk.ignores_expectations = ignores_expectations;
        let order = Order::default();
        Self { prepared, nodes, disk, schedule, random, trouble, now: START, order, served: 0 }
    }

    fn run(mut self) -> Result<(), Violation> {
        while let Some(scheduled) = self.schedule.take() {
            self.now = scheduled.due;
            let (node, work) = match scheduled.event {
                Event::Begin(request) => {
                    let node = self.random.below(2) as usize;
                    let (now, seed) = (self.prepared.now, self.random.array());
                    let input = Input::Request(&self.prepared.requests[request]);
                    (node, self.nodes[node].accept(input, (now, seed), request))
                }
                Event::Supply(node, id, reads, mut rows) => {
                    // Some rows as they were when the store was asked, some as they are now.
                    for (late, row) in self.disk.read(&reads).rows.into_iter().zip(&mut rows.rows) {
                        if self.random.below(2) == 0 {
                            *row = late;
                        }
                    }
                    (node, self.nodes[node].supply(id, Some(rows)))
                }
                Event::Apply(node, id, commit) => {
                    let fate = self.trouble.fate(&mut self.random);
                    let settlement = fate.carry_out(&mut self.disk, &commit);
                    self.later(Event::Settle(node, id, settlement));
                    continue;
                }
                Event::Settle(node, id, settlement) => (node, self.nodes[node].settle(id, settlement)),
            };
            self.carry_out(node, work)?;
        }
        assert_eq!(self.served, self.prepared.requests.len());
        Ok(())
    }

    fn later(&mut self, event: Event) {
        let delay = self.trouble.latency(&mut self.random);
        self.schedule.add(self.now + delay, 0, event);
    }

    fn carry_out(&mut self, node: usize, work: Vec<Work<usize>>) -> Result<(), Violation> {
        for work in work {
            match work {
                Work::Read(id, reads) => {
                    let rows = self.disk.read(&reads);
                    self.later(Event::Supply(node, id, reads, rows));
                }
                Work::Commit(id, commit) => self.later(Event::Apply(node, id, commit)),
                Work::Done(request, outcome) => {
                    self.served += 1;
                    self.order.answered(&self.prepared.requests[request], &outcome.reply.unwrap())?;
                }
                Work::Ask(Ask { domain, .. }) => panic!("nobody is asked, not even {domain}"),
                Work::Buffered => panic!("no bug is planted"),
            }
        }
        Ok(())
    }
}

/// Runs the races of these seeds; each worker prepares its own.
fn no_race_forks(seeds: Range<u64>) {
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
fn no_group_forks_whatever_the_order_of_steps() {
    no_race_forks(0..SEEDS / 2);
}

#[test]
fn no_group_forks_whatever_the_order_of_steps_in_the_other_half() {
    no_race_forks(SEEDS / 2..SEEDS);
}

#[test]
fn groups_fork_if_the_store_ignores_what_commits_expect() {
    interpose::in_world(1, || {
        let prepared = prepare();
        let fork = (0..SEEDS).find_map(|seed| Race::new(&prepared, seed, true).run().err());
        assert_eq!(fork.unwrap().oracle, "order");
    })
    .unwrap();
}
