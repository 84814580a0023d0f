//! PROTOCOL.md §6 — registration: races, half-way ends, wrong messages.

use std::time::Duration;

use crate::{
    codec::{decode, encode},
    config::RegistrationPolicy,
    credentials::validation::validate_as_credential_set,
    dispatch::Input,
    error::Refusal,
    operation::Timer,
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        samples::sample_request,
        world::homeserver,
    },
    time::{HOUR, MINUTE, Timestamp},
    wire::{
        auth_service::{FinishRegistration, GetAsCredentials, GetAsCredentialsReply},
        message::Done,
        operations::OperationKind,
    },
};

/// Returns the last steps of two registrations for one user name, by two people.
fn rivals(fixture: &mut Fixture) -> [Sample; 2] {
    let (mut one, mut other) = (fixture.unregistered(), fixture.unregistered());
    other.client_id.user_id = one.client_id.user_id.clone();
    [&mut one, &mut other].map(|person| fixture.registration(person).unwrap().0)
}

#[test]
fn of_two_registrations_for_one_name_the_first_to_finish_has_it() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let users = fixture.world.store(&home).count(RecordKind::User);
    let [first, second] = rivals(&mut fixture);
    assert_eq!(fixture.answer::<Done>(&second), Ok(Done));
    assert_eq!(fixture.answer::<Done>(&first), Err(Refusal::UserExists));
    let store = fixture.world.store(&home);
    assert_eq!((store.count(RecordKind::User), store.count(RecordKind::Client)), (users + 1, users + 1));
}

#[test]
fn of_two_registrations_that_finish_at_once_one_has_the_name() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let requests = rivals(&mut fixture).map(|sample| fixture.bytes(&sample));
    let world = &mut fixture.world;
    let mut running = requests.map(|bytes| world.begin(&home, Input::Request(&bytes)));
    let commits = running.each_mut().map(|running| world.until_commit(running).unwrap());
    for (running, commit) in running.iter_mut().zip(commits) {
        world.settle_commit(running, commit);
    }
    let [first, second] = running.map(|running| world.finish(running).refusal());
    assert_eq!((first, second), (None, Some(Refusal::UserExists)));
}

#[test]
fn a_name_that_is_taken_cannot_be_asked_for() {
    let mut fixture = Fixture::new();
    let mut person = fixture.unregistered();
    person.client_id.user_id = fixture.alice.client_id.user_id.clone();
    let refusal = fixture.registration(&mut person).err();
    assert_eq!(refusal, Some(Refusal::UserExists));
}

#[test]
fn an_abandoned_registration_is_over_after_its_time_and_goes_with_the_sweep() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let mut person = fixture.unregistered();
    let (finish, reply) = fixture.registration(&mut person).unwrap();
    assert_eq!(fixture.world.store(&home).count(RecordKind::PendingRegistration), 1);
    fixture.world.now = reply.expires_at + MINUTE;
    assert_eq!(fixture.answer::<Done>(&finish), Err(Refusal::NoSuchRegistration));
    fixture.world.timer(&home, &Timer::Sweep);
    assert_eq!(fixture.world.store(&home).count(RecordKind::PendingRegistration), 1, "its hour is not over");
    fixture.world.now = fixture.world.now + HOUR;
    fixture.world.timer(&home, &Timer::Sweep);
    assert_eq!(fixture.world.store(&home).count(RecordKind::PendingRegistration), 0);
    assert_eq!(fixture.registration(&mut person).err(), None, "the name is free");
}

#[test]
fn nobody_can_give_a_registration_more_time() {
    let mut fixture = Fixture::new();
    let mut person = fixture.unregistered();
    let (finish, reply) = fixture.registration(&mut person).unwrap();
    let mut body: FinishRegistration = decode(&finish.body).unwrap();
    body.expires_at = reply.expires_at + 5 * MINUTE;
    fixture.world.now = reply.expires_at + MINUTE;
    let signer = Some(person.as_client());
    let refusal = fixture.answer::<Done>(&Sample::new(person.domain(), &body, signer));
    assert_eq!(refusal, Err(Refusal::NoSuchRegistration));
}

#[test]
fn a_wrong_password_message_creates_nothing() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let mut person = fixture.unregistered();
    let (finish, _) = fixture.registration(&mut person).unwrap();
    let body: FinishRegistration = decode(&finish.body).unwrap();
    let before = fixture.world.store(&home).clone();
    for upload in [vec![], vec![0; 10], vec![0xff; body.opaque_upload.as_slice().len()]] {
        let mut wrong = finish.clone();
        wrong.body =
            encode(&FinishRegistration { opaque_upload: upload.try_into().unwrap(), ..body.clone() });
        assert_eq!(fixture.answer::<Done>(&wrong), Err(Refusal::PasswordProtocol));
        let changed = fixture.world.store(&home).changed_kinds(&before);
        assert_eq!(changed, [RecordKind::RememberedAnswer].into());
    }
    assert_eq!(fixture.answer::<Done>(&finish), Ok(Done));
}

