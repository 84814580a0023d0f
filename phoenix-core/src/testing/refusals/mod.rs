//! PROTOCOL.md §2, §3 — every operation, requested wrongly in every way.

use std::{collections::BTreeSet, time::Duration};

use super::{
    fixtures::{Fixture, Sample},
    samples::sample_request,
    world::{Recorded, World},
};
use crate::{
    codec::{Bytes, decode, encode},
    crypto::{
        aead::EarKey,
        sign::SigningKey,
        tokens::{Token, TokenKeyId},
    },
    error::Refusal,
    identifiers::{Domain, QsClientId, RequestId},
    store::RecordKind,
    wire::{
        auth_service::IssueTokens,
        delivery_service::SendMessage,
        envelope::{RequestEnvelope, Signer},
        operations::{OperationKind, TokenRule},
    },
};

mod senders;

const MILLISECOND: Duration = Duration::from_millis(1);

/// An operation, with a valid request for it and a world in which it succeeds.
struct Case {
    kind: OperationKind,
    sample: Sample,
    envelope: RequestEnvelope,
    world: World,
    federated_token: Token,
    other_key: SigningKey,
    other_client: QsClientId,
}

impl Case {
    fn new(fixture: &mut Fixture, kind: OperationKind) -> Self {
        let sample = sample_request(fixture, kind);
        let token = fixture.token_for(&sample);
        let envelope = sample.envelope(fixture.world.now, fixture.request_id(), token);
        let federated_token = fixture.token(&sample.domain, false);
        let mut case = Self {
            kind,
            sample,
            envelope,
            world: fixture.world.clone(),
            federated_token,
            other_key: SigningKey::from_bytes(&[0x55; 32]),
            other_client: fixture.bob.client,
        };
        case.warm_key_caches();
        case
    }

    /// Fetches the keys of other homeservers that the request needs. They are kept even if it is refused, so
    /// they must not count among what it changed.
    fn warm_key_caches(&mut self) {
        let mut trial = self.world.clone();
        trial.request(&self.sample.domain, &encode(&self.envelope));
        for key in trial.store(&self.sample.domain).keys_of(RecordKind::PeerKeys) {
            let row = trial.store(&self.sample.domain).get(&key).unwrap().clone();
            self.world.store_mut(&self.sample.domain).insert(key, row);
        }
    }

    /// Serves `bytes` in a copy of the world. Returns what it did, and the kinds of records that it changed.
    fn serve(&self, bytes: &[u8]) -> (Recorded, BTreeSet<RecordKind>) {
        let mut world = self.world.clone();
        let recorded = world.request(&self.sample.domain, bytes);
        let changed = world.store(&self.sample.domain).changed_kinds(self.world.store(&self.sample.domain));
        (recorded, changed)
    }

    fn accepts(&self, how: &str, envelope: &RequestEnvelope) {
        let (recorded, _) = self.serve(&encode(envelope));
        assert_eq!(recorded.refusal(), None, "{:?}, {how}", self.kind);
    }

    /// Asserts that the request is refused for this reason and changes nothing.
    fn refuses(&self, how: &str, bytes: &[u8], expected: &Refusal) -> Recorded {
        let (recorded, changed) = self.serve(bytes);
        assert_eq!(recorded.refusal().as_ref(), Some(expected), "{:?}, {how}", self.kind);
        assert_eq!(changed, BTreeSet::new(), "{:?}, {how}: a refused request changes nothing", self.kind);
        assert_eq!(recorded.effects, [], "{:?}, {how}: has no effect", self.kind);
        recorded
    }

    /// As [`refuses`](Self::refuses), for the valid request with one thing changed after it was signed.
    fn refuses_changed(&self, how: &str, change: impl FnOnce(&mut RequestEnvelope), expected: &Refusal) {
        let mut envelope = self.envelope.clone();
        change(&mut envelope);
        self.refuses(how, &encode(&envelope), expected);
    }

    /// As [`refuses`](Self::refuses), for the valid request with one thing changed before it was signed.
    fn refuses_signed(&self, how: &str, change: impl FnOnce(&mut RequestEnvelope), expected: &Refusal) {
        self.refuses(how, &encode(&self.signed(change)), expected);
    }

    fn signed(&self, change: impl FnOnce(&mut RequestEnvelope)) -> RequestEnvelope {
        let mut envelope = self.envelope.clone();
        change(&mut envelope);
        self.sample.sign(&mut envelope);
        envelope
    }
}

/// Runs `check` for every operation.
fn for_every_operation(check: impl Fn(&Case)) {
    let mut fixture = Fixture::new();
    for kind in OperationKind::ALL {
        let case = Case::new(&mut fixture, *kind);
        check(&case);
    }
}

#[test]
fn every_operation_serves_a_valid_request_and_refuses_every_other() {
    for_every_operation(|case| {
        case.accepts("valid", &case.envelope);
        envelopes(case);
        times(case);
        tokens(case);
        senders::authentication(case);
        repetition(case);
    });
}

