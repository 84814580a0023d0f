//! PROTOCOL.md §2, Requests and responses — the envelope around every request and answer.
//!
//! [`RequestEnvelope::to`] makes a request, signed or not (§3, Signatures); [`RequestEnvelope::read`] and
//! [`RequestEnvelope::verify`] are the homeserver's side. [`ResponseEnvelope::read`] reads the answer.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::operations::{OperationKind, RequestBody};
use crate::{
    codec::{Bytes, Codec, DecodeError, decode, encode},
    credentials::Fingerprint,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
        sign::{InvalidSignature, Signable, Signature, SigningKey, VerifyingKey},
        tokens::Token,
    },
    error::Refusal,
    identifiers::{Domain, QsClientId, QsUserId, RequestId},
    limits::{MAX_LARGE_REQUEST, SUPPORTED_VERSIONS},
    time::Timestamp,
};

/// The protocol's version, which every request and answer begins with.
pub const PROTOCOL_VERSION: u16 = 1;

/// A request as it travels, from a client or a homeserver to a service (§2, Requests and responses).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RequestEnvelope {
    /// The protocol's version. It is read before anything else.
    pub version: u16,
    /// The code of the operation ([`OperationKind::code`]).
    pub operation: u16,
    /// The homeserver that the request is meant for.
    pub service_domain: Domain,
    /// When the request was made, by the caller's clock. It must lie within the homeserver's authentication
    /// window.
    pub timestamp: Timestamp,
    /// 16 random bytes, the same in each repetition of the request and in no other one.
    pub request_id: RequestId,
    /// The token to redeem, where the operation takes one.
    pub token: Option<Token>,
    /// Who sent it, where the operation is authenticated by a signature.
    pub authentication: Option<Authentication>,
    /// The operation's own message, encoded.
    pub body: Bytes<MAX_LARGE_REQUEST>,
}

/// Who sent a request, and the proof (§3, Signatures).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Authentication {
    /// The name of the sender, whose key signs.
    pub sender: Sender,
    /// The signature over [`RequestAuth`].
    pub signature: Signature,
}

/// The name by which a service knows a sender (§2, Requests and responses).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Sender {
    /// A client, by the fingerprint of its credential.
    #[tls_codec(discriminant = 1)]
    Client(Fingerprint),
    /// A user, by its pseudonym at the queuing service. No operation uses it yet.
    #[tls_codec(discriminant = 2)]
    QsUser(QsUserId),
    /// A client, by its pseudonym at the queuing service.
    #[tls_codec(discriminant = 3)]
    QsClient(QsClientId),
    /// A member of a group, by its leaf index.
    #[tls_codec(discriminant = 4)]
    Leaf(u32),
    /// A joiner that is not heard of as a member yet, by its KeyPackageRef.
    #[tls_codec(discriminant = 5)]
    KeyPackage(Bytes<64>),
}

/// What a request's signature covers (§3, Signatures): so it is worth nothing for another homeserver,
/// operation, sender, time, token or body.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RequestAuth {
    service_domain: Domain,
    operation: u16,
    sender: Sender,
    timestamp: Timestamp,
    request_id: RequestId,
    body_hash: Hash,
}

impl Signable for RequestAuth {
    const LABEL: Label = Label::REQUEST_AUTH;
}

/// The name and the key that a request is signed with.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The name by which the service knows the sender.
    pub sender: &'a Sender,
    /// The private key, whose public half the service has for that name.
    pub key: &'a SigningKey,
}

/// A request that is being made: see [`RequestEnvelope::to`].
#[must_use = "a request is made by `signed` or `unsigned`"]
pub struct NewRequest<'a, B> {
    service_domain: Domain,
    timestamp: Timestamp,
    request_id: RequestId,
    token: Option<Token>,
    body: &'a B,
}

impl<B: RequestBody> NewRequest<'_, B> {
    /// Adds the token to redeem, if there is one. The signature will cover it.
    pub fn token(self, token: impl Into<Option<Token>>) -> Self {
        Self { token: token.into(), ..self }
    }

    /// Returns the request, signed.
    ///
    /// # Errors
    /// [`DecodeError`] if the body is larger than any request may be. Nothing is sent then.
    pub fn signed(self, signer: Signer<'_>) -> Result<RequestEnvelope, DecodeError> {
        let mut envelope = self.unsigned()?;
        envelope.sign(signer);
        Ok(envelope)
    }

    /// Returns the request without a signature, for operations that ask for none.
    ///
    /// # Errors
    /// [`DecodeError`] if the body is larger than any request may be. Nothing is sent then.
    pub fn unsigned(self) -> Result<RequestEnvelope, DecodeError> {
        Ok(RequestEnvelope {
            version: PROTOCOL_VERSION,
            operation: B::KIND.code(),
            service_domain: self.service_domain,
            timestamp: self.timestamp,
            request_id: self.request_id,
            token: self.token,
            authentication: None,
            body: Bytes::new(encode(self.body))?,
        })
    }
}