#[test]
fn a_finished_registration_cannot_be_finished_again() {
    let mut fixture = Fixture::new();
    let mut person = fixture.unregistered();
    let (finish, _) = fixture.registration(&mut person).unwrap();
    assert_eq!(fixture.answer::<Done>(&finish), Ok(Done));
    assert_eq!(fixture.answer::<Done>(&finish), Err(Refusal::NoSuchRegistration));
}

#[test]
fn a_closed_homeserver_registers_nobody() {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::InitRegistration);
    let home = fixture.home.clone();
    let now = fixture.world.now;
    let closed = homeserver(&mut fixture.random, &home, now, &|config| {
        config.registration = RegistrationPolicy::Closed;
    });
    fixture.world.add(closed);
    assert_eq!(fixture.send(&sample).refusal(), Some(Refusal::RegistrationClosed));
}

#[test]
fn registrations_that_are_too_many_in_a_minute_wait_for_the_next_one() {
    let mut fixture = Fixture::with(|config| config.rates.registrations_per_minute = 8);
    let home = fixture.home.clone();
    fixture.world.now = fixture.world.now + MINUTE;
    let mut begun = 0;
    let mut told = None;
    for _ in 0..40 {
        let person = fixture.unregistered();
        let (_, init) = fixture.init_registration(&person);
        let recorded = fixture.send(&init);
        match recorded.refusal() {
            None => begun += 1,
            Some(Refusal::RateLimited { retry_after_milliseconds }) => {
                assert_eq!(recorded.commit().writes, [], "neither counted nor remembered");
                told = Some((init, retry_after_milliseconds));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=8).contains(&begun), "{begun}");
    let pending = fixture.world.store(&home).count(RecordKind::PendingRegistration);
    assert_eq!(pending, begun, "refused callers leave nothing");
    let (init, wait) = told.unwrap();
    fixture.world.now = fixture.world.now + Duration::from_millis(wait);
    assert_eq!(fixture.send(&init).refusal(), None, "a caller that comes back as told is served");
}

#[test]
fn no_more_registrations_are_begun_in_a_minute_than_are_allowed() {
    for allowed in [0, 1, 3, 20] {
        let mut fixture = Fixture::new();
        fixture.world.now = fixture.world.now + MINUTE;
        let (home, now) = (fixture.home.clone(), fixture.world.now);
        let limited = homeserver(&mut fixture.random, &home, now, &|config| {
            config.rates.registrations_per_minute = allowed;
        });
        fixture.world.add(limited);
        let begun = (0..60).filter(|_| {
            let person = fixture.unregistered();
            let (_, init) = fixture.init_registration(&person);
            fixture.send(&init).refusal().is_none()
        });
        assert_eq!(begun.count(), allowed as usize);
    }
}

#[test]
fn nodes_on_either_side_of_a_minute_do_not_reset_each_others_count() {
    let mut fixture = Fixture::with(|config| config.rates.registrations_per_minute = 8);
    let border = Timestamp::from_milliseconds((fixture.world.now.seconds() / 60 + 2) * 60_000);
    let (before, after) = (border - Duration::from_secs(1), border + Duration::from_secs(1));
    let person = fixture.unregistered();
    let mut begun = 0;
    // Two nodes whose clocks differ by seconds, in turn.
    for now in [after, before].repeat(5) {
        fixture.world.now = now;
        let (_, init) = fixture.init_registration(&person);
        match fixture.send(&init).refusal() {
            None => begun += 1,
            Some(Refusal::RateLimited { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(begun, 1, "one a minute in each of eight rows");
}

#[test]
fn a_wrong_clock_does_not_close_registration() {
    let mut fixture = Fixture::with(|config| config.rates.registrations_per_minute = 8);
    let person = fixture.unregistered();
    let now = fixture.world.now + MINUTE;
    for now in [now + 5 * MINUTE, now] {
        fixture.world.now = now;
        let (_, init) = fixture.init_registration(&person);
        assert_eq!(fixture.send(&init).refusal(), None);
    }
}

#[test]
fn credentials_are_signed_once_an_hour_however_often_they_are_asked_for() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let ask = Sample::new(&home, &GetAsCredentials {}, None);
    let first = fixture.send(&ask).reply;
    fixture.world.now = fixture.world.now + 20 * MINUTE;
    assert_eq!(fixture.send(&ask).reply, first);
    fixture.world.now = fixture.world.now + 20 * MINUTE;
    let next: GetAsCredentialsReply = fixture.answer(&ask).unwrap();
    assert!(next.credentials.content.issued_at <= fixture.world.now);
    assert!(fixture.world.now - next.credentials.content.issued_at < HOUR, "half past noon, and 40 minutes");
    assert!(validate_as_credential_set(&next.credentials, &home, fixture.world.now, None).is_ok());
}
