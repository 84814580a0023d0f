//! Runs worlds from the command line.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use phoenix_core::config::Plant;
use phoenix_sim::{interpose::WorldError, plan::Settings, report::Report, world};

/// Deterministic simulation of many Phoenix homeservers.
#[derive(Parser)]
#[command(name = "phoenix-sim")]
enum Command {
    /// Runs one world, or one for each of a range of seeds. Exits with 1 if anything that must hold does not.
    Run(Run),
}

#[derive(Parser)]
struct Run {
    /// What everything follows from; the first seed of a range.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many homeservers.
    #[arg(long, default_value_t = 3)]
    servers: usize,
    /// How many users, spread over them.
    #[arg(long, default_value_t = 9)]
    users: usize,
    /// How many messages they write.
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// Prints one JSON object for each seed.
    #[arg(long)]
    json: bool,
    /// Writes all events of the last seed to this file.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Plants a bug, which must be found.
    #[arg(long)]
    plant: Option<PlantName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PlantName {
    SkipSignature,
    AckBeforeCommit,
    IgnoreDestination,
    IgnorePosition,
    ReuseNullifier,
    UnboundForever,
}

impl From<PlantName> for Plant {
    fn from(name: PlantName) -> Self {
        match name {
            PlantName::SkipSignature => Self::SkipSignature,
            PlantName::AckBeforeCommit => Self::AckBeforeCommit,
            PlantName::IgnoreDestination => Self::IgnoreDestination,
            PlantName::IgnorePosition => Self::IgnorePosition,
            PlantName::ReuseNullifier => Self::ReuseNullifier,
            PlantName::UnboundForever => Self::UnboundForever,
        }
    }
}

fn main() -> ExitCode {
    let Command::Run(run) = Command::parse();
    if run.servers == 0 || run.users < 2 {
        eprintln!("a world has at least one homeserver and two users");
        return ExitCode::from(2);
    }
    let mut passed = true;
    for seed in run.seed..run.seed.saturating_add(run.seeds) {
        let settings = Settings {
            seed,
            servers: run.servers,
            users: run.users,
            messages: run.messages,
            plant: run.plant.map(Plant::from),
        };
        match run_watched(&settings, if run.log.is_some() { usize::MAX } else { 0 }) {
            Ok((report, log)) => {
                if let Some(file) = &run.log
                    && let Err(error) = fs::write(file, log.join("\n"))
                {
                    eprintln!("{}: {error}", file.display());
                }
                passed &= report.passed();
                print(&report, run.json);
            }
            Err(error) => {
                passed = false;
                eprintln!("seed {seed}: {error}");
            }
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(report: &Report, json: bool) {
    if json {
        match serde_json::to_string(report) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("{error}"),
        }
    } else {
        print!("{report}");
    }
}

/// Runs a world, and tells how far it is once a second.
fn run_watched(settings: &Settings, lines: usize) -> Result<(Report, Vec<String>), WorldError> {
    let progress = AtomicU64::new(0);
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        let world = scope.spawn(|| {
            let result = world::run_logged(settings, &progress, lines);
            drop(ended);
            result
        });
        let began = Instant::now();
        // Nothing is ever sent: the channel closes when the world ends.
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(Duration::from_secs(1)) as Result<(), _> {
            let (events, seconds) = (progress.load(Ordering::Relaxed), began.elapsed().as_secs());
            eprintln!("seed {}: {events} events, {seconds} s", settings.seed);
        }
        world.join().unwrap_or_else(|_| Err(WorldError::Panic("outside of the world".to_owned())))
    })
}
