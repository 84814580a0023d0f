//! The command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use super::{bench, config, demo, exit::Failure, keys, serve, thief};

const AFTER_HELP: &str = "\
Exit codes:
  0  success
  1  another failure; the message says which
  2  the command line is invalid
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
    /// Run a homeserver, until SIGTERM or Ctrl-C.
    Serve(serve::Arguments),
    /// Print the settings file with all defaults, or check one.
    Config(config::Arguments),
    /// Create and show a homeserver's keys.
    Keys(keys::Arguments),
    /// Demonstrate three homeservers on this machine: users who talk, an outage, and an attacker.
    Demo(demo::Arguments),
    /// Measure homeservers on this machine: throughput, latency, recovery, processor time and memory.
    Bench(bench::Arguments),
    /// Measure what the files of homeservers tell a thief, with and without the key file.
    Thief(thief::Arguments),
    /// Run the attacker of the demonstration.
    #[command(hide = true)]
    DemoEvil(demo::EvilArguments),
}

/// Runs the command that the command line names.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Thief(arguments) => thief::run(&arguments),
        Command::DemoEvil(arguments) => demo::run_evil(&arguments),
    };
    let Err(Failure { exit, message }) = done else { return ExitCode::SUCCESS };
    // Fails only if the output is closed.
    let _ = writeln!(io::stderr().lock(), "phoenix: {message}");
    ExitCode::from(exit as u8)
}
