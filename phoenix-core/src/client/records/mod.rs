//! PROTOCOL.md §11.15 — the client's state as records: declared kinds, tables that note what changes, and
//! the form in which an embedder keeps them.
//!
//! `CLIENT_KEYSPACE.md` lists all kinds.

mod chunks;
mod keyspace;
mod stored;
mod table;
mod vault;

pub(crate) use chunks::{Chunks, Value};
pub use keyspace::{ClientRecordDeclaration, ClientRecordKind};
pub use stored::{RecordChange, Save, SaveFailed, SaveId, StoredRecord};
pub(crate) use table::{Record, Rows, Single, Table};
pub(crate) use vault::{PlainChange, PlainRecord, Vault};
pub use vault::{RestoreError, StorageKey};
