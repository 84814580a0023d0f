//! What homeservers cost: processor time and memory.

use super::report::rounded;
use crate::{local::Homeserver, metrics::process};

/// Returns the processor time that the homeservers have used so far, together, in seconds.
pub fn processor_time(homeservers: &[Homeserver]) -> f64 {
    let processes = homeservers.iter().filter_map(Homeserver::process);
    processes.filter_map(|process| process::processor_time(&process.to_string())).sum()
}

/// Returns the resident memory of each homeserver, in MiB.
pub fn memory(homeservers: &[Homeserver]) -> Vec<f64> {
    let processes = homeservers.iter().filter_map(Homeserver::process);
    let bytes = processes.filter_map(|process| process::resident_memory(&process.to_string()));
    bytes.map(|bytes| rounded(bytes as f64 / f64::from(1 << 20))).collect()
}
