//! PROTOCOL.md §6, Allowance — the bounds on tokens for a client, a domain, and all new domains together.

use std::time::Duration;

use crate::{
    error::Refusal,
    identifiers::Domain,
    testing::{
        fixtures::{Fixture, Sample},
        world::homeserver,
    },
    time::DAY,
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Asks `seller` for `count` tokens, as Alice.
fn ask(fixture: &mut Fixture, seller: &Domain, count: usize) -> Option<Refusal> {
    let (_, sample): (_, Sample) = fixture.token_request(false, seller, count);
    fixture.send(&sample).refusal()
}

/// Returns the wait that a refusal names.
fn wait(refusal: Option<Refusal>) -> Duration {
    let Some(Refusal::RateLimited { retry_after_milliseconds }) = refusal else {
        panic!("not limited: {refusal:?}");
    };
    Duration::from_millis(retry_after_milliseconds)
}

/// Has Alice be a new user of `domain`, which has a homeserver from now on.
fn become_new_user_at(fixture: &mut Fixture, domain: &str) {
    let domain: Domain = domain.parse().unwrap();
    if !fixture.world.servers.contains_key(&domain) {
        let now = fixture.world.now;
        let third = homeserver(&mut fixture.random, &domain, now, &|_| {});
        fixture.world.add(third);
    }
    fixture.alice = fixture.register(&domain);
}

#[test]
fn a_client_that_has_had_enough_is_told_when_to_come_back_and_then_succeeds() {
    let mut fixture = Fixture::with(|config| config.rates.token_allowance = 103);
    let home = fixture.home.clone();
    assert_eq!(ask(&mut fixture, &home, 2), None);
    let told = wait(ask(&mut fixture, &home, 2));
    assert!(told <= DAY);
    assert_eq!(ask(&mut fixture, &home, 1), None, "a refused request has taken nothing");
    wait(ask(&mut fixture, &home, 1));
    fixture.world.now = fixture.world.now + told - MILLISECOND;
    assert_eq!(wait(ask(&mut fixture, &home, 1)), MILLISECOND);
    fixture.world.now = fixture.world.now + MILLISECOND;
    assert_eq!(ask(&mut fixture, &home, 103), None, "a new time frame");
}

/// Two nodes whose clocks differ by seconds, either side of a time frame's border.
#[test]
fn clocks_that_differ_grant_no_allowance_twice_and_a_wrong_one_takes_none_away() {
    let mut fixture = Fixture::with(|config| config.rates.token_allowance = 103);
    let home = fixture.home.clone();
    let border = wait(ask(&mut fixture, &home, 4));
    let (before, after) = (fixture.world.now + border - MILLISECOND, fixture.world.now + border);
    fixture.world.now = after;
    assert_eq!(ask(&mut fixture, &home, 100), None);
    for now in [before, after, before] {
        fixture.world.now = now;
        wait(ask(&mut fixture, &home, 4));
    }
    assert_eq!(ask(&mut fixture, &home, 3), None);
    // What a clock noted that was far ahead.
    fixture.world.now = after + 5 * DAY;
    assert_eq!(ask(&mut fixture, &home, 103), None);
    fixture.world.now = after;
    assert_eq!(ask(&mut fixture, &home, 103), None);
}

#[test]
fn one_client_leaves_the_allowance_of_others_unharmed() {
    let mut fixture = Fixture::with(|config| config.rates.token_allowance = 100);
    let home = fixture.home.clone();
    wait(ask(&mut fixture, &home, 1));
    fixture.alice = fixture.register(&home.clone());
    assert_eq!(ask(&mut fixture, &home, 100), None);
}

#[test]
fn a_homeserver_full_of_fresh_users_gets_no_more_than_its_domain_and_more_each_day() {
    let mut fixture = Fixture::with(|config| {
        config.rates.domain_first_day = 110;
        config.rates.domain_limit = 300;
    });
    let away = fixture.away.clone();
    // Alice had 100 of the first day's 110. Then come fresh users of the same homeserver.
    let mut allowed = vec![10, 220, 300, 300].into_iter();
    for day in 0..4 {
        let mut left = allowed.next().unwrap();
        while left > 0 {
            become_new_user_at(&mut fixture, "home.example");
            let some = left.min(100);
            assert_eq!(ask(&mut fixture, &away, some), None, "day {day}");
            left -= some;
        }
        become_new_user_at(&mut fixture, "home.example");
        let told = wait(ask(&mut fixture, &away, 1));
        fixture.world.now = fixture.world.now + told;
    }
}

#[test]
fn subdomains_are_no_new_identities() {
    let mut fixture = Fixture::with(|config| config.rates.domain_first_day = 110);
    let away = fixture.away.clone();
    for (name, count) in [("a.third.example", 60), ("b.third.example", 50)] {
        become_new_user_at(&mut fixture, name);
        assert_eq!(ask(&mut fixture, &away, count), None);
    }
    become_new_user_at(&mut fixture, "c.third.example");
    wait(ask(&mut fixture, &away, 1));
    become_new_user_at(&mut fixture, "fourth.example");
    assert_eq!(ask(&mut fixture, &away, 110), None);
}

#[test]
fn new_domains_share_one_pool_and_never_starve_an_established_one() {
    let mut fixture = Fixture::with(|config| config.rates.new_domains = 150);
    let away = fixture.away.clone();
    become_new_user_at(&mut fixture, "third.example");
    assert_eq!(ask(&mut fixture, &away, 50), None, "Alice's homeserver had 100 of the pool");
    become_new_user_at(&mut fixture, "fourth.example");
    wait(ask(&mut fixture, &away, 1));

    // A week later the first two are established; the pool is for newcomers alone.
    fixture.world.now = fixture.world.now + 7 * DAY;
    become_new_user_at(&mut fixture, "fifth.example");
    assert_eq!(ask(&mut fixture, &away, 128), None);
    assert_eq!(ask(&mut fixture, &away, 22), None);
    wait(ask(&mut fixture, &away, 1));
    become_new_user_at(&mut fixture, "home.example");
    assert_eq!(ask(&mut fixture, &away, 128), None, "established");
}
