//! One run of the demonstration, in a folder of its own.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::{
    report::{Report, StepFailed},
    story,
};
use crate::local::{Failure, Program};

/// How the demonstration runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Prints one JSON object at the end, and nothing else.
    pub json: bool,
    /// Keeps the folder with stores, keys and logs.
    pub keep: bool,
    /// The binary that the homeservers are started from.
    pub program: PathBuf,
    /// A bug to plant in the homeservers, by name. The demonstration must find it.
    pub plant: Option<String>,
}

/// Runs the demonstration. Returns whether every step held. Leaves no process behind, and no file unless
/// [`Options::keep`] is set.
pub async fn run(options: Options) -> bool {
    let Options { json, keep, program, plant } = options;
    let mut report = Report::new(json);
    let result = in_folder(keep, Program { path: program, plant, log_level: "info" }, &mut report).await;
    report.end(result)
}

async fn in_folder(keep: bool, program: Program, report: &mut Report) -> Result<(), StepFailed> {
    let folder = tempfile::Builder::new().prefix("phoenix-demo-").tempdir();
    let mut folder = folder.map_err(|error| StepFailed {
        step: "a folder is created".to_owned(),
        failure: Failure(error.to_string()),
    })?;
    if keep {
        folder.disable_cleanup(true);
        report.tell(&format!("everything is in {}", folder.path().display()));
    }
    tokio::select! {
        held = story::run(folder.path(), &program, report) => held,
        () = interrupted() => Err(StepFailed {
            step: "the demonstration runs to its end".to_owned(),
            failure: Failure("interrupted".to_owned()),
        }),
    }
}

/// Returns on SIGTERM or Ctrl-C.
async fn interrupted() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => _ = tokio::signal::ctrl_c().await,
    }
}
