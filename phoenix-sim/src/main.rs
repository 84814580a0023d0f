//! The command line of the simulator.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Parser, ValueEnum};
use phoenix_sim::{
    generate,
    interpose::WorldError,
    plan::{
        Bound, Bug, Cryptography, Plan, Settings, durations,
        text::{PlanError, run_command},
    },
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
    /// Print the plan of a world, to read, to change and to run by `phoenix-sim run --plan FILE`.
    Plan(Size),
}

#[derive(Args)]
struct Size {
    /// First seed. Everything that happens in a world follows from its seed and size.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..1 << 63))]
    seed: u64,
    /// Number of honest homeservers, at least 1; a dishonest one joins them.
    #[arg(long, default_value_t = 3)]
    servers: usize,
    /// Number of users, at least 2, spread evenly over the honest homeservers.
    #[arg(long, default_value_t = 9)]
    users: usize,
    /// Number of messages that users send.
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// How long users send messages, such as 90s, 36h, 2w, 1y [default: as each seed says]
    #[arg(long, value_parser = duration)]
    span: Option<Duration>,
    /// Plant a bug in all homeservers or all clients, which the oracles must find.
    #[arg(long, value_parser = bug)]
    plant: Option<Bug>,
    /// The cryptography of the worlds.
    #[arg(long, value_enum, default_value_t = CryptographyName::Mixed)]
    cryptography: CryptographyName,
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    size: Size,
    /// Number of seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Run the world of the plan in this file, instead of one that is made from a seed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["Size", "seeds"])]
    plan: Option<PathBuf>,
    /// Write the plan of the first world that fails to this file.
    #[arg(long, value_name = "FILE")]
    write_plan: Option<PathBuf>,
    /// Print one JSON object a line for each seed, instead of text.
    #[arg(long)]
    json: bool,
    /// Write the events of the last seed that ran to its end to this file.
    #[arg(long)]
    log: Option<PathBuf>,
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

/// A world to run.
enum World {
    /// The one that follows from its settings.
    Made(Settings),
    /// The one that a file says.
    Written { plan: Box<Plan>, file: PathBuf },
}

impl World {
    fn seed(&self) -> u64 {
        match self {
            Self::Made(settings) => settings.seed,
            Self::Written { plan, .. } => plan.settings.seed,
        }
    }

    /// Returns the command that runs it again.
    fn repeat(&self) -> String {
        match self {
            Self::Made(settings) => run_command(settings),
            Self::Written { file, .. } => format!("phoenix-sim run --plan {}", file.display()),
        }
    }

    fn plan(&self) -> Plan {
        match self {
            Self::Made(settings) => generate::plan(settings),
            Self::Written { plan, .. } => plan.as_ref().clone(),
        }
    }

    fn run(&self, progress: &AtomicU64, lines: usize) -> Result<LoggedRun, WorldError> {
        match self {
            Self::Made(settings) => world::run_logged(settings, progress, lines),
            Self::Written { plan, .. } => world::run_plan(plan, self.repeat(), progress, lines),
        }
    }
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Run(run) => match worlds(&run) {
            Ok(worlds) => run_all(&run, &worlds),
            Err(error) => refuse(&error),
        },
        Command::Plan(size) => match check(&size).and_then(|()| {
            let plan = generate::plan(&settings(&size, size.seed));
            plan.to_text().map_err(|error| error.to_string())
        }) {
            Ok(text) => {
                say(&text);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        },
    }
}

fn refuse(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

fn check(size: &Size) -> Result<(), String> {
    if size.servers == 0 || size.users < 2 {
        return Err("a world needs at least 1 homeserver and 2 users: see --servers and --users".to_owned());
    }
    Ok(())
}

/// Returns the worlds to run.
fn worlds(run: &Run) -> Result<Vec<World>, String> {
    check(&run.size)?;
    let Some(file) = &run.plan else {
        let seeds = run.size.seed..run.size.seed.saturating_add(run.seeds);
        return Ok(seeds.map(|seed| World::Made(settings(&run.size, seed))).collect());
    };
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let refused = |error: PlanError| format!("{}: {error}", file.display());
    let plan = Plan::from_text(&text).map_err(refused)?;
    Ok(vec![World::Written { plan: Box::new(plan), file: file.clone() }])
}

/// Runs all worlds, side by side, and shows them in their order.
fn run_all(run: &Run, worlds: &[World]) -> ExitCode {
    let jobs = run.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let lines = if run.log.is_some() { usize::MAX } else { 0 };
    let mut passed = true;
    let mut met = BTreeSet::new();
    run_side_by_side(worlds, jobs, lines, |world, result| {
        met.extend(result.iter().flat_map(|run| run.report.bounds.keys().copied()));
        let held = show(run, world, result);
        if let (Some(file), false, true) = (&run.write_plan, held, passed) {
            write_plan(file, world);
        }
        passed &= held;
    });
    passed &= !run.size.meets_all(worlds.len()) || all_met(&met);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs worlds, so many at a time, and shows the results in the order of the worlds.
fn run_side_by_side(
    worlds: &[World],
    jobs: usize,
    lines: usize,
    mut show: impl FnMut(&World, Result<LoggedRun, WorldError>),
) {
    let next = AtomicUsize::new(0);
    let (end, ended) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(worlds.len()) {
            let (next, end) = (&next, end.clone());
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(world) = worlds.get(number) else { return };
                    // Whoever receives it waits for all.
                    let _ = end.send((number, run_watched(world, lines)));
                }
            });
        }
        drop(end);
        let mut results = BTreeMap::new();
        let mut unshown = worlds.iter().enumerate().peekable();
        for (number, result) in ended {
            results.insert(number, result);
            while let Some((world, result)) =
                unshown.peek().and_then(|(number, world)| Some((*world, results.remove(number)?)))
            {
                show(world, result);
                unshown.next();
            }
        }
    });
}

