//! PROTOCOL.md §11.15 — the client's state as records.

mod stored;

pub use stored::{RecordChange, StoredRecord};
