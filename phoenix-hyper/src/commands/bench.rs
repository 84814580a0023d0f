//! `phoenix bench`.

use std::{
    env,
    io::{self, Write},
    num::NonZeroUsize,
};

use phoenix_hyper::{
    bench::{self, Options, Story},
    local::Program,
};
use tokio::runtime::Runtime;

use super::exit::{Exit, Failure};

#[derive(clap::Args)]
pub struct Arguments {
    /// The number of homeservers, each a process of its own. Senders are at the first, recipients at the
    /// others.
    #[arg(long, default_value = "2")]
    servers: NonZeroUsize,
    /// The number of recipients, over all homeservers.
    #[arg(long, default_value_t = 100)]
    users: usize,
    /// Messages sent to groups of each size. Small groups get more, to make the measurement long enough.
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    /// Sizes of groups, in recipients; one measurement for each.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    recipients: Vec<usize>,
    /// Messages sent one by one, ten a second, to measure latency.
    #[arg(long, default_value_t = 100)]
    paced: usize,
    /// Messages sent while the second homeserver is down, to measure recovery.
    #[arg(long, default_value_t = 500)]
    outage: usize,
    /// Print only the figures, as one JSON object.
    #[arg(long)]
    json: bool,
    /// Keep the folder with stores, keys and logs.
    #[arg(long)]
    keep: bool,
}

/// Runs the bench.
///
/// # Errors
/// [`Failure`] if a message is lost, duplicated or out of order.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let other = |error: &dyn std::fmt::Display| Exit::Other.because(error);
    let path = env::current_exe().map_err(|error| other(&error))?;
    let program = Program { path, plant: None, log_level: "info" };
    let options = Options {
        servers: arguments.servers,
        users: arguments.users,
        messages: arguments.messages,
        recipients: arguments.recipients.clone(),
        paced: arguments.paced,
        outage: arguments.outage,
    };
    let mut folder =
        tempfile::Builder::new().prefix("phoenix-bench-").tempdir().map_err(|error| other(&error))?;
    let story = Story::new(!arguments.json);
    if arguments.keep {
        folder.disable_cleanup(true);
        story.tell(&format!("everything is in {}", folder.path().display()));
    }
    let runtime = Runtime::new().map_err(|error| other(&error))?;
    let report = runtime.block_on(bench::run(&options, &program, folder.path(), story));
    let report = report.map_err(|error| other(&error))?;
    if arguments.json {
        let line = serde_json::to_string(&report).map_err(|error| other(&error))?;
        writeln!(io::stdout().lock(), "{line}").map_err(|error| other(&error))?;
    }
    Ok(())
}
