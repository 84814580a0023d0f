//! The command line of the simulator.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    fs,
    num::NonZeroUsize,
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
use phoenix_core::{client::ClientPlant, config::Plant};
use phoenix_sim::{
    interpose::WorldError,
    plan::{Bug, Cryptography, Settings},
    report::Report,
    world::{self, LoggedRun},
};

/// Deterministic simulation of many Phoenix homeservers.
#[derive(Parser)]
#[command(name = "phoenix-sim")]
enum Command {
    /// Run one world for each of a range of seeds. The exit code is 0 if everything that must hold held in
    /// all of them, 1 if not, and 2 if the arguments are not valid.
    Run(Run),
}

#[derive(Parser)]
struct Run {
    /// First seed. Everything that happens in a world follows from its seed and size.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Number of honest homeservers, at least 1; a dishonest one joins them.
    #[arg(long, default_value_t = 3)]
    servers: usize,
    /// Number of users, at least 2, spread evenly over the honest homeservers.
    #[arg(long, default_value_t = 9)]
    users: usize,
    /// Number of messages that users send.
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// Print one JSON object a line for each seed, instead of text.
    #[arg(long)]
    json: bool,
    /// Write the events of the last seed that ran to its end to this file.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Plant a bug in all homeservers or all clients, which the oracles must find.
    #[arg(long)]
    plant: Option<PlantName>,
    /// The cryptography of the worlds.
    #[arg(long, value_enum, default_value_t = CryptographyName::Mixed)]
    cryptography: CryptographyName,
    /// How many worlds run at a time [default: one for each core]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum CryptographyName {
    /// Real in worlds whose seed is a multiple of twenty, else null.
    Mixed,
    /// None that protects anything; all checks stay.
    Null,
    /// As in production: several times slower.
    Real,
}

impl CryptographyName {
    const fn of_seed(self, seed: u64) -> Cryptography {
        match self {
            Self::Mixed => Cryptography::of_seed(seed),
            Self::Null => Cryptography::Null,
            Self::Real => Cryptography::Real,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum PlantName {
    /// Frames are accepted whatever their signature.
    SkipSignature,
    /// Requests are answered before their commit is durable.
    AckBeforeCommit,
    /// Frames are accepted whatever their destination.
    IgnoreDestination,
    /// Entries of a stream are accepted whatever their position.
    IgnorePosition,
    /// Spent tokens are accepted.
    ReuseNullifier,
    /// Unbound queue configurations authorise every delivery, for ever.
    UnboundForever,
    /// Queues go on as they are, though their owners have read what they do not have.
    KeepGeneration,
    /// Entries of queues all have the same nonce.
    FixedNonce,
    /// Requests leave clients before what they depend on is saved.
    SaveAfterRequest,
    /// Restored clients go on with the generator that the saved ones had.
    SavedGenerator,
    /// Clients forget events with the save before they show them.
    ConfirmBeforeShown,
}

impl From<PlantName> for Bug {
    fn from(name: PlantName) -> Self {
        match name {
            PlantName::SkipSignature => Self::Homeservers(Plant::SkipSignature),
            PlantName::AckBeforeCommit => Self::Homeservers(Plant::AckBeforeCommit),
            PlantName::IgnoreDestination => Self::Homeservers(Plant::IgnoreDestination),
            PlantName::IgnorePosition => Self::Homeservers(Plant::IgnorePosition),
            PlantName::ReuseNullifier => Self::Homeservers(Plant::ReuseNullifier),
            PlantName::UnboundForever => Self::Homeservers(Plant::UnboundForever),
            PlantName::KeepGeneration => Self::Homeservers(Plant::KeepGeneration),
            PlantName::FixedNonce => Self::Homeservers(Plant::FixedNonce),
            PlantName::SaveAfterRequest => Self::Clients(ClientPlant::SaveAfterRequest),
            PlantName::SavedGenerator => Self::Clients(ClientPlant::SavedGenerator),
            PlantName::ConfirmBeforeShown => Self::Clients(ClientPlant::ConfirmBeforeShown),
        }
    }
}

fn main() -> ExitCode {
    let Command::Run(run) = Command::parse();
    if run.servers == 0 || run.users < 2 {
        eprintln!("a world needs at least 1 homeserver and 2 users: see --servers and --users");
        return ExitCode::from(2);
    }
    let jobs = run.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let seeds: Vec<u64> = (run.seed..run.seed.saturating_add(run.seeds)).collect();
    let mut passed = true;
    // Side by side, and shown in the order of the seeds.
    for seeds in seeds.chunks(jobs) {
        let results: Vec<_> = thread::scope(|scope| {
            let start = |seed: &u64| {
                let settings = settings(&run, *seed);
                let lines = if run.log.is_some() { usize::MAX } else { 0 };
                scope.spawn(move || run_watched(&settings, lines))
            };
            let worlds: Vec<_> = seeds.iter().map(start).collect();
            worlds.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for (seed, result) in seeds.iter().zip(results) {
            let lost = |_| Err(WorldError::Panic("its thread was lost".to_owned()));
            passed &= show(&run, *seed, result.unwrap_or_else(lost));
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn settings(run: &Run, seed: u64) -> Settings {
    Settings {
        seed,
        servers: run.servers,
        users: run.users,
        messages: run.messages,
        plant: run.plant.map(Bug::from),
        cryptography: run.cryptography.of_seed(seed),
    }
}

/// Shows the result of a world. Returns whether everything held in it.
fn show(run: &Run, seed: u64, result: Result<LoggedRun, WorldError>) -> bool {
    match result {
        Ok(LoggedRun { report, log }) => {
            if let Some(file) = &run.log
                && let Err(error) = fs::write(file, log.join("\n"))
            {
                eprintln!("cannot write {}: {error}", file.display());
            }
            print(&report, run.json);
            report.passed()
        }
        Err(error) => {
            eprintln!("seed {seed}: {error}");
            false
        }
    }
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

/// Runs a world and prints its progress once a second.
fn run_watched(settings: &Settings, lines: usize) -> Result<LoggedRun, WorldError> {
    let progress = AtomicU64::new(0);
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        let world = scope.spawn(|| {
            let result = world::run_logged(settings, &progress, lines);
            drop(ended);
            result
        });
        let began = Instant::now();
        // Nothing is sent through the channel, which closes when the world ends.
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(Duration::from_secs(1)) as Result<(), _> {
            let (events, seconds) = (progress.load(Ordering::Relaxed), began.elapsed().as_secs());
            eprintln!("seed {}: {events} events, {seconds} s", settings.seed);
        }
        world.join().unwrap_or_else(|_| Err(WorldError::Panic("its thread was lost".to_owned())))
    })
}
