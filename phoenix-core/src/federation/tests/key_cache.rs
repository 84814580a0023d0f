//! PROTOCOL.md §9, Key distribution — known keys are kept, and strangers cannot have a homeserver ask without
//! limit.

use crate::{
    codec::{decode, encode},
    config::{Policy, Times},
    credentials::{Fingerprint, KeyId},
    crypto::sign::VERIFICATIONS,
    error::Refusal,
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        samples::sample_request,
        world::homeserver,
    },
    time::{DAY, MINUTE},
    wire::{
        auth_service::{GetAsCredentialsReply, IssueTokens},
        envelope::{RequestEnvelope, ResponseEnvelope},
        federation::EnqueueFederated,
        operations::OperationKind,
    },
};

/// Asks Bob's homeserver for tokens, as Alice. Returns its refusal, if it refuses.
fn ask(fixture: &mut Fixture) -> Option<Refusal> {
    let away = fixture.away.clone();
    let (_, sample) = fixture.token_request(false, &away, 1);
    fixture.send(&sample).refusal()
}

/// As [`ask`], with a credential that names an unknown issuer.
fn ask_under_unknown_issuer(fixture: &mut Fixture, number: u8) -> Option<Refusal> {
    let away = fixture.away.clone();
    let (_, sample) = fixture.token_request(false, &away, 1);
    let mut body: IssueTokens = decode(&sample.body).unwrap();
    body.credential.content.signer = Fingerprint([number; 32]);
    fixture.send(&Sample { body: encode(&body), ..sample }).refusal()
}

fn fetches(fixture: &Fixture) -> usize {
    fixture.world.asked_for(&fixture.home, OperationKind::GetAsCredentials)
}

/// What an origin might wrongly answer.
fn wrong_answers(fixture: &mut Fixture) -> Vec<Vec<u8>> {
    let now = fixture.world.now;
    let (home, away) = (fixture.home.clone(), fixture.away.clone());
    let stranger = homeserver(&mut fixture.random, &home, now - 4 * DAY, &|_| {});
    let old = stranger.keys().as_credential_set(&home, now - 3 * DAY, DAY).unwrap();
    let foreign = fixture.world.servers[&away].homeserver.keys().as_credential_set(&away, now, DAY).unwrap();
    let sets =
        [old, foreign].map(|credentials| ResponseEnvelope::reply(&GetAsCredentialsReply { credentials }));
    let nothing = vec![Vec::new(), vec![0; 100], ResponseEnvelope::refused(&Refusal::Internal)];
    nothing.into_iter().chain(sets).collect()
}

#[test]
fn one_fetch_serves_until_it_is_time_to_refresh() {
    let mut fixture = Fixture::new();
    assert_eq!(fetches(&fixture), 1, "when the stock of tokens was filled");
    for _ in 0..5 {
        assert_eq!(ask(&mut fixture), None);
    }
    assert_eq!(fetches(&fixture), 1);
    fixture.world.now = fixture.world.now + Times::default().key_refresh;
    for _ in 0..5 {
        assert_eq!(ask(&mut fixture), None);
    }
    assert_eq!(fetches(&fixture), 2);
}

/// A homeserver's set can hold thousands of signatures, and the caller is a stranger: those of a set that is
/// kept are not checked again, and the caller's own once, however many rows are read.
#[test]
fn a_request_for_tokens_costs_its_own_signatures_once() {
    let mut fixture = Fixture::new();
    let away = fixture.away.clone();
    let (_, sample) = fixture.token_request(false, &away, 1);
    let before = VERIFICATIONS.get();
    assert_eq!(fixture.send(&sample).refusal(), None);
    assert_eq!(VERIFICATIONS.get() - before, 3, "the credential's, its issuer's and the request's");
    assert!(ask_under_unknown_issuer(&mut fixture, 1).is_some(), "its set is fetched afresh, and checked");
    let before = VERIFICATIONS.get();
    assert!(ask_under_unknown_issuer(&mut fixture, 2).is_some());
    assert_eq!(VERIFICATIONS.get() - before, 0, "then junk costs none");
}

#[test]
fn what_comes_back_wrong_never_erases_a_set_that_is_still_valid() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let mut expected = 1;
    for answer in wrong_answers(&mut fixture) {
        fixture.world.now = fixture.world.now + Times::default().key_refresh;
        fixture.world.impostors.insert(home.clone(), answer);
        for _ in 0..3 {
            assert_eq!(ask(&mut fixture), None, "the old set is good enough");
        }
        expected += 1;
        assert_eq!(fetches(&fixture), expected, "and what failed is not asked for again too soon");
    }
    fixture.world.impostors.clear();
    fixture.world.down.insert(home.clone());
    fixture.world.now = fixture.world.now + Times::default().key_refresh;
    assert_eq!(ask(&mut fixture), None);
    // Until it expires: a remote homeserver out of reach is never an open door.
    fixture.world.now = fixture.world.now + Times::default().key_set;
    let Some(Refusal::PeerUnavailable { domain, retry_after_milliseconds }) = ask(&mut fixture) else {
        panic!("an expired set is no set");
    };
    assert_eq!(domain, home);
    fixture.world.down.clear();
    let told = std::time::Duration::from_millis(retry_after_milliseconds);
    fixture.world.now = fixture.world.now + told;
    assert_eq!(ask(&mut fixture), None, "a caller that comes back as told is served");
}

