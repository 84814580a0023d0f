//! The commands, what they print, and how they end.

mod bench;
mod config;
mod demo;
mod keys;
mod serve;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde_json::{Map, Value};

const AFTER_HELP: &str = "\
Exit codes:
  0  all went well
  1  something else failed; the message says what
  2  the command line is not understood
  3  a setting cannot be used, the TLS certificate included
  4  the keys cannot be used
  5  the data directory is in use by another process
  6  an address cannot be listened on

Example, on this machine only:
  phoenix serve --domain example.localhost --data data

Example, for others to reach:
  phoenix config > phoenix.toml      # then set listen, certificate and key in [server]
  phoenix keys create --domain example.org --data /var/lib/phoenix
  phoenix serve --domain example.org --data /var/lib/phoenix --config phoenix.toml

Results go to standard output, the log and errors to standard error.";

/// A homeserver of the Phoenix protocol.
#[derive(Parser)]
#[command(name = "phoenix", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a homeserver, until SIGTERM or Ctrl-C.
    Serve(serve::Arguments),
    /// Prints the settings file with all defaults, or checks one.
    Config(config::Arguments),
    /// Makes and shows a homeserver's keys.
    Keys(keys::Arguments),
    /// Shows it all at work on this machine: three homeservers, people who talk, an outage, and an enemy.
    Demo(demo::Arguments),
    /// Measures homeservers on this machine: deliveries, latency, an outage, processor time and memory.
    Bench(bench::Arguments),
    /// The enemy's part of the demonstration.
    #[command(hide = true)]
    DemoEvil(demo::EvilArguments),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::DemoEvil(arguments) => demo::run_evil(&arguments),
    };
    let Err(Failure { exit, message }) = done else { return ExitCode::SUCCESS };
    // If nobody reads it, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "phoenix: {message}");
    ExitCode::from(exit as u8)
}

/// How a command ends that did not succeed: the exit codes of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Other = 1,
    Settings = 3,
    Keys = 4,
    InUse = 5,
    Listen = 6,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Exit {
    /// A failure of this kind.
    pub fn because(self, reason: impl ToString) -> Failure {
        Failure { exit: self, message: reason.to_string() }
    }
}

/// Standard output, for people or for machines.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Text, or one JSON object a line.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Says that something happened: `text` to people; to machines an object with `event` and `fields`.
    pub fn event<const N: usize>(self, event: &str, fields: [(&str, Value); N], text: &str) {
        let line = if self.json {
            let event = [("event", Value::from(event))];
            let object: Map<_, _> =
                event.into_iter().chain(fields).map(|(name, value)| (name.to_owned(), value)).collect();
            Value::Object(object).to_string()
        } else {
            text.to_owned()
        };
        let mut output = io::stdout().lock();
        // Whoever closes the output does not want to know.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }
}
