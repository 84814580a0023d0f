//! PROTOCOL.md §3 — tests of a homeserver's keys.

mod publication;
mod service_keys;
mod tokens;
