//! `phoenix config`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use phoenix_hyper::settings::{DEFAULT_FILE, Settings};

use super::exit::{Exit, Failure};

#[derive(clap::Args)]
pub struct Arguments {
    /// Check this file instead of printing one.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// Prints the settings file with all defaults, or checks one.
///
/// # Errors
/// [`Exit::Settings`] if the file cannot be used.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.check {
        Some(path) => Settings::read(path).map(|_| ()).map_err(|error| Exit::Settings.because(error)),
        None => io::stdout().lock().write_all(DEFAULT_FILE.as_bytes()).map_err(|e| Exit::Other.because(e)),
    }
}