impl Size {
    /// Returns whether each bound must be met in one at least of so many worlds of this size.
    const fn meets_all(&self, worlds: usize) -> bool {
        worlds >= ALL_BOUNDS
            && self.servers >= 3
            && self.users >= 9
            && self.messages >= 100
            && self.span.is_none()
    }
}

/// In so many worlds of the usual size, each bound is met in one at least.
const ALL_BOUNDS: usize = 50;

/// Returns whether all bounds were met, and says which were not.
fn all_met(met: &BTreeSet<Bound>) -> bool {
    let unmet: Vec<String> =
        Bound::ALL.iter().filter(|bound| !met.contains(bound)).map(|bound| format!("{bound}")).collect();
    if !unmet.is_empty() {
        eprintln!("no world has met these bounds, so nothing is known of them: {}", unmet.join(", "));
    }
    unmet.is_empty()
}

fn write_plan(file: &Path, world: &World) {
    let written = world.plan().to_text().map_err(|error| error.to_string());
    match written.and_then(|text| fs::write(file, text).map_err(|error| error.to_string())) {
        Ok(()) => eprintln!("the plan is in {0}: phoenix-sim run --plan {0}", file.display()),
        Err(error) => eprintln!("cannot write {}: {error}", file.display()),
    }
}

fn bug(text: &str) -> Result<Bug, String> {
    text.parse()
}

fn duration(text: &str) -> Result<Duration, String> {
    durations::parse(text).ok_or_else(|| "a duration is written as 90s, 36h, 2w, 1y".to_owned())
}

fn settings(size: &Size, seed: u64) -> Settings {
    Settings {
        seed,
        servers: size.servers,
        users: size.users,
        messages: size.messages,
        span: size.span,
        plant: size.plant,
        cryptography: size.cryptography.of_seed(seed),
    }
}

/// Shows the result of a world. Returns whether everything held in it.
fn show(run: &Run, world: &World, result: Result<LoggedRun, WorldError>) -> bool {
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
            eprintln!("seed {}: {error}\n  Repeat it by: {}", world.seed(), world.repeat());
            false
        }
    }
}

fn print(report: &Report, json: bool) {
    if json {
        match serde_json::to_string(report) {
            Ok(line) => say(&format!("{line}\n")),
            Err(error) => eprintln!("{error}"),
        }
    } else {
        say(&report.to_string());
    }
}

/// Prints a result. Whoever does not read it to its end has seen enough: that is no failure.
fn say(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Runs a world and prints its progress once a second.
fn run_watched(world: &World, lines: usize) -> Result<LoggedRun, WorldError> {
    let progress = AtomicU64::new(0);
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let result = world.run(&progress, lines);
            drop(ended);
            result
        });
        let began = Instant::now();
        // Nothing is sent through the channel, which closes when the world ends.
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(Duration::from_secs(1)) as Result<(), _> {
            let (events, seconds) = (progress.load(Ordering::Relaxed), began.elapsed().as_secs());
            eprintln!("seed {}: {events} events, {seconds} s", world.seed());
        }
        thread.join().unwrap_or_else(|_| Err(WorldError::Panic("its thread was lost".to_owned())))
    })
}
