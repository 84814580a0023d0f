//! PROTOCOL.md §10 — what a sweep drops and when, and leases: which node runs a timer.

use crate::{
    codec::{Flag, decode, encode},
    config::Times,
    error::Refusal,
    identifiers::{GroupUuid, LogId, NodeId},
    operation::{Effect, Timer},
    rng::Random,
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        samples::sample_request,
        world::homeserver,
    },
    time::{DAY, HOUR, MINUTE, Timestamp},
    wire::{delivery_service::CreateGroup, message::Done, operations::OperationKind},
};

const EXPIRING: [RecordKind; 4] = [
    RecordKind::RememberedAnswer,
    RecordKind::Nullifier,
    RecordKind::PendingRegistration,
    RecordKind::GroupReservation,
];

/// Sets up a homeserver with a record of every kind that expires.
fn busy(settings: impl Fn(&mut crate::config::Config)) -> Fixture {
    let mut fixture = Fixture::with(settings);
    for kind in
        [OperationKind::FinishRegistration, OperationKind::CreateGroup, OperationKind::CreateUserRecord]
    {
        let sample = sample_request(&mut fixture, kind);
        if kind == OperationKind::CreateUserRecord {
            assert_eq!(fixture.send(&sample).refusal(), None);
        }
    }
    fixture
}

fn counts(fixture: &Fixture) -> [usize; 4] {
    EXPIRING.map(|kind| fixture.world.store(&fixture.home).count(kind))
}

#[test]
fn a_sweep_drops_what_has_expired_and_nothing_else() {
    let mut fixture = busy(|_| {});
    let home = fixture.home.clone();
    let before = fixture.world.store(&home).clone();
    let full = counts(&fixture);
    assert!(full.iter().all(|count| *count > 0), "{full:?}");
    let swept = fixture.world.timer(&home, &Timer::Sweep);
    let next = fixture.world.now + Times::default().sweep;
    assert_eq!(swept.effects, [Effect::Wake { timer: Timer::Sweep, due: next }]);
    assert_eq!(counts(&fixture), full, "nothing has expired yet");

    fixture.world.now = fixture.world.now + 3 * HOUR;
    fixture.world.timer(&home, &Timer::Sweep);
    fixture.world.run_until_idle();
    assert_eq!(counts(&fixture), [0, full[1], 0, 0], "spent tokens go with their key");
    let changed = fixture.world.store(&home).changed_kinds(&before);
    let expected = [&EXPIRING[..1], &EXPIRING[2..], &[RecordKind::Timer, RecordKind::Lease]].concat();
    assert_eq!(changed, expected.into_iter().collect());
}

#[test]
fn a_sweep_is_bounded_and_comes_back_at_once_for_the_rest() {
    let mut fixture = busy(|config| config.sizes.sweep_batch = 2);
    let home = fixture.home.clone();
    fixture.world.now = fixture.world.now + 30 * DAY;
    let full: usize = counts(&fixture).iter().sum();
    let swept = fixture.world.timer(&home, &Timer::Sweep);
    let deleted = swept.commit().writes.iter().filter(|write| write.bytes.is_none()).count();
    // The row that says when a key set goes, goes with it; two more kinds go when they are not used.
    assert!((1..=2 * (EXPIRING.len() + 3)).contains(&deleted) && deleted < full);
    assert_eq!(swept.effects, [Effect::Wake { timer: Timer::Sweep, due: fixture.world.now }]);
    fixture.world.run_until_idle();
    assert_eq!(counts(&fixture), [0; 4]);
}

#[test]
fn an_answer_is_remembered_as_long_as_its_request_is_timely() {
    let mut fixture = Fixture::new();
    let times = Times::default();
    let sample = sample_request(&mut fixture, OperationKind::CreateUserRecord);
    for early in [false, true] {
        let token = fixture.token_for(&sample);
        let sent_at = if early { fixture.world.now + times.request_future } else { fixture.world.now };
        let bytes = encode(&sample.envelope(sent_at, fixture.request_id(), token));
        let first = fixture.world.request(&sample.domain, &bytes);
        fixture.world.now = sent_at + times.request_past;
        fixture.world.timer(&sample.domain, &Timer::Sweep);
        fixture.world.run_until_idle();
        assert_eq!(fixture.world.request(&sample.domain, &bytes).reply, first.reply);
        fixture.world.now = fixture.world.now + std::time::Duration::from_millis(1);
        let late = fixture.world.request(&sample.domain, &bytes);
        assert_eq!(late.refusal(), Some(Refusal::OutsideTimeWindow { now: fixture.world.now }));
    }
}

