//! A demonstration: three homeservers on this machine, people who talk, an outage, and an enemy.
//!
//! Everything is as it would be elsewhere: each homeserver is a process of its own with a store on disk, all talk
//! TLS 1.3 over sockets, and the enemy has nothing but what its place in the network gives it. Each step checks what
//! it shows; the first that does not hold ends the demonstration, and is named.

mod evil;
pub mod people;
pub mod report;
mod story;

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

pub use self::evil::{EvilError, run as run_evil};
use self::report::{Report, StepFailed};
use crate::local::{Failure, Program};

/// How the demonstration is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Print one JSON object at the end, and nothing else.
    pub json: bool,
    /// Leave the folder with everything in it.
    pub keep: bool,
    /// The binary that the homeservers are started from.
    pub program: PathBuf,
    /// A bug to plant in the homeservers, by name; it must be found.
    pub plant: Option<String>,
}

/// Runs the demonstration, and says whether all is well. Nothing is left of it: neither processes nor, unless that
/// is asked for, files.
pub async fn run(options: Options) -> bool {
    let Options { json, keep, program, plant } = options;
    let mut report = Report::new(json);
    let result = in_folder(keep, Program { path: program, plant, log_level: "info" }, &mut report).await;
    report.end(result)
}

async fn in_folder(keep: bool, program: Program, report: &mut Report) -> Result<(), StepFailed> {
    let folder = tempfile::Builder::new().prefix("phoenix-demo-").tempdir();
    let mut folder = folder.map_err(|error| StepFailed {
        step: "a folder is made".to_owned(),
        failure: Failure(error.to_string()),
    })?;
    if keep {
        folder.disable_cleanup(true);
        report.tell(&format!("everything is in {}", folder.path().display()));
    }
    tokio::select! {
        told = story::tell(folder.path(), &program, report) => told,
        () = interrupted() => Err(StepFailed {
            step: "the demonstration runs to its end".to_owned(),
            failure: Failure("interrupted".to_owned()),
        }),
    }
}

/// Returns when somebody wants no more of it.
async fn interrupted() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => _ = tokio::signal::ctrl_c().await,
    }
}
