//! PROTOCOL.md §2, Idempotency — how far a request has come is remembered, so that its repetition changes
//! nothing: first that its token is redeemed, if it has to wait, then its answer.
//!
//! The row is named by a hash of the whole request, and encrypted under a key derived from the request: it
//! says nothing to a reader who does not have the request. Each step expects the row as the one before left
//! it, so the same bytes never take effect twice, nor ask other homeservers twice on one payment.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, decode, encode},
    config::Plant,
    crypto::{
        aead::{EarCiphertext, EarKey},
        kdf::{self, Hash},
        labels::Label,
    },
    error::Refusal,
    limits::{MAX_ASKS, MAX_LARGE_REQUEST},
    operation::{Context, Interrupt, Transaction},
    rates::StoredTime,
    store::{Expiring, Key, Record, RecordKind},
    time::MINUTE,
    wire::envelope::RequestEnvelope,
};

/// An encoded [`Progress`], encrypted under a key derived from its request.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct SealedProgress(EarCiphertext);

impl Record for SealedProgress {
    type Name = Expiring<Hash>;
    const KIND: RecordKind = RecordKind::RememberedAnswer;
}

/// How far a request has come. Only an answer ends it.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Progress {
    /// Its token is redeemed, and it has to wait: for another homeserver, or for a better time.
    #[tls_codec(discriminant = 1)]
    Redeemed(Redemption),
    /// It was answered, with these bytes.
    #[tls_codec(discriminant = 2)]
    Answered(Bytes<MAX_LARGE_REQUEST>),
}

/// What is left of a token that was redeemed.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Redemption {
    /// For how many rounds of questions to other homeservers it still pays.
    asks_left: u8,
    /// The operation that last served the request.
    operation: [u8; 16],
    /// Until then no other operation goes on: that one is asking, or has told the caller to come back then.
    not_before: StoredTime,
}

/// How long a copy waits for one beside it that asks: longer than any question is under way. Whoever asks for
/// longer pays again.
const UNDER_WAY: Duration = MINUTE;

/// The longest wait that is noted. A copy that comes after it, and still too early, is told the same again.
const LONGEST_WAIT: Duration = MINUTE.saturating_mul(5);

impl Redemption {
    fn new(context: &Context) -> Self {
        let not_before = StoredTime::new(context.now());
        Self { asks_left: MAX_ASKS, operation: context.name(), not_before }
    }

    /// Makes sure that it is this operation's turn.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if another one is asking for the same bytes, or they come earlier than their
    /// caller was told.
    pub(crate) fn check_turn(&self, context: &Context) -> Result<(), Refusal> {
        let now = context.now();
        match self.not_before.pending(now, LONGEST_WAIT) {
            Some(until) if self.operation != context.name() => Err(Refusal::rate_limited(until - now)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether all others wait for this operation, which has paid for what it asks.
    fn is_held_by(&self, context: &Context) -> bool {
        self.operation == context.name() && self.not_before.pending(context.now(), LONGEST_WAIT).is_some()
    }

    /// Has all other operations wait.
    fn hold(&mut self, context: &Context, wait: Duration) {
        self.operation = context.name();
        self.not_before = StoredTime::new(context.now() + wait);
    }
}

/// What is remembered of one request: the row, and the key that opens it.
pub(crate) struct RememberedAnswer {
    name: Expiring<Hash>,
    key: EarKey,
}

impl RememberedAnswer {
    /// Returns where the answer to the request with these `bytes` is remembered. It goes when the request's
    /// time has left the authentication window.
    pub(crate) fn of(bytes: &[u8], envelope: &RequestEnvelope, context: &Context) -> Self {
        let times = &context.config().times;
        let by_id = context.planted(Plant::AnswersByRequestId);
        let bytes = if by_id { &envelope.request_id.0 } else { bytes };
        Self {
            name: Expiring {
                hour: (envelope.timestamp + times.request_past + times.request_future).hour(),
                name: kdf::hash(Label::REMEMBERED_ANSWER_ID, &[bytes]),
            },
            key: EarKey::from_bytes(kdf::hash(Label::REMEMBERED_ANSWER_KEY, &[bytes])),
        }
    }

    /// Returns the key of the row.
    pub(crate) fn row(&self) -> Key {
        Key::of::<SealedProgress>(&self.name)
    }

    /// Returns how far the request has come, if anything is remembered of it.
    ///
    /// # Errors
    /// [`Refusal::StoredData`] if the row is damaged.
    pub(crate) fn get(&self, transaction: &mut Transaction<'_>) -> Result<Option<Progress>, Interrupt> {
        let Some(SealedProgress(sealed)) = transaction.get(&self.name)? else { return Ok(None) };
        let damaged = Refusal::StoredData { kind: RecordKind::RememberedAnswer as u8 };
        let progress = self.key.open(&self.name.name, &sealed).map_err(|_| damaged.clone())?;
        Ok(Some(decode(&progress).map_err(|_| damaged)?))
    }

    /// Remembers the encoded `answer`.
    pub(crate) fn answer(&self, transaction: &mut Transaction<'_>, answer: &[u8]) {
        // Fails for what is too long to be sent, which no answer is.
        if let Ok(answer) = Bytes::new(answer.to_vec()) {
            self.put(transaction, &Progress::Answered(answer));
        }
    }

    /// Remembers that the token is redeemed, and that the caller was told to come back after `wait`.
    pub(crate) fn come_back(&self, transaction: &mut Transaction<'_>, wait: Duration) {
        // Whatever cannot be read was refused before anything was redeemed.
        if let Ok(mut redemption) = self.redemption(transaction) {
            redemption.hold(transaction.context(), wait.min(LONGEST_WAIT));
            self.put(transaction, &Progress::Redeemed(redemption));
        }
    }

    /// Takes one of the rounds of questions that the redeemed token pays for, and has copies of the request wait
    /// meanwhile. Returns whether there is anything to commit: not if this operation has taken one before.
    ///
    /// # Errors
    /// [`Refusal::TokenSpent`] if none is left: more of them take another token.
    pub(crate) fn take_ask(&self, transaction: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        let mut redemption = self.redemption(transaction)?;
        if redemption.is_held_by(transaction.context()) {
            return Ok(false);
        }
        redemption.asks_left = redemption.asks_left.checked_sub(1).ok_or(Refusal::TokenSpent)?;
        redemption.hold(transaction.context(), UNDER_WAY);
        self.put(transaction, &Progress::Redeemed(redemption));
        Ok(true)
    }

    fn redemption(&self, transaction: &mut Transaction<'_>) -> Result<Redemption, Interrupt> {
        Ok(match self.get(transaction)? {
            Some(Progress::Redeemed(redemption)) => redemption,
            Some(Progress::Answered(_)) | None => Redemption::new(transaction.context()),
        })
    }

    fn put(&self, transaction: &mut Transaction<'_>, progress: &Progress) {
        // Sealing fails for what is too long to be sent, which nothing of this is.
        if let Ok(sealed) = self.key.seal(transaction.random(), &self.name.name, &encode(progress)) {
            transaction.put(&self.name, &SealedProgress(sealed));
        }
    }
}