#[test]
fn a_reservation_ends_when_it_was_said_to() {
    let mut fixture = Fixture::new();
    let (group, sample) = fixture.group_request(Flag::No);
    let mut body: CreateGroup = decode(&sample.body).unwrap();
    body.reserved_until = group.reserved_until + 10 * MINUTE;
    fixture.world.now = group.reserved_until + MINUTE;
    let late = Sample { body: encode(&body), ..sample.clone() };
    assert_eq!(fixture.answer::<Done>(&late), Err(Refusal::NotReserved));
    assert_eq!(fixture.answer::<Done>(&sample), Err(Refusal::NotReserved));
}

#[test]
fn a_group_id_is_good_for_one_group() {
    let mut fixture = Fixture::new();
    let (_, sample) = fixture.group_request(Flag::No);
    assert_eq!(fixture.answer::<Done>(&sample), Ok(Done));
    assert_eq!(fixture.answer::<Done>(&sample), Err(Refusal::NotReserved));
}

/// Puts another node of the homeserver in place of this one, on the same store.
fn switch_node(fixture: &mut Fixture, node: u8) {
    let (home, now) = (fixture.home.clone(), fixture.world.now);
    let same =
        homeserver(&mut Random::from_seed([77; 32]), &home, Timestamp::default() + 20_000 * DAY, &|c| {
            c.node = NodeId([node; 16]);
        });
    fixture.world.add(same);
    assert_eq!(fixture.world.now, now);
}

#[test]
fn another_node_leaves_timers_alone_until_the_lease_is_over() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let timer = Timer::Distribute(LogId::Group(GroupUuid([1; 16])));
    let lease = Times::default().lease;
    switch_node(&mut fixture, 1);
    let first = fixture.world.timer(&home, &timer);
    assert!(first.written_kinds().contains(&RecordKind::Lease));
    let until = fixture.world.now + lease;

    switch_node(&mut fixture, 2);
    let before = fixture.world.store(&home).clone();
    for elapsed in [std::time::Duration::ZERO, lease / 2] {
        fixture.world.now = until - lease + elapsed;
        let second = fixture.world.timer(&home, &timer);
        assert_eq!(second.effects, [Effect::Wake { timer: timer.clone(), due: until }]);
        assert_eq!(second.read_kinds(), [RecordKind::Lease].into(), "looks at nothing else");
        assert_eq!(fixture.world.store(&home), &before);
    }
    fixture.world.now = until;
    let second = fixture.world.timer(&home, &timer);
    assert!(second.written_kinds().contains(&RecordKind::Lease), "takes over");
    switch_node(&mut fixture, 1);
    let first = fixture.world.timer(&home, &timer);
    assert_eq!(first.effects, [Effect::Wake { timer, due: until + lease }], "now the first one waits");
}

/// A lease that was taken while a clock was wrong keeps no node off.
#[test]
fn a_lease_from_a_time_that_is_yet_to_come_counts_for_nothing() {
    let lease = Times::default().lease;
    let millisecond = std::time::Duration::from_millis(1);
    for (ahead, holds) in [(lease, true), (lease + millisecond, false), (400 * DAY, false)] {
        let mut fixture = Fixture::new();
        let home = fixture.home.clone();
        let timer = Timer::Distribute(LogId::Group(GroupUuid([1; 16])));
        let now = fixture.world.now;
        switch_node(&mut fixture, 1);
        fixture.world.now = now + ahead;
        fixture.world.timer(&home, &timer);
        switch_node(&mut fixture, 2);
        fixture.world.now = now;
        let second = fixture.world.timer(&home, &timer);
        assert_eq!(second.written_kinds().contains(&RecordKind::Lease), !holds, "{ahead:?} ahead");
        if !holds {
            // From now on the lease is this node's, for as long as a lease lasts.
            fixture.world.now = now + lease / 2;
            assert!(fixture.world.timer(&home, &timer).written_kinds().contains(&RecordKind::Lease));
        }
    }
}

