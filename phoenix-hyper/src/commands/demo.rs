//! `phoenix demo`.

use std::{env, path::PathBuf};

use phoenix_hyper::demo::{self, Options};
use tokio::runtime::Runtime;

use super::exit::{Exit, Failure};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print only the figures, as one JSON object.
    #[arg(long)]
    json: bool,
    /// Keep the folder with stores, keys and logs.
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
/// [`Failure`] if a step does not hold.
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
        false => Err(Exit::Other.because("a step of the demonstration failed")),
    }
}

#[derive(clap::Args)]
pub struct EvilArguments {
    /// The file with the addresses of all homeservers.
    setup: PathBuf,
}

/// Runs the demonstration's dishonest homeserver. The demonstration starts this.
///
/// # Errors
/// [`Failure`] if it cannot run.
pub fn run_evil(arguments: &EvilArguments) -> Result<(), Failure> {
    demo::run_evil(&arguments.setup).map_err(|error| Exit::Other.because(error))
}
