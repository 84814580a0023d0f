//! `phoenix thief`.

use std::io::{self, Write};

use phoenix_hyper::{
    bench::Story,
    thief::{self, Options},
};

use super::exit::{Exit, Failure};

#[derive(clap::Args)]
pub struct Arguments {
    /// Users, half of them at each of two homeservers.
    #[arg(long, default_value_t = Options::default().users)]
    users: usize,
    /// Groups, besides those of connections.
    #[arg(long, default_value_t = Options::default().groups)]
    groups: usize,
    /// Days, at least two. The first image is taken a day before the end.
    #[arg(long, default_value_t = Options::default().days)]
    days: u32,
    /// Messages in each group in a day, on average.
    #[arg(long, default_value_t = Options::default().messages)]
    messages: u32,
    /// What chance comes from. Another seed is another world.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Print the table as one JSON object.
    #[arg(long)]
    json: bool,
    /// Keep the folder with stores, keys and images.
    #[arg(long)]
    keep: bool,
}

/// Has a world write its stores, steals them, and prints what they tell.
///
/// # Errors
/// [`Failure`] if something in the world does not work that should.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let other = |error: &dyn std::fmt::Display| Exit::Other.because(error);
    let options = Options {
        users: arguments.users,
        groups: arguments.groups,
        days: arguments.days,
        messages: arguments.messages,
        seed: arguments.seed,
    };
    let mut folder =
        tempfile::Builder::new().prefix("phoenix-thief-").tempdir().map_err(|error| other(&error))?;
    let story = Story::new(!arguments.json);
    if arguments.keep {
        folder.disable_cleanup(true);
        story.tell(&format!("everything is in {}", folder.path().display()));
    }
    let report = thief::run(&options, folder.path(), &story).map_err(|error| other(&error))?;
    let text = if arguments.json {
        serde_json::to_string(&report).map_err(|error| other(&error))?
    } else {
        report.to_string().trim_end().to_owned()
    };
    writeln!(io::stdout().lock(), "{text}").map_err(|error| other(&error))
}