#[test]
fn a_lease_is_renewed_at_half_and_not_before() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let timer = Timer::Distribute(LogId::Group(GroupUuid([1; 16])));
    let lease = Times::default().lease;
    fixture.world.timer(&home, &timer);
    fixture.world.now = fixture.world.now + lease / 2 - std::time::Duration::from_millis(1);
    assert!(!fixture.world.timer(&home, &timer).written_kinds().contains(&RecordKind::Lease));
    fixture.world.now = fixture.world.now + std::time::Duration::from_millis(1);
    assert!(fixture.world.timer(&home, &timer).written_kinds().contains(&RecordKind::Lease));
}

#[test]
fn a_timer_that_meets_a_damaged_row_comes_back_and_changes_nothing() {
    let mut fixture = Fixture::new();
    let (mut group, ..) = fixture.shared_group();
    fixture.world.run_until_idle();
    let message = group.message(b"hello");
    assert_eq!(fixture.send(&message).refusal(), None);
    let home = fixture.home.clone();
    let row = fixture.world.store(&home).keys_of(RecordKind::FanOutProgress)[0].clone();
    fixture.world.store_mut(&home).get_mut(&row).unwrap().bytes = vec![1, 2, 3];
    let before = fixture.world.store(&home).clone();
    let timer = Timer::Distribute(LogId::Group(group.access.group_id.uuid));
    let recorded = fixture.world.timer(&home, &timer);
    assert!(matches!(&recorded.effects[..], [Effect::Wake { timer: again, .. }] if *again == timer));
    assert_eq!(fixture.world.store(&home).count(RecordKind::FanOutRow), before.count(RecordKind::FanOutRow));
    assert_eq!(fixture.world.store(&home).changed_kinds(&before), [].into());
}

/// Sweeps until nothing more is dropped at once.
fn sweep_all(fixture: &mut Fixture) {
    let (home, now) = (fixture.home.clone(), fixture.world.now);
    for _ in 0..100 {
        if fixture.world.timer(&home, &Timer::Sweep).effects
            != [Effect::Wake { timer: Timer::Sweep, due: now }]
        {
            return;
        }
    }
    panic!("there is no end to it");
}

#[test]
fn the_allowance_of_a_client_goes_with_its_time_frame() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let rows = |fixture: &Fixture| fixture.world.store(&home).count(RecordKind::ClientAllowance);
    assert_eq!(rows(&fixture), 2);
    let (before, now) = (fixture.world.store(&home).clone(), fixture.world.now);
    sweep_all(&mut fixture);
    let changed = fixture.world.store(&home).changed_kinds(&before);
    assert_eq!(changed, [RecordKind::Timer, RecordKind::Lease].into(), "it is in use");

    fixture.world.now = now + DAY;
    sweep_all(&mut fixture);
    assert_eq!(rows(&fixture), 0);
}

/// Each is looked at in its turn, for any number of records and any names.
#[test]
fn a_sweep_goes_all_around() {
    let mut fixture = Fixture::with(|config| config.sizes.sweep_batch = 3);
    let home = fixture.home.clone();
    let somebody_new = |fixture: &mut Fixture| {
        fixture.alice = fixture.register(&home);
        let (_, sample) = fixture.token_request(false, &home, 1);
        assert_eq!(fixture.send(&sample).refusal(), None);
    };
    (0..8).for_each(|_| somebody_new(&mut fixture));
    let old = fixture.world.store(&home).keys_of(RecordKind::ClientAllowance);
    assert_eq!(old.len(), 10);
    fixture.world.now = fixture.world.now + DAY;
    // A record in use stands in the way of no other.
    (0..2).for_each(|_| somebody_new(&mut fixture));
    for _ in 0..10 {
        fixture.world.timer(&home, &Timer::Sweep);
    }
    let left = fixture.world.store(&home).keys_of(RecordKind::ClientAllowance);
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|key| !old.contains(key)));
}
