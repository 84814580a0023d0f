//! PROTOCOL.md §6, Tokens — tests of which token keys are in force when.

use super::super::{ServiceKeys, TokenKeys};
use crate::{
    crypto::tokens::TokenScope,
    rng::Random,
    time::{DAY, Timestamp},
};

const PERIOD: std::time::Duration = DAY;
/// The start of a period.
const START: Timestamp = Timestamp::from_milliseconds(20_000 * 86_400_000);

fn keys(now: Timestamp) -> TokenKeys {
    let domain = "example.com".parse().unwrap();
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), START);
    TokenKeys::derive(&keys, PERIOD, now)
}

#[test]
fn a_key_issues_for_one_period_and_is_redeemed_for_two() {
    let first = keys(START);
    let issuing: Vec<_> = first.issuing().map(|key| key.public_key()).collect();
    assert_eq!(
        issuing.iter().map(|key| key.scope).collect::<Vec<_>>(),
        [TokenScope::Local, TokenScope::Federated]
    );
    for key in &issuing {
        assert_eq!((key.validity.not_before, key.validity.not_after), (START, START + 2 * PERIOD));
    }
    for (periods, issues, redeems) in [(0, true, true), (1, false, true), (2, false, false)] {
        let later = keys(START + periods * PERIOD);
        for key in &issuing {
            assert_eq!(later.find_issuing(&key.id).is_some(), issues, "after {periods} periods");
            assert_eq!(later.find(&key.id).map(|key| key.public_key()), redeems.then_some(*key));
        }
    }
}

#[test]
fn keys_are_in_force_until_their_period_ends() {
    let first = keys(START);
    let millisecond = std::time::Duration::from_millis(1);
    for (now, in_force) in [
        (START, true),
        (START + PERIOD - millisecond, true),
        (START + PERIOD, false),
        (START - millisecond, false),
    ] {
        assert_eq!(first.in_force(now), in_force, "{now:?}");
    }
}
