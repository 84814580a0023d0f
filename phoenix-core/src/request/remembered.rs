//! PROTOCOL.md §2, Idempotency — the answer to a request is remembered, so that its repetition changes nothing.
//!
//! The row is keyed by the hash of the whole request and encrypted under a key derived from the request: it
//! says nothing to whoever does not have the request. Its absence is a precondition of the commit, so the same
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
pub(crate) struct RememberedAnswer(EarCiphertext);

impl Record for RememberedAnswer {
    type Name = Expiring<Hash>;
    const KIND: RecordKind = RecordKind::RememberedAnswer;
}

/// Where and under which key the answer to one request is remembered.
pub(crate) struct Memory {
    name: Expiring<Hash>,
    key: EarKey,
}

impl Memory {
    /// The memory of the request with these bytes.
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
        Key::of::<RememberedAnswer>(&self.name)
    }

    /// The answer given before, if there is one.
    pub(crate) fn recall(&self, transaction: &mut Transaction) -> Result<Option<Vec<u8>>, Interrupt> {
        let Some(RememberedAnswer(sealed)) = transaction.get(&self.name)? else { return Ok(None) };
        let damaged = Refusal::StoredData { kind: RecordKind::RememberedAnswer as u8 };
        let answer = self.key.open(&self.name.name, &sealed).map_err(|_| damaged)?;
        Ok(Some(answer.to_vec()))
    }

    /// Remembers `answer`.
    pub(crate) fn remember(&self, transaction: &mut Transaction, context: &mut Context, answer: &[u8]) {
        // An answer is within the limit of what can be sealed, since it is within that of what can be sent.
        if let Ok(sealed) = self.key.seal(&mut context.random, &self.name.name, answer) {
            transaction.put(&self.name, &RememberedAnswer(sealed));
        }
    }
}