/// What is wrong before the sender is looked at.
fn envelopes(case: &Case) {
    let bytes = encode(&case.envelope);
    let limit = case.kind.rules().size_limit;
    let mut oversize = bytes.clone();
    oversize.resize(limit + 1, 0);
    let recorded = case.refuses("oversize", &oversize, &Refusal::TooLarge { limit: limit as u64 });
    assert!(recorded.reads.is_empty(), "{:?}: oversized requests cost no reading", case.kind);
    oversize.truncate(limit);
    case.refuses("padded to the limit", &oversize, &Refusal::Malformed);

    let supported = Refusal::UnsupportedVersion { supported: vec![1].try_into().unwrap() };
    for version in [0_u16, 2, u16::MAX] {
        let mut other = bytes.clone();
        other[..2].copy_from_slice(&version.to_be_bytes());
        case.refuses("unknown version", &other, &supported);
        case.refuses("unknown version, nothing else", &version.to_be_bytes().repeat(2), &supported);
    }
    let mut unknown = bytes.clone();
    unknown[2..4].copy_from_slice(&u16::MAX.to_be_bytes());
    case.refuses("unknown operation", &unknown, &Refusal::UnknownOperation);

    case.refuses("trailing byte", &[&bytes[..], &[0]].concat(), &Refusal::Malformed);
    for length in [0, 3, 4, 20, bytes.len() - 1] {
        case.refuses("cut off", &bytes[..length], &Refusal::Malformed);
    }
    let longer = |envelope: &mut RequestEnvelope| {
        envelope.body = Bytes::new([envelope.body.as_slice(), &[0]].concat()).unwrap();
    };
    case.refuses_signed("trailing byte in the body", longer, &Refusal::Malformed);

    let elsewhere: Domain = "elsewhere.example".parse().unwrap();
    let other = |envelope: &mut RequestEnvelope| envelope.service_domain = elsewhere.clone();
    case.refuses_signed("for another homeserver", other, &Refusal::WrongHomeserver);
}

/// Too old, or from the future: for requests that are signed or remembered.
fn times(case: &Case) {
    let rules = case.kind.rules();
    let now = case.world.now;
    let times = crate::config::Times::default();
    let refusal = Refusal::OutsideTimeWindow { now };
    let at = |time| move |envelope: &mut RequestEnvelope| envelope.timestamp = time;
    for (how, time) in [
        ("expired", now - times.request_past - MILLISECOND),
        ("from the future", now + times.request_future + MILLISECOND),
    ] {
        match rules.timed() {
            true => case.refuses_signed(how, at(time), &refusal),
            false => case.accepts(how, &case.signed(at(time))),
        }
    }
    case.accepts("as old as may be", &case.signed(at(now - times.request_past)));
    case.accepts("as early as may be", &case.signed(at(now + times.request_future)));
}

/// No token, a spent one, one of another scope, a forged one.
fn tokens(case: &Case) {
    let federated = case.signed(|envelope| envelope.token = Some(case.federated_token.clone()));
    match case.kind.rules().token {
        TokenRule::None => return,
        TokenRule::Any => case.accepts("token for federated clients", &federated),
        TokenRule::Local => {
            case.refuses("token for federated clients", &encode(&federated), &Refusal::WrongTokenScope);
        }
    }
    case.refuses_signed("no token", |envelope| envelope.token = None, &Refusal::TokenNeeded);
    let forged = |envelope: &mut RequestEnvelope| envelope.token.as_mut().unwrap().output[7] ^= 1;
    case.refuses_signed("forged token", forged, &Refusal::InvalidToken);
    let renamed = |envelope: &mut RequestEnvelope| envelope.token.as_mut().unwrap().nonce[0] ^= 1;
    case.refuses_signed("token with another name", renamed, &Refusal::InvalidToken);
    let foreign = |envelope: &mut RequestEnvelope| {
        envelope.token.as_mut().unwrap().key_id = TokenKeyId([9; 8]);
    };
    case.refuses_signed("token of an unknown key", foreign, &Refusal::TokenNeeded);

    // The token is spent in another request of the same homeserver.
    let mut spent = case.world.clone();
    let domain = &case.sample.domain;
    let mut other = case.envelope.clone();
    other.operation = OperationKind::CreateUserRecord.code();
    other.body = Bytes::new(encode(&some_record())).unwrap();
    other.authentication = None;
    assert_eq!(spent.request(domain, &encode(&other)).refusal(), None);
    let before = spent.store(domain).clone();
    let again = spent.request(domain, &encode(&case.envelope));
    assert_eq!(again.refusal(), Some(Refusal::TokenSpent), "{:?}", case.kind);
    assert_eq!(spent.store(domain).changed_kinds(&before), BTreeSet::new());
}

