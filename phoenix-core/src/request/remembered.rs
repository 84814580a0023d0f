//! PROTOCOL.md §2, Idempotency — the answer to a request is remembered, so that its repetition changes nothing.
//!
//! The row is keyed by the hash of the whole request and encrypted under a key derived from the request: it
//! says nothing to a reader who does not have the request. Its absence is a precondition of the commit, so the same
//! bytes never take effect twice.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
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

/// An answer that was given, encrypted under a key derived from its request.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct SealedAnswer(EarCiphertext);

impl Record for SealedAnswer {
    type Name = Expiring<Hash>;
    const KIND: RecordKind = RecordKind::RememberedAnswer;
}

/// Where and under which key the answer to one request is remembered.
pub(crate) struct RememberedAnswer {
    name: Expiring<Hash>,
    key: EarKey,
}

impl RememberedAnswer {
    /// The remembered answer to the request with these bytes.
    pub(crate) fn of(bytes: &[u8], envelope: &RequestEnvelope, context: &Context) -> Self {
        let times = &context.config().times;
        Self {
            name: Expiring {
                hour: (envelope.timestamp + times.request_past + times.request_future).hour(),
                name: kdf::hash(Label::REMEMBERED_ANSWER_ID, &[bytes]),
            },
            key: EarKey::from_bytes(kdf::hash(Label::REMEMBERED_ANSWER_KEY, &[bytes])),
        }
    }

    /// The row that the answer is kept in.
    pub(crate) fn row(&self) -> Key {
        Key::of::<SealedAnswer>(&self.name)
    }

    /// The answer given before, if there is one.
    pub(crate) fn get(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
        let Some(SealedAnswer(sealed)) = transaction.get(&self.name)? else { return Ok(None) };
        let damaged = Refusal::StoredData { kind: RecordKind::RememberedAnswer as u8 };
        let answer = self.key.open(&self.name.name, &sealed).map_err(|_| damaged)?;
        Ok(Some(answer.to_vec()))
    }

    /// Remembers `answer`.
    pub(crate) fn put(&self, transaction: &mut Transaction<'_>, answer: &[u8]) {
        // An answer is within the limit of what can be sealed, since it is within that of what can be sent.
        if let Ok(sealed) = self.key.seal(transaction.random(), &self.name.name, answer) {
            transaction.put(&self.name, &SealedAnswer(sealed));
        }
    }
}
