//! `phoenix demo`: three homeservers on this machine, people who talk, an outage, and an enemy.

use std::{env, path::PathBuf};

use phoenix_hyper::demo::{self, Options};
use tokio::runtime::Runtime;

use super::{Exit, Failure};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print the figures as one JSON object, and nothing else.
    #[arg(long)]
    json: bool,
    /// Leave the folder with everything in it: stores, keys, logs.
    #[arg(long)]
    keep: bool,
    /// Plant a bug, which must be found.
    #[cfg(feature = "plant")]
    #[arg(long, hide = true)]
    plant: Option<String>,
}

/// Runs the demonstration.
///
/// # Errors
/// [`Failure`], if a step does not hold.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let program = env::current_exe().map_err(|error| Exit::Other.because(error))?;
    #[cfg(feature = "plant")]
    let plant = arguments.plant.clone();
    #[cfg(not(feature = "plant"))]
    let plant = None;
    let options = Options { json: arguments.json, keep: arguments.keep, program, plant };
    let runtime = Runtime::new().map_err(|error| Exit::Other.because(error))?;
    match runtime.block_on(demo::run(options)) {
        true => Ok(()),
        false => Err(Exit::Other.because("the demonstration did not hold")),
    }
}

#[derive(clap::Args)]
pub struct EvilArguments {
    /// The file that says who and where everybody is.
    setup: PathBuf,
}

/// Runs the demonstration's dishonest homeserver: for the demonstration to start.
///
/// # Errors
/// [`Failure`], if it cannot run.
pub fn run_evil(arguments: &EvilArguments) -> Result<(), Failure> {
    demo::run_evil(&arguments.setup).map_err(|error| Exit::Other.because(error))
}
