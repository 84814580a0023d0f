//! PROTOCOL.md §2, Idempotency — the answer to a request is remembered, so that its repetition changes
//! nothing.
//!
//! The row is named by a hash of the whole request, and encrypted under a key derived from the request: it
//! says nothing to a reader who does not have the request. Its absence is a precondition of the commit, so
//! the same bytes never take effect twice.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    config::Plant,
    crypto::{
        aead::{EarCiphertext, EarKey},
        kdf::{self, Hash},
        labels::Label,
    },
    error::Refusal,
    operation::{Context, Interrupt, Transaction},
    store::{Expiring, Key, Record, RecordKind},
    wire::envelope::RequestEnvelope,
};

/// An encoded answer, encrypted under a key derived from its request.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct SealedAnswer(EarCiphertext);

impl Record for SealedAnswer {
    type Name = Expiring<Hash>;
    const KIND: RecordKind = RecordKind::RememberedAnswer;
}

/// The answer to one request: the row that it is remembered in, and the key that opens it.
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
        Key::of::<SealedAnswer>(&self.name)
    }

    /// Returns the answer that was given before, encoded, if there is one.
    ///
    /// # Errors
    /// [`Refusal::StoredData`] if the row is damaged.
    pub(crate) fn get(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
        let Some(SealedAnswer(sealed)) = transaction.get(&self.name)? else { return Ok(None) };
        let damaged = Refusal::StoredData { kind: RecordKind::RememberedAnswer as u8 };
        let answer = self.key.open(&self.name.name, &sealed).map_err(|_| damaged)?;
        Ok(Some(answer.to_vec()))
    }

    /// Remembers the encoded `answer`.
    pub(crate) fn put(&self, transaction: &mut Transaction<'_>, answer: &[u8]) {
        // Sealing fails for what is too long to be sent, which no answer is.
        if let Ok(sealed) = self.key.seal(transaction.random(), &self.name.name, answer) {
            transaction.put(&self.name, &SealedAnswer(sealed));
        }
    }
}
