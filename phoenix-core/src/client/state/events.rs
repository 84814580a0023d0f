//! PROTOCOL.md §11.15 — events that the application has not confirmed.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::client::{
    event::{Event, EventId},
    records::{ClientRecordKind, Record},
};

/// An event, as it is kept.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct StoredEvent(pub Event);

impl Record for StoredEvent {
    const KIND: ClientRecordKind = ClientRecordKind::Event;
    type Key = EventId;
}
