//! Random valid values of everything that travels. Structures are listed field by field, so one that gets a
//! new field does not compile until it is listed here too.

use crate::{
    codec::{Bytes, Flag, List},
    credentials::*,
    crypto::{
        aead::{EarCiphertext, EarKey},
        hpke::{HpkeCiphertext, HpkePublicKey},
        ratchet::{QueueEntry, QueueEntryContent, RatchetCiphertext},
        sign::{Signature, VerifyingKey},
        tokens::{BlindedToken, Token, TokenKeyId, TokenPublicKey, TokenResponse, TokenScope},
    },
    identifiers::{
        ClientId, ClientUuid, Domain, GroupId, GroupUuid, LeafIdentity, LogId, QsClientId, QsUserId,
        RequestId, StreamId, StreamName, UserId, UserUuid,
    },
    mls::{GroupInfoUpdate, Roles},
    operation::Timer,
    rng::Random,
    time::{ExpirationData, Timestamp},
    wire::{
        auth_service::*, delivery_service::*, envelope::*, fan_out::*, federation::*, message::*, queues::*,
        queuing_service::*,
    },
};

/// A type whose values can be drawn at random.
pub trait Generate: Sized {
    /// Draws a valid value.
    fn generate(random: &mut Random) -> Self;
}

impl<const N: usize> Generate for [u8; N] {
    fn generate(random: &mut Random) -> Self {
        random.array()
    }
}

impl<const MAX: usize> Generate for Bytes<MAX> {
    fn generate(random: &mut Random) -> Self {
        // On both sides of the border at which the length takes a second byte.
        let length = if random.below(8) == 0 { 70 } else { random.below(12) };
        let bytes: [u8; 80] = random.array();
        Self::new(bytes[..(length as usize).min(MAX)].to_vec()).unwrap()
    }
}

impl<T: Generate, const MAX: usize> Generate for List<T, MAX> {
    fn generate(random: &mut Random) -> Self {
        let length = (random.below(3) as usize).min(MAX);
        let values: Vec<T> = (0..length).map(|_| T::generate(random)).collect();
        Self::new(values).ok().unwrap()
    }
}

impl<T: Generate> Generate for Option<T> {
    fn generate(random: &mut Random) -> Self {
        (random.below(2) == 1).then(|| T::generate(random))
    }
}

impl<P: Payload + Generate> Generate for SelfSigned<P> {
    fn generate(random: &mut Random) -> Self {
        Self { payload: P::generate(random), signature: Signature::generate(random) }
    }
}

impl<P: IssuedPayload + Generate> Generate for Issued<P> {
    fn generate(random: &mut Random) -> Self {
        let request = SelfSigned::generate(random);
        let (signer, expiration) = (Fingerprint::generate(random), ExpirationData::generate(random));
        let signature = Signature::generate(random);
        Self { content: IssuedContent { request, signer, expiration }, signature }
    }
}

impl Generate for Domain {
    fn generate(random: &mut Random) -> Self {
        let names = ["example.com", "a.b.c.example.org", "xn--bcher-kva.example", "localhost.localhost"];
        names[random.below(4) as usize].parse().unwrap()
    }
}

impl Generate for Timestamp {
    fn generate(random: &mut Random) -> Self {
        Self::from_milliseconds(u64::generate(random))
    }
}

impl Generate for EarKey {
    fn generate(random: &mut Random) -> Self {
        Self::random(random)
    }
}

macro_rules! integers {
    ($($name:ident)*) => {
        $(impl Generate for $name {
            fn generate(random: &mut Random) -> Self {
                // Mistakes are at the ends of the range.
                match random.below(4) {
                    0 => $name::MIN,
                    1 => $name::MAX,
                    _ => $name::from_be_bytes(random.array()),
                }
            }
        })*
    };
}
integers! { u8 u16 u32 u64 }

macro_rules! newtypes {
    ($($name:ident)*) => {
        $(impl Generate for $name {
            fn generate(random: &mut Random) -> Self {
                Self(Generate::generate(random))
            }
        })*
    };
}
newtypes! {
    Fingerprint Signature VerifyingKey HpkePublicKey KeyId TokenKeyId BlindedToken StreamId LeafIdentity QsUserId
    QsClientId RequestId FriendshipToken UserUuid ClientUuid GroupUuid
}

