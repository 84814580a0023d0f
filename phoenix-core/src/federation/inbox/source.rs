//! PROTOCOL.md §9, Rate limits — what is known of a source: its streams, and how much came from it lately.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::stream::{InboundName, InboundStream};
use crate::{
    codec::{List, decode},
    error::Refusal,
    identifiers::{Domain, StreamId},
    limits::{MAX_INBOUND_STREAMS, UNUSED},
    operation::{Context, Interrupt, Transaction},
    rates::{Bucket, Rate},
    store::{Key, Record, RecordKind},
    time::{DAY, Timestamp},
};

/// A source: its streams, and how much came from it lately.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct InboundSource {
    streams: List<SeenStream, MAX_INBOUND_STREAMS>,
    taken: Bucket,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct SeenStream {
    stream_id: StreamId,
    /// When its last frame came.
    last: Timestamp,
}

/// A stream that was silent for this long makes room for a new one. Longer than the time window by far: what
/// was accepted in it cannot come again.
const SILENCE: Duration = DAY;

impl Record for InboundSource {
    type Name = Domain;
    const KIND: RecordKind = RecordKind::InboundSource;
}

fn rate(context: &Context) -> Rate {
    let rates = &context.config().rates;
    Rate { per_second: rates.source_entries_per_second, burst: rates.source_burst }
}

impl InboundSource {
    /// Checks that the source is not over its rate.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`].
    pub fn check_rate(&self, context: &Context) -> Result<(), Refusal> {
        self.taken.check(context.now(), rate(context)).map_err(Refusal::rate_limited)
    }

    /// Charges the source's rate for this many entries.
    pub fn charge(&mut self, context: &Context, entries: u64) {
        self.taken.take(context.now(), rate(context), entries);
    }

    /// Notes that a frame of `stream` came, if the source has room for it.
    ///
    /// # Errors
    /// [`Refusal::TooManyStreams`] if the stream is new and none of the others was silent for long.
    pub fn note_stream(
        &mut self,
        transaction: &mut Transaction<'_>,
        stream: &InboundName,
    ) -> Result<(), Refusal> {
        let now = transaction.now();
        let seen = self.streams.iter_mut().find(|seen| seen.stream_id == stream.stream_id);
        if let Some(seen) = seen {
            seen.last = now;
            return Ok(());
        }
        if let Err(seen) = self.streams.push(SeenStream { stream_id: stream.stream_id, last: now }) {
            self.forget_silent(transaction, &stream.source)?;
            self.streams.push(seen).map_err(|_| Refusal::TooManyStreams)?;
        }
        Ok(())
    }

    /// Forgets the stream that was silent for longest.
    fn forget_silent(&mut self, transaction: &mut Transaction<'_>, source: &Domain) -> Result<(), Refusal> {
        let silent = self.streams.iter().enumerate().min_by_key(|(_, seen)| seen.last);
        let (index, _) = silent
            .filter(|(_, seen)| transaction.now().since(seen.last) >= SILENCE)
            .ok_or(Refusal::TooManyStreams)?;
        let SeenStream { stream_id, .. } = self.streams.remove(index);
        transaction.delete::<InboundStream>(&InboundName { source: source.clone(), stream_id });
        Ok(())
    }
}

/// Drops the streams of a source that were silent for so long that they are of no use. Returns whether none
/// is left.
pub(crate) fn is_over(transaction: &mut Transaction<'_>, key: &Key) -> Result<bool, Interrupt> {
    let Ok(domain) = decode::<Domain>(key.name()) else { return Ok(false) };
    let now = transaction.now();
    let unused = |seen: &SeenStream| now.since(seen.last) > UNUSED;
    let snapshot = transaction.snapshot().read::<InboundSource>(&domain)?.intact();
    if !snapshot.is_some_and(|source| source.streams.iter().any(unused)) {
        return Ok(false);
    }
    let Some(mut source) = transaction.read::<InboundSource>(&domain)?.intact() else { return Ok(false) };
    for seen in source.streams.iter().filter(|seen| unused(seen)) {
        let stream_id = seen.stream_id;
        transaction.delete::<InboundStream>(&InboundName { source: domain.clone(), stream_id });
    }
    source.streams.retain(|seen| !unused(seen));
    if source.streams.is_empty() {
        return Ok(true);
    }
    transaction.put(&domain, &source);
    Ok(false)
}
