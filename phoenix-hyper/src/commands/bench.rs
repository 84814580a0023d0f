//! `phoenix bench`: what homeservers deliver, and what it costs them.

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

use super::{Exit, Failure};

#[derive(clap::Args)]
pub struct Arguments {
    /// Homeservers, each a process of its own. Senders are at the first, recipients at the others.
    #[arg(long, default_value = "2")]
    servers: NonZeroUsize,
    /// Recipients, over all homeservers.
    #[arg(long, default_value_t = 100)]
    users: usize,
    /// Messages sent to groups of each size. More are sent to small groups, where these would be over in a moment.
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    /// To how many recipients messages go, one measurement for each.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    recipients: Vec<usize>,
    /// Messages sent one by one, ten a second, to see how long each takes.
    #[arg(long, default_value_t = 100)]
    paced: usize,
    /// Messages sent while the second homeserver is dead, to see how soon they are there when it is back.
    #[arg(long, default_value_t = 500)]
    outage: usize,
    /// Print the figures as one JSON object, and nothing else.
    #[arg(long)]
    json: bool,
    /// Leave the folder with everything in it: stores, keys, logs.
    #[arg(long)]
    keep: bool,
}

/// Measures.
///
/// # Errors
/// [`Failure`], if something is lost, comes twice or does not come at all.
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