fn some_record() -> crate::wire::queuing_service::CreateUserRecord {
    let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
    crate::wire::queuing_service::CreateUserRecord {
        user_key: key,
        friendship_hash: [1; 32],
        client_key: key,
        config_key: key,
        queue_key: crate::crypto::hpke::HpkePrivateKey::from_bytes(&[5; 32]).unwrap().public_key(),
    }
}

/// The same bytes again: the same answer, and nothing more happens.
fn repetition(case: &Case) {
    let domain = &case.sample.domain;
    let bytes = encode(&case.envelope);
    let mut world = case.world.clone();
    let first = world.request(domain, &bytes);
    let before = world.store(domain).clone();
    let again = world.request(domain, &bytes);
    assert_eq!(again.reply, first.reply, "{:?}: the same bytes, the same answer", case.kind);
    let changed = world.store(domain).changed_kinds(&before);
    if case.kind == OperationKind::EnqueueFederated {
        // Records that are counted or sealed afresh change; nothing is handed to the distributor again.
        assert!(!changed.contains(&RecordKind::FanOutRow), "{changed:?}");
        return;
    }
    assert_eq!(changed, BTreeSet::new(), "{:?}: a repetition changes nothing", case.kind);
    if case.kind == OperationKind::Listen {
        assert_eq!(again.effects, first.effects, "a client that connects again is told again");
    } else {
        assert_eq!(again.effects, [], "{:?}: a repetition has no effect", case.kind);
    }
    if case.kind.rules().remembered {
        let later = encode(&case.signed(|envelope| envelope.request_id = RequestId([4; 16])));
        let recorded = world.request(domain, &later);
        if case.kind.rules().token != TokenRule::None {
            let refusal = match case.kind {
                // The id that is used up is looked up before anything that costs more.
                OperationKind::CreateGroup => Refusal::NotReserved,
                _ => Refusal::TokenSpent,
            };
            assert_eq!(recorded.refusal(), Some(refusal), "{:?}: only the same bytes", case.kind);
        }
    }
}

#[test]
fn without_the_group_key_nobody_learns_whether_a_group_exists() {
    let mut fixture = Fixture::new();
    for kind in [OperationKind::SendMessage, OperationKind::WelcomeInfo, OperationKind::UpdateClient] {
        let case = Case::new(&mut fixture, kind);
        // Every body of the delivery service begins with the group: 16 bytes, the domain, 32 bytes of key.
        let at = 16 + encode(&fixture.home).len();
        for (how, position) in [("another key", at), ("another group", 0)] {
            let changed = |envelope: &mut RequestEnvelope| {
                let mut body = envelope.body.as_slice().to_vec();
                body[position] ^= 1;
                envelope.body = Bytes::new(body).unwrap();
            };
            case.refuses_signed(how, changed, &Refusal::NoSuchGroup);
        }
    }
}

#[test]
fn another_key_is_refused_without_a_look_at_the_groups_state() {
    let mut fixture = Fixture::new();
    let (mut group, ..) = fixture.shared_group();
    let message = group.message(b"hello");
    let mut body: SendMessage = decode(&message.body).unwrap();
    body.group.group_key = EarKey::from_bytes([8; 32]);
    let guessed = Sample { body: encode(&body), ..message.clone() };
    // Every operation that reads the state finds it damaged.
    for key in fixture.world.store(&message.domain).keys_of(RecordKind::GroupSection) {
        fixture.world.store_mut(&message.domain).get_mut(&key).unwrap().bytes = vec![1, 2, 3];
    }
    assert_eq!(fixture.send(&guessed).refusal(), Some(Refusal::NoSuchGroup));
    assert!(matches!(fixture.send(&message).refusal(), Some(Refusal::StoredData { .. })));
}

#[test]
fn a_client_of_another_homeserver_is_told_the_same_refusals() {
    let mut fixture = Fixture::new();
    let away = fixture.away.clone();
    let (_, sample) = fixture.token_request(false, &away, 2);
    let bytes = fixture.bytes(&sample);
    let fixture_world = fixture.world.clone();
    let mut forged: RequestEnvelope = decode(&bytes).unwrap();
    let sender = sample.signer.as_ref().unwrap().0.clone();
    forged.sign(Signer { sender: &sender, key: &SigningKey::from_bytes(&[1; 32]) });
    let refused = fixture.world.request(&away, &encode(&forged));
    assert_eq!(refused.refusal(), Some(Refusal::Unauthenticated));
    assert_eq!(fixture.world.store(&away), fixture_world.store(&away));
    let body: IssueTokens = decode(sample.body.as_slice()).unwrap();
    let mut other = body.clone();
    other.credential.signature.0[1] ^= 1;
    let resigned = Sample::new(&away, &other, Some((sender, fixture.alice.key.clone())));
    let refused = fixture.send(&resigned);
    assert!(matches!(refused.refusal(), Some(Refusal::InvalidCredential { .. })));
    assert_eq!(fixture.send(&sample).refusal(), None);
}
