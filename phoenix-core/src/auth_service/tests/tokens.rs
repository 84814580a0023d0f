//! PROTOCOL.md §6, Tokens — a token is spent once, at its homeserver, within its time.

use crate::{
    codec::{decode, encode},
    error::Refusal,
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        samples::sample_request,
    },
    time::DAY,
    wire::{
        auth_service::{GetTokenKeys, GetTokenKeysReply, IssueTokens},
        operations::OperationKind,
    },
};

#[test]
fn a_token_spent_at_one_service_is_spent_at_all() {
    let mut fixture = Fixture::new();
    let operations =
        [OperationKind::GetConnectionPackage, OperationKind::CreateUserRecord, OperationKind::SendMessage];
    let samples = operations.map(|kind| sample_request(&mut fixture, kind));
    for first in 0..3 {
        let token = fixture.token_for(&samples[first]);
        for offset in 0..3 {
            let sample = &samples[(first + offset) % 3];
            let envelope = sample.envelope(fixture.world.now, fixture.request_id(), token.clone());
            let refusal = fixture.world.request(&sample.domain, &encode(&envelope)).refusal();
            assert_eq!(refusal, (offset > 0).then_some(Refusal::TokenSpent), "{:?}", sample.kind);
        }
    }
}

#[test]
fn a_token_is_worth_nothing_at_another_homeserver() {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::CreateUserRecord);
    let away = fixture.away.clone();
    let token = fixture.token(&away, true);
    let envelope = sample.envelope(fixture.world.now, fixture.request_id(), Some(token));
    let refusal = fixture.world.request(&sample.domain, &encode(&envelope)).refusal();
    assert_eq!(refusal, Some(Refusal::TokenNeeded));
}

#[test]
fn rotation_voids_hoards_after_one_period_of_grace() {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::CreateUserRecord);
    let bytes = |fixture: &mut Fixture| fixture.bytes(&sample);
    fixture.world.now = fixture.world.now + 7 * DAY;
    let in_grace = bytes(&mut fixture);
    assert_eq!(fixture.world.request(&sample.domain, &in_grace).refusal(), None);
    fixture.world.now = fixture.world.now + 7 * DAY;
    let too_late = bytes(&mut fixture);
    assert_eq!(fixture.world.request(&sample.domain, &too_late).refusal(), Some(Refusal::TokenNeeded));
    // What was spent is forgotten once the key is, and no sooner.
    let home = fixture.home.clone();
    let nullifiers = fixture.world.store(&home).count(RecordKind::Nullifier);
    assert!(nullifiers > 0);
    fixture.world.timer(&home, &crate::operation::Timer::Sweep);
    fixture.world.run_until_idle();
    assert_eq!(fixture.world.store(&home).count(RecordKind::Nullifier), 0);
}

#[test]
fn a_spent_token_stays_spent_as_long_as_its_key_is_redeemed() {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::CreateUserRecord);
    let token = fixture.token_for(&sample);
    let spent = sample.envelope(fixture.world.now, fixture.request_id(), token.clone());
    assert_eq!(fixture.world.request(&sample.domain, &encode(&spent)).refusal(), None);
    // The last moment of the second week.
    fixture.world.now = fixture.world.now + 14 * DAY - crate::time::HOUR * 12 - crate::time::MINUTE * 31;
    fixture.world.timer(&sample.domain, &crate::operation::Timer::Sweep);
    fixture.world.run_until_idle();
    let again = sample.envelope(fixture.world.now, fixture.request_id(), token);
    let refusal = fixture.world.request(&sample.domain, &encode(&again)).refusal();
    assert_eq!(refusal, Some(Refusal::TokenSpent));
}

#[test]
fn nobody_is_issued_tokens_of_the_other_scope_or_of_a_key_that_is_over() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let (_, sample) = fixture.token_request(false, &home, 1);
    let keys: GetTokenKeysReply = fixture.answer(&Sample::new(&home, &GetTokenKeys {}, None)).unwrap();
    let body: IssueTokens = decode(&sample.body).unwrap();
    let other = keys.keys.iter().find(|key| key.id != body.key_id).unwrap();
    let mut wrong = sample.clone();
    wrong.body = encode(&IssueTokens { key_id: other.id, ..body });
    assert_eq!(fixture.send(&wrong).refusal(), Some(Refusal::WrongTokenScope));
    fixture.world.now = fixture.world.now + 7 * DAY;
    assert_eq!(fixture.send(&sample).refusal(), Some(Refusal::UnknownTokenKey));
}
