//! PROTOCOL.md §2, Encoding — a message has one valid encoding: it comes back as it was, no part of it is a
//! message, and nothing may follow it.

use std::fmt::Debug;

use proptest::prelude::*;

use crate::{
    codec::{Codec, DecodeError, decode, encode},
    error::Refusal,
    rng::Random,
    testing::generate::Generate,
    wire::envelope::{ResponseEnvelope, ResponseOutcome},
};

/// Checks what holds of every message.
fn check<T: Generate + Codec + PartialEq + Debug>(seed: [u8; 32]) -> Result<(), TestCaseError> {
    let mut random = Random::from_seed(seed);
    let value = T::generate(&mut random);
    let bytes = encode(&value);
    prop_assert_eq!(bytes.len(), value.tls_serialized_len());
    prop_assert_eq!(&decode::<T>(&bytes), &Ok(value));
    for length in 0..bytes.len() {
        prop_assert_eq!(decode::<T>(&bytes[..length]), Err(DecodeError), "{} of {}", length, bytes.len());
    }
    for following in [0, 1, u8::MAX] {
        let longer = [&bytes[..], &[following]].concat();
        prop_assert_eq!(decode::<T>(&longer), Err(DecodeError));
    }
    // A changed bit is refused, or is another value with exactly this encoding.
    if !bytes.is_empty() {
        let mut changed = bytes.clone();
        let position = random.below(bytes.len() as u64) as usize;
        changed[position] ^= 1 << random.below(8);
        if let Ok(other) = decode::<T>(&changed) {
            prop_assert_eq!(encode(&other), changed);
        }
    }
    Ok(())
}

macro_rules! round_trips {
    ($($module:ident: $($name:ident)*;)*) => {
        $(
            #[test]
            fn $module() {
                #[allow(unused_imports)]
                use crate::{credentials::*, crypto::{aead::*, hpke::*, ratchet::*, tokens::*}, identifiers::{*, LogId, StreamName}, mls::{GroupInfoUpdate, Roles}, operation::Timer, wire::{auth_service::*, delivery_service::*, envelope::*, fan_out::*, federation::*, message::*, queues::*, queuing_service::*}};
                let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
                    cases: 64,
                    failure_persistence: None,
                    ..ProptestConfig::default()
                });
                $(
                    let result = runner.run(&any::<[u8; 32]>(), check::<$name>);
                    assert!(result.is_ok(), "{}: {result:?}", stringify!($name));
                )*
            }
        )*
    };
}

round_trips! {
    envelopes_have_one_encoding:
        RequestEnvelope ResponseEnvelope Authentication Sender ResponseOutcome Refusal;
    identifiers_have_one_encoding:
        UserId ClientId GroupId QsUserId QsClientId RequestId StreamId StreamName LogId Timer;
    cryptographic_values_have_one_encoding:
        HpkeCiphertext EarCiphertext RatchetCiphertext QueueEntry QueueEntryContent Token TokenPublicKey
        TokenResponse GroupInfoUpdate Roles;
    credentials_have_one_encoding:
        AsCredential AsIntermediateCredential ClientCredential ClientCredentialRequest LeafCredential
        LeafAttribution MemberCredential Revocation RevocationList AsCredentialSet QsKeySet DsKeySet;
    messages_of_the_authentication_service_have_one_encoding:
        Done InitRegistration InitRegistrationReply FinishRegistration GetAsCredentials GetAsCredentialsReply
        GetTokenKeys GetTokenKeysReply IssueTokens IssueTokensReply PublishConnectionPackages
        GetConnectionPackage GetConnectionPackageReply EnqueueDirect DequeueDirect DequeueRange DequeueReply
        ConnectionPackage;
    messages_of_the_queuing_service_have_one_encoding:
        GetConfigKey GetConfigKeyReply GetQsKeys GetQsKeysReply CreateUserRecord CreateUserRecordReply
        PublishKeyPackages AddPackage GetKeyPackage GetKeyPackageReply KeyPackageBatch Dequeue Listen
        FriendshipToken;
    messages_of_the_delivery_service_have_one_encoding:
        GetDsKeys GetDsKeysReply RequestGroupId RequestGroupIdReply GroupAccess CreateGroup WelcomeInfo
        WelcomeInfoReply LeafProfile ExternalCommitInfo ExternalCommitInfoReply JoinConnectionGroup AddUsers
        UpdateClient CommitReply SendMessage SendMessageReply UpdateQueueInfo CommitData;
    what_is_fanned_out_has_one_encoding:
        ClientQueueConfig QueueConfig Binding FanOutMessage Recipient Receipt WelcomeBundle FanOutContent
        QueueMessage Delivery Gap;
    frames_have_one_encoding:
        EnqueueFederated EnqueueFederatedReply Frame FrameContent FramePayload FederatedBatch Skip
        DroppedMessage;
}

#[test]
fn an_answer_that_refuses_is_told_from_one_that_does_not_without_reading_it() {
    let mut random = Random::from_seed([2; 32]);
    for _ in 0..200 {
        let envelope = ResponseEnvelope::generate(&mut random);
        let bytes = encode(&envelope);
        let expected = match envelope.outcome {
            ResponseOutcome::Refused(refusal) => Some(refusal),
            ResponseOutcome::Reply(_) => None,
        };
        assert_eq!(ResponseEnvelope::refusal(&bytes), expected);
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(ResponseEnvelope::refusal(&longer), None, "no answer at all");
    }
    for nothing in [&b""[..], &[0, 1], &[0, 1, 2], &[0, 1, 2, 0, 0]] {
        assert_eq!(ResponseEnvelope::refusal(nothing), None);
    }
}

#[test]
fn the_code_of_a_refusal_is_the_head_of_its_encoding_and_no_two_are_alike() {
    let mut random = Random::from_seed([1; 32]);
    let mut names = std::collections::BTreeMap::new();
    for _ in 0..5_000 {
        let refusal = Refusal::generate(&mut random);
        assert_eq!(encode(&refusal)[..2], refusal.code().to_be_bytes());
        let shown = format!("{refusal:?}");
        let name: String = shown.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        assert_eq!(names.entry(refusal.code()).or_insert_with(|| name.clone()), &name);
    }
    assert_eq!(names.len(), 56, "all were drawn");
}

proptest! {
    /// No input panics, and what is read is what would be written.
    #[test]
    fn arbitrary_bytes_are_no_request_or_exactly_one(
        code in 0..crate::wire::operations::OperationKind::ALL.len(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let kind = crate::wire::operations::OperationKind::ALL[code];
        match crate::wire::operations::Request::read(kind, &body) {
            Ok(request) => prop_assert_eq!(request.kind(), kind),
            Err(refusal) => prop_assert_eq!(refusal, Refusal::Malformed),
        }
        let _ = crate::wire::envelope::RequestEnvelope::read(&body);
    }
}