macro_rules! structures {
    ($($name:ident { $($field:ident)* })*) => {
        $(impl Generate for $name {
            fn generate(_random: &mut Random) -> Self {
                Self { $($field: Generate::generate(_random),)* }
            }
        })*
    };
}
structures! {
    UserId { uuid domain }
    ClientId { user_id uuid }
    GroupId { uuid domain }
    ExpirationData { not_before not_after }
    HpkeCiphertext { encapsulated ciphertext }
    EarCiphertext { salt ciphertext }
    RatchetCiphertext { nonce ciphertext }
    QueueEntry { generation sequence content }
    TokenPublicKey { id scope key validity }
    TokenResponse { evaluated proof }
    Token { key_id nonce output }
    GroupInfoUpdate { extensions signature }
    Roles { admins }
    StreamName { destination shard }

    AsCredentialPayload { suite domain verifying_key expiration }
    AsIntermediateCredentialPayload { suite domain verifying_key expiration }
    ClientCredentialPayload { suite client_id verifying_key expiration }
    LeafCredentialPayload { suite identity verifying_key expiration }
    LeafCredential { leaf encrypted_attribution }
    LeafAttribution { signer signature }
    MemberCredential { client_credential attribution_key }
    RevocationContent { fingerprint revoked_at expires signer }
    Revocation { content signature }
    RevocationList { number entries }
    PublishedKey { suite id verifying_key expiration }
    PublishedHpkeKey { suite id key expiration }
    AsCredentialSetContent { domain roots intermediates revocations issued_at valid_until signer }
    AsCredentialSet { content signature }
    QsKeySetContent { domain keys config_keys stream_keys issued_at valid_until }
    QsKeySet { content signature }
    DsKeySetContent { domain keys issued_at valid_until }
    DsKeySet { content signature }

    RequestEnvelope { version operation service_domain timestamp request_id token authentication body }
    Authentication { sender signature }
    ResponseEnvelope { version outcome }

    Done {}
    InitRegistration { credential_request opaque_request }
    InitRegistrationReply { credential opaque_response expires_at }
    FinishRegistration { expires_at opaque_upload queue_key connection_packages }
    GetAsCredentials {}
    GetAsCredentialsReply { credentials }
    GetTokenKeys {}
    GetTokenKeysReply { keys }
    IssueTokens { key_id blinded credential }
    IssueTokensReply { response }
    PublishConnectionPackages { client_id packages }
    GetConnectionPackage { user_id }
    GetConnectionPackageReply { package }
    EnqueueDirect { client_id package }
    DequeueDirect { client_id range }
    DequeueRange { first maximum generation last }
    DequeueReply { first entries remaining }
    ConnectionPackageContent { credential encryption_key expiration }
    ConnectionPackage { content signature }

    GetConfigKey {}
    GetConfigKeyReply { key }
    GetQsKeys {}
    GetQsKeysReply { keys }
    CreateUserRecord { user_key friendship_hash client_key config_key queue_key }
    CreateUserRecordReply { user client }
    PublishKeyPackages { friendship_token packages }
    AddPackage { key_package encrypted_credential }
    GetKeyPackage { user friendship_token }
    GetKeyPackageReply { packages batch }
    KeyPackageBatchContent { domain references issued_at key_id }
    KeyPackageBatch { content signature }
    Dequeue { range }
    Listen {}

    GetDsKeys {}
    GetDsKeysReply { keys }
    RequestGroupId {}
    RequestGroupIdReply { group_id reserved_until }
    GroupAccess { group_id group_key }
    CreateGroup {
        group reserved_until ratchet_tree group_info encrypted_credential queue_config awaiting_connection
    }
    WelcomeInfo { group epoch }
    WelcomeInfoReply { ratchet_tree credentials }
    LeafProfile { leaf encrypted_credential }
    ExternalCommitInfo { group }
    ExternalCommitInfoReply { group_info ratchet_tree credentials proposals }
    JoinConnectionGroup { group commit group_info queue_config }
    AddUsers { group commit group_info welcome attributions batches }
    UpdateClient { group commit group_info }
    CommitReply { position epoch sent_at }
    SendMessage { group message }
    SendMessageReply { position sent_at }
    UpdateQueueInfo { group queue_config }
    CommitData { encrypted_credentials friendship_package }

    ClientQueueConfig { domain key_id sealed }
    QueueConfigContent { client push_token_key list_key notify binding not_after }
    QueueConfig { content signature }
    FanOutMessage { group_id position sent_at contents recipients }
    Recipient { content config }
    Receipt { request_id epoch }
    WelcomeBundle { welcome attribution }
    Delivery { source group_id position sent_at content }
    Gap { group_id position reason }

    EnqueueFederated { frame }
    EnqueueFederatedReply { accepted_through }
    Frame { content signature }
    FrameContent { source destination stream_id timestamp key_id payload }
    FederatedBatch { epoch seed_key_id sealed_seed epoch_first_sequence first_sequence entries }
    Skip { from to dropped }
    DroppedMessage { group_id position recipients }
}

