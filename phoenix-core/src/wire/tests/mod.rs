//! PROTOCOL.md §2 — what travels.

mod encoding;
