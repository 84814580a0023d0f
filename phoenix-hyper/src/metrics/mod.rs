//! Metrics in the OpenMetrics text format.
//!
//! | metric | kind | labels | what |
//! | --- | --- | --- | --- |
//! | `phoenix_requests_total` | counter | `operation`, `outcome` | requests; the outcome is `reply`, or the code of the refusal |
//! | `phoenix_request_duration_seconds` | histogram | `operation` | time from a request's acceptance to its answer |
//! | `phoenix_timer_duration_seconds` | histogram | | time from a timer's start to its end |
//! | `phoenix_commits_total` | counter | `outcome` | commits; the outcome is `committed`, or `in_vain`: conflicts and unknown outcomes |
//! | `phoenix_operations_under_way` | gauge | | operations under way or waiting for their turn |
//! | `phoenix_listeners` | gauge | | clients connected for signals |
//! | `phoenix_timers` | gauge | | timers in memory |
//! | `phoenix_peer_requests_total` | counter | `service`, `outcome` | requests to other homeservers; the outcome is `answer`, or what failed |
//! | `phoenix_peer_request_duration_seconds` | histogram | `service` | time that requests to other homeservers took |
//! | `phoenix_reports_total` | counter | `kind` | events that need the operator's attention: see the log |
//! | `phoenix_build_info` | info | `version` | the version of this software |
//! | `process_…` | | | memory, processor time and open files of the process (Linux) |
//!
//! Every label has a small fixed set of values. Nothing from outside becomes a label: no domain, no name.

pub mod process;
mod registry;

pub use self::registry::{Load, MEDIA_TYPE, Metrics};