/// Draws one of several, all as likely. The match makes sure that none is left out.
macro_rules! variants {
    ($($name:ident { $($variant:ident $(($($inner:ident)*))? $({ $($field:ident)* })?,)* })*) => {
        $(impl Generate for $name {
            fn generate(random: &mut Random) -> Self {
                #[allow(dead_code, unused_variables)]
                fn none_left_out(value: &$name) {
                    match value {
                        $($name::$variant $(($($inner)*))? $({ $($field),* })? => {})*
                    }
                }
                let makers: &[fn(&mut Random) -> Self] = &[
                    $(|_random| $name::$variant
                        $(($({ let $inner = Generate::generate(_random); $inner })*))?
                        $({ $($field: Generate::generate(_random)),* })?,)*
                ];
                makers[random.below(makers.len() as u64) as usize](random)
            }
        })*
    };
}
variants! {
    Flag { No, Yes, }
    Suite { Ed25519Sha256Aes128GcmX25519, }
    TokenScope { Local, Federated, }
    QueueEntryContent { RatchetKey(sealed), Rotation(sealed), Message(sealed), }
    Notify { Always, Silent, }
    Binding { Unbound, Bound { ds_domain group_id }, }
    FanOutContent { Message(content), Welcome(content), Receipt(content), Dropped, }
    QueueMessage { Delivery(content), Gap(content), }
    GapReason { QueueFull, Rate, Expired, NotAuthorised, Dropped, }
    FramePayload { Batch(content), Skip(content), }
    Sender { Client(name), QsUser(name), QsClient(name), Leaf(name), KeyPackage(name), }
    ResponseOutcome { Reply(content), Refused(content), }
    LogId { Group(name), Stream { source stream_id }, }
    Timer { Distribute(log), Deliver(stream), Sweep, }
    ValidationError {
        WrongDomain, Expired, NotYetValid, SetExpired, ValidTooLong, BadSelfSignature, UnknownSigner,
        BadSignature, OutsideSignersValidity, Revoked, Contradiction, RevocationListShrank, Empty, TooMany,
        Undecryptable,
    }
}

mod refusals {
    use super::Generate;
    use crate::{error::Refusal, rng::Random};

    variants! {
        Refusal {
            UnsupportedVersion { supported }, UnknownOperation, Malformed, TooLarge { limit }, WrongHomeserver,
            Unauthenticated, OutsideTimeWindow { now }, InvalidCredential { reason }, InvalidPublicKey,
            TokenNeeded, InvalidToken, WrongTokenScope, TokenSpent, RateLimited { retry_after_milliseconds },
            UserExists, RegistrationClosed, NoSuchRegistration, PasswordProtocol, NotFound,
            InvalidConnectionPackage, QueueFull, UnknownTokenKey, BeyondQueue,
            InvalidKeyPackage, NoLastResort, NoFriend,
            NoSuchGroup, NotReserved, WrongEpoch { current }, PendingProposals, NotAdmin, InvalidMlsMessage,
            InvalidGroupInfo, InvalidGroupState, CredentialCount, KeyPackageNotCovered, WelcomeMismatch,
            NotAwaitingConnection, CommitNotAllowed, GroupFull, InvalidQueueConfig,
            WrongDestination, NotFederated, FrameOutsideTimeWindow { by_milliseconds }, UnknownFrameKey,
            InvalidFrameSignature, StreamPosition { expected }, StreamEpoch { epoch }, TooManyStreams,
            PeerUnavailable { domain retry_after_milliseconds }, UnreadableEntry { sequence }, StreamDiverged,
            Unavailable { retry_after_milliseconds }, StoredData { kind }, NoValidKey { retry_after_milliseconds }, Internal,
        }
    }
}