impl RequestEnvelope {
    /// Begins a request with `body` to the homeserver `service_domain`. `timestamp` is the caller's time;
    /// `request_id` is 16 random bytes that name the request. A repetition is the very same bytes, which
    /// changes nothing.
    ///
    /// ```
    /// # use phoenix_core::{codec::encode, crypto::sign::SigningKey, identifiers::{QsClientId, RequestId}, time::Timestamp};
    /// use phoenix_core::wire::{
    ///     envelope::{RequestEnvelope, Sender, Signer},
    ///     queues::DequeueRange,
    ///     queuing_service::{Dequeue, GetQsKeys},
    /// };
    ///
    /// # let (now, key) = (Timestamp::from_milliseconds(1_800_000_000_000), SigningKey::from_bytes(&[1; 32]));
    /// # let domain: phoenix_core::identifiers::Domain = "example.com".parse()?;
    /// let question = RequestEnvelope::to(domain.clone(), now, RequestId([7; 16]), &GetQsKeys {}).unsigned()?;
    ///
    /// let sender = Sender::QsClient(QsClientId([3; 16]));
    /// let body = Dequeue { range: DequeueRange { first: 0, maximum: 100, generation: 0, last: None } };
    /// let request = RequestEnvelope::to(domain, now, RequestId([8; 16]), &body)
    ///     .signed(Signer { sender: &sender, key: &key })?;
    /// let bytes = encode(&request);
    /// # assert!(encode(&question).len() < bytes.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to<B: RequestBody>(
        service_domain: Domain,
        timestamp: Timestamp,
        request_id: RequestId,
        body: &B,
    ) -> NewRequest<'_, B> {
        NewRequest { service_domain, timestamp, request_id, token: None, body }
    }

    /// Signs the request as it is now; a former signature goes.
    pub(crate) fn sign(&mut self, Signer { sender, key }: Signer<'_>) {
        let signature = key.sign(&self.request_auth(sender));
        self.authentication = Some(Authentication { sender: sender.clone(), signature });
    }

    fn request_auth(&self, sender: &Sender) -> RequestAuth {
        RequestAuth {
            service_domain: self.service_domain.clone(),
            operation: self.operation,
            sender: sender.clone(),
            timestamp: self.timestamp,
            request_id: self.request_id,
            body_hash: kdf::hash(Label::REQUEST_BODY, &[&encode(&self.token), self.body.as_slice()]),
        }
    }

    /// Makes sure that the owner of `key` made this request under the name that it gives.
    ///
    /// # Errors
    /// [`InvalidSignature`] if another one did, or the request is not signed at all.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), InvalidSignature> {
        let authentication = self.authentication.as_ref().ok_or(InvalidSignature)?;
        key.verify(&self.request_auth(&authentication.sender), &authentication.signature)
    }

    /// Reads a request: version, operation and size first, so that an unknown or oversized one costs nothing
    /// (§2, Order of checks).
    ///
    /// # Errors
    /// The refusal to answer with: [`Refusal::UnsupportedVersion`], [`Refusal::UnknownOperation`],
    /// [`Refusal::TooLarge`] or [`Refusal::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<(OperationKind, Self), Refusal> {
        let [version, operation] = match bytes {
            [a, b, c, d, ..] => [u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])],
            _ => return Err(Refusal::Malformed),
        };
        if !SUPPORTED_VERSIONS.contains(&version) {
            let supported = SUPPORTED_VERSIONS.to_vec().try_into().unwrap_or_default();
            return Err(Refusal::UnsupportedVersion { supported });
        }
        let kind = OperationKind::from_code(operation).ok_or(Refusal::UnknownOperation)?;
        let limit = kind.rules().size_limit;
        if bytes.len() > limit {
            return Err(Refusal::TooLarge { limit: limit as u64 });
        }
        Ok((kind, decode(bytes).map_err(|_| Refusal::Malformed)?))
    }
}

/// An answer as it travels, from a service to its caller (§2, Requests and responses).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ResponseEnvelope {
    /// The protocol's version.
    pub version: u16,
    /// The operation's reply, or a refusal.
    pub outcome: ResponseOutcome,
}

/// What marks [`ResponseOutcome::Refused`], after the version.
const REFUSED: u8 = 2;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum ResponseOutcome {
    /// The request was carried out: the operation's reply, encoded.
    #[tls_codec(discriminant = 1)]
    Reply(Bytes<MAX_LARGE_REQUEST>),
    /// The request was not carried out.
    #[tls_codec(discriminant = "REFUSED")]
    Refused(Refusal),
}

impl ResponseEnvelope {
    /// Returns the encoded answer that carries `reply`. A reply that is too long for one becomes
    /// [`Refusal::TooLarge`].
    pub fn reply<R: Codec>(reply: &R) -> Vec<u8> {
        match Bytes::new(encode(reply)) {
            Ok(reply) => Self::encoded(ResponseOutcome::Reply(reply)),
            Err(_) => Self::refused(&Refusal::TooLarge { limit: MAX_LARGE_REQUEST as u64 }),
        }
    }

    /// Returns the encoded answer that refuses the request.
    pub fn refused(refusal: &Refusal) -> Vec<u8> {
        Self::encoded(ResponseOutcome::Refused(refusal.clone()))
    }

    fn encoded(outcome: ResponseOutcome) -> Vec<u8> {
        encode(&Self { version: PROTOCOL_VERSION, outcome })
    }

    /// Returns the refusal that an encoded answer carries; `None` if it carries a reply, which is not looked
    /// at.
    ///
    /// This is for drivers, which pass answers on: it costs nothing, whatever the size of the reply.
    pub fn refusal(bytes: &[u8]) -> Option<Refusal> {
        match bytes {
            [_, _, REFUSED, refusal @ ..] => decode(refusal).ok(),
            _ => None,
        }
    }

    /// Reads the answer to a request whose reply is an `R`: the reply, or the refusal.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no such answer: the homeserver, or something in front of it, is at
    /// fault. The caller treats it as no answer, and repeats the request.
    pub fn read<R: Codec>(bytes: &[u8]) -> Result<Result<R, Refusal>, DecodeError> {
        match decode::<Self>(bytes)?.outcome {
            ResponseOutcome::Reply(reply) => Ok(Ok(decode(reply.as_slice())?)),
            ResponseOutcome::Refused(refusal) => Ok(Err(refusal)),
        }
    }
}
