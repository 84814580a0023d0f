//! `phoenix keys`. No command prints a secret.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use phoenix_core::{
    identifiers::Domain,
    keys::{KeySummary, RootKey, ServiceKeys},
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
};
use phoenix_hyper::{
    data_directory::DataDirectory,
    environment::{now, seed},
    key_file,
};

use super::{
    exit::{Exit, Failure},
    output::Output,
};

/// Keys that expire within this many days are warned of: enough time to fetch the root key from its safe
/// place.
const WARNING_DAYS: u64 = 30;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create the keys of a new homeserver, and the root key in a file of its own.
    Create {
        /// The homeserver's domain.
        #[arg(long)]
        domain: Domain,
        #[command(flatten)]
        files: Files,
    },
    /// Show the keys and their validity.
    Show {
        #[command(flatten)]
        files: Files,
    },
    /// Add an intermediate credential, signed by the root key. Older ones stay valid until they expire.
    AddIntermediate {
        #[command(flatten)]
        files: Files,
    },
    /// Add fresh keys of the queuing and the delivery service. Older ones stay valid until they expire.
    Rotate {
        #[command(flatten)]
        files: Files,
    },
}

#[derive(clap::Args)]
struct Files {
    /// The homeserver's data directory.
    #[arg(long, value_name = "DIR", required_unless_present = "file")]
    data: Option<PathBuf>,
    /// The key file, if it is not keys.pem in the data directory.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file of the root key, if it is not root-key.pem beside the key file.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// The files of a homeserver's keys.
pub struct Paths {
    /// The key file.
    pub keys: PathBuf,
    /// The file of the root key.
    pub root: PathBuf,
}

impl Files {
    /// Returns the paths. With `create`, creates the data directory if it does not exist.
    fn paths(&self, create: bool) -> Result<Paths, Failure> {
        let keys = match (&self.file, &self.data) {
            (Some(file), _) => file.clone(),
            (None, Some(data)) if create => {
                DataDirectory::open(data).map_err(|error| Exit::Keys.because(error))?.keys()
            }
            (None, data) => data.clone().unwrap_or_default().join("keys.pem"),
        };
        let root = self.root.clone().unwrap_or_else(|| keys.with_file_name("root-key.pem"));
        Ok(Paths { keys, root })
    }
}

/// Creates, shows or adds keys.
///
/// # Errors
/// [`Exit::Keys`] if the keys cannot be used.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Create { domain, files } => {
            create(domain, &files.paths(true)?, Output::new(files.json)).map(|_| ())
        }
        Action::Show { files } => {
            let keys: ServiceKeys = read(&files.paths(false)?.keys)?;
            show(&keys, Output::new(files.json));
            Ok(())
        }
        Action::AddIntermediate { files } => {
            let paths = files.paths(false)?;
            let mut keys: ServiceKeys = read(&paths.keys)?;
            let root: RootKey = read(&paths.root)?;
            keys.add_intermediate(&root, &mut Random::from_seed(seed()), now())
                .map_err(|error| Exit::Keys.because(error))?;
            replace(&paths.keys, &keys, "intermediate_added", Output::new(files.json))
        }
        Action::Rotate { files } => {
            let paths = files.paths(false)?;
            let mut keys: ServiceKeys = read(&paths.keys)?;
            keys.add_service_keys(&mut Random::from_seed(seed()), now());
            replace(&paths.keys, &keys, "keys_added", Output::new(files.json))
        }
    }
}

fn replace(path: &Path, keys: &ServiceKeys, event: &str, output: Output) -> Result<(), Failure> {
    key_file::replace(path, keys).map_err(|error| Exit::Keys.because(error))?;
    let path = path.display().to_string();
    let text = format!("{path} is changed; the homeserver uses it from its next start. Back it up again.");
    output.event(event, [("keys", path.into())], &text);
    Ok(())
}

fn read<K: key_file::Keys>(path: &Path) -> Result<K, Failure> {
    key_file::read(path).map_err(|error| Exit::Keys.because(error))
}

/// Creates keys and prints where they are.
///
/// # Errors
/// [`Exit::Keys`] if a key file exists or cannot be written.
pub fn create(domain: &Domain, paths: &Paths, output: Output) -> Result<ServiceKeys, Failure> {
    let Paths { keys, root } = paths;
    let failed = |error| Exit::Keys.because(error);
    if keys.exists() {
        return Err(failed(key_file::KeyFileError::Exists { path: keys.to_owned() }));
    }
    let (service_keys, root_key) =
        ServiceKeys::generate_with_root(domain, &mut Random::from_seed(seed()), now());
    // The root key first: without it, keys could never be renewed.
    key_file::create(root, &root_key).map_err(failed)?;
    key_file::create(keys, &service_keys).map_err(failed)?;
    let (keys, root) = (keys.display().to_string(), root.display().to_string());
    let text = format!(
        "Keys for {domain} were created: {keys}. Back this file up: without it, the homeserver's store is lost.\n\
         The root key is in {root}. Move it to a medium that you keep offline: it is only needed to add \
         intermediate credentials, and anyone who has it can impersonate {domain}."
    );
    let fields = [("domain", domain.as_str().into()), ("keys", keys.into()), ("root_key", root.into())];
    output.event("keys_created", fields, &text);
    Ok(service_keys)
}

fn show(keys: &ServiceKeys, output: Output) {
    let now = now();
    for key in keys.summary() {
        let warning = warning(&key, now);
        let KeySummary { what, id, expiration } = key;
        let validity = match &warning {
            Some(warning) => format!("WARNING: {warning}"),
            None => format!("valid for {} days more", days(expiration.not_after, now)),
        };
        let fields = [
            ("kind", what.into()),
            ("id", id.as_str().into()),
            ("not_before", expiration.not_before.seconds().into()),
            ("not_after", expiration.not_after.seconds().into()),
            ("warning", warning.into()),
        ];
        output.event("key", fields, &format!("{what:<24} {validity:<32} {id}"));
    }
}

/// The warning about a key's validity, if there is reason for one.
pub fn warning(key: &KeySummary, now: Timestamp) -> Option<String> {
    let ExpirationData { not_before, not_after } = key.expiration;
    let days = days(not_after, now);
    match () {
        () if now < not_before => Some("not valid yet: is the clock right?".to_owned()),
        () if now > not_after => Some("has expired".to_owned()),
        () if days < WARNING_DAYS => Some(format!("expires in {days} days")),
        () => None,
    }
}

fn days(until: Timestamp, now: Timestamp) -> u64 {
    (until - now).as_secs() / DAY.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_expire_soon_are_warned_of() {
        let begun = Timestamp::from_milliseconds(1_800_000_000_000);
        let expiration = ExpirationData { not_before: begun, not_after: begun + DAY * 100 };
        let key = KeySummary { what: "queuing service", id: "00".to_owned(), expiration };
        for (now, expected) in [
            (begun - DAY, Some("not valid yet: is the clock right?")),
            (begun, None),
            (begun + DAY * 70, None),
            (begun + DAY * 71, Some("expires in 29 days")),
            (begun + DAY * 101, Some("has expired")),
        ] {
            assert_eq!(warning(&key, now).as_deref(), expected);
        }
    }
}