#[test]
fn without_a_set_a_wrong_answer_is_refused_and_not_kept() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    fixture.world.now = fixture.world.now + 2 * DAY;
    for answer in wrong_answers(&mut fixture) {
        fixture.world.impostors.insert(home.clone(), answer);
        let refusal = ask(&mut fixture);
        let why =
            matches!(refusal, Some(Refusal::PeerUnavailable { .. } | Refusal::InvalidCredential { .. }));
        assert!(why, "{refusal:?}");
        fixture.world.now = fixture.world.now + Times::default().key_retry;
    }
    fixture.world.impostors.clear();
    assert_eq!(ask(&mut fixture), None);
}

#[test]
fn unknown_issuers_cannot_make_us_ask_without_limit() {
    let mut fixture = Fixture::new();
    for number in 0..10 {
        assert!(ask_under_unknown_issuer(&mut fixture, number).is_some());
    }
    assert_eq!(fetches(&fixture), 2, "once, in case the issuer is new");
    assert_eq!(ask(&mut fixture), None, "known callers are served meanwhile");
    fixture.world.now = fixture.world.now + Times::default().key_retry;
    for number in 0..10 {
        assert!(ask_under_unknown_issuer(&mut fixture, number).is_some());
    }
    assert_eq!(fetches(&fixture), 3);
}

/// Returns a frame from Alice's homeserver to Bob's.
fn frame(fixture: &mut Fixture) -> (Sample, EnqueueFederated) {
    let sample = sample_request(fixture, OperationKind::EnqueueFederated);
    let body = decode(&sample.body).unwrap();
    (sample, body)
}

#[test]
fn unknown_frame_keys_cannot_make_us_ask_without_limit() {
    let mut fixture = Fixture::new();
    let (sample, body) = frame(&mut fixture);
    let asked = |fixture: &Fixture| fixture.world.asked_for(&fixture.home, OperationKind::GetQsKeys);
    let before = asked(&fixture);
    for number in 0..10 {
        let mut other = body.clone();
        other.frame.content.key_id = KeyId([number; 8]);
        let refused = fixture.send(&Sample { body: encode(&other), ..sample.clone() });
        assert_eq!(refused.refusal(), Some(Refusal::UnknownFrameKey));
    }
    assert_eq!(asked(&fixture) - before, 1);
    assert_eq!(fixture.send(&sample).refusal(), None, "the genuine frame is served with what is known");
    assert_eq!(asked(&fixture) - before, 1);
}

#[test]
fn nobody_is_asked_for_keys_who_is_not_federated_with() {
    let mut fixture = Fixture::new();
    let (sample, _) = frame(&mut fixture);
    let (away, now) = (fixture.away.clone(), fixture.world.now);
    let closed = homeserver(&mut fixture.random, &away, now, &|config| config.federation = Policy::closed());
    fixture.world.add(closed);
    fixture.world.asks.clear();
    fixture.world.now = now + MINUTE;
    assert_eq!(fixture.send(&sample).refusal(), Some(Refusal::NotFederated));
    assert_eq!(ask(&mut fixture), Some(Refusal::NotFederated));
    assert!(fixture.world.asks.is_empty());
}

#[test]
fn equal_questions_are_equal_bytes_so_that_a_driver_can_make_them_one() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    for _ in 0..2 {
        fixture.world.now = fixture.world.now + Times::default().key_refresh;
        assert_eq!(ask(&mut fixture), None);
    }
    let asks: Vec<_> = fixture.world.asks.iter().filter(|ask| ask.domain == home).collect();
    assert!(asks.len() >= 3 && asks.iter().all(|ask| **ask == *asks[0]));
    let envelope: RequestEnvelope = decode(&asks[0].request).unwrap();
    assert_eq!((envelope.token, envelope.authentication), (None, None));
}

#[test]
fn a_kept_set_that_is_damaged_is_fetched_again() {
    let mut fixture = Fixture::new();
    let before = fetches(&fixture);
    let away = fixture.away.clone();
    let store = fixture.world.store_mut(&away);
    for key in store.keys_of(RecordKind::PeerKeys) {
        store.get_mut(&key).unwrap().bytes.truncate(9);
    }
    assert_eq!(ask(&mut fixture), None);
    assert_eq!(fetches(&fixture), before + 1);
}
