//! The log: `tracing` events to standard error, as text or JSON.
//!
//! | target | level | event | fields |
//! | --- | --- | --- | --- |
//! | `phoenix` | info | a homeserver is ready, stops accepting, has stopped | `domain`, `address`, `admin` |
//! | `phoenix` | warn | a key ends soon or has ended | `kind`, `id` |
//! | `phoenix` | warn | fewer files may be open than the settings allow for | `limit`, `needed` |
//! | `phoenix` | warn | operations were still under way at the end | `under_way` |
//! | `phoenix` | error | a defect: some code panicked | `location` |
//! | `phoenix_hyper::node` | error | rows or timers cannot be read | `error` |
//! | `phoenix_hyper::store` | error | commits fail; a stored record is damaged | `failure`; `kind`, `damaged` |
//! | `phoenix_hyper::store` | info | commits are possible again | |
//! | `phoenix_hyper::server` | error | no connection can be accepted | `error` |
//! | `phoenix_hyper::server` | debug | a connection broke, or was one too many | `error` |
//! | `phoenix_hyper::peers` | debug | a connection to a homeserver broke | `error` |
//! | `phoenix_hyper::environment` | warn | entries for a homeserver were dropped | `peer`, `count`, `since` |
//! | `phoenix_hyper::environment` | error | a message on its way is damaged | `lost` |
//! | `phoenix_hyper::environment` | warn | a homeserver refuses what is delivered | `peer`, `refusal` |
//! | `phoenix_hyper::environment` | warn | a homeserver gave no answer; once in ten seconds, else debug | `peer`, `service`, `error`, `unsaid` |
//! | `phoenix_hyper::environment` | debug | a request is over | `operation`, `refusal`, `milliseconds`, `retries` |
//! | `phoenix_hyper::environment` | trace | a timer is over | `milliseconds`, `retries` |
//! | `phoenix_hyper::environment` | trace | a homeserver answered | `peer`, `service` |
//!
//! Events that an operation gives rise to lie in its span:
//!
//! | span | level | from, to | fields |
//! | --- | --- | --- | --- |
//! | `request` | debug | a request is read, its answer is ready | `operation` |
//! | `timer` | debug | a timer is due, what it stands for is done | `timer`: `distribute`, `deliver` or `sweep` |
//!
//! Spans have no ids: nothing follows one user from operation to operation.
//!
//! No event has a key, a token, a password, a message, or the name or address of a user or client, at any level.
//! What is named is other homeservers by their domain, operations, codes of refusals, counts and times.

use std::panic::{self, PanicHookInfo};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, registry::Registry,
    util::SubscriberInitExt,
};

use crate::settings::{LogFormat, LogLevel, LogSettings};

/// The crates whose events may be logged.
///
/// Never another one, whatever the level: what libraries log is theirs to decide, and at their lowest levels some
/// log what passes through them, an HTTP library the frames of requests for example.
const OURS: [&str; 3] = ["phoenix", "phoenix_core", "phoenix_hyper"];

/// Whether events of this crate may be logged.
pub fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// The log was set up before.
#[derive(Debug, thiserror::Error)]
#[error("the log was set up before")]
pub struct AlreadySetUp;

/// Has the process log to standard error from now on, panics too.
///
/// # Errors
/// [`AlreadySetUp`] if there is a log already.
pub fn init(settings: &LogSettings) -> Result<(), AlreadySetUp> {
    subscriber(settings, std::io::stderr).try_init().map_err(|_| AlreadySetUp)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Where some code panicked, and not what it said: that may contain whatever it was busy with.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(target: "phoenix", location, "a defect: some code panicked");
}

fn subscriber<W>(settings: &LogSettings, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let format = tracing_subscriber::fmt::layer().with_writer(writer);
    let format = match settings.format {
        LogFormat::Text => format.with_ansi(false).boxed(),
        LogFormat::Json => format.json().flatten_event(true).boxed(),
    };
    Registry::default().with(format.with_filter(filter(settings)))
}

fn filter(settings: &LogSettings) -> Targets {
    let ours = OURS.map(|name| (name.to_owned(), settings.level));
    let single = settings.targets.iter().filter(|(target, _)| target.split("::").next().is_some_and(is_ours));
    let levels = ours.into_iter().chain(single.map(|(target, level)| (target.clone(), *level)));
    Targets::new()
        .with_default(LevelFilter::OFF)
        .with_targets(levels.map(|(t, level)| (t, LevelFilter::from(level))))
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(settings: &LogSettings, events: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(subscriber(settings, move || writer.clone()), events);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    fn everything() -> LogSettings {
        LogSettings { level: LogLevel::Trace, ..LogSettings::default() }
    }

    #[test]
    fn libraries_are_not_logged_whatever_is_set() {
        let mut settings = everything();
        // Settings refuse these; the filter does not rest on that.
        for target in ["h2", "hyper", "rustls", "fjall", "phoenix_h2"] {
            settings.targets.insert(target.to_owned(), LogLevel::Trace);
        }
        let log = logged(&settings, || {
            tracing::error!(target: "h2::codec::framed_write", "secret of h2");
            tracing::error!(target: "hyper::proto", "secret of hyper");
            tracing::error!(target: "rustls::client", "secret of rustls");
            tracing::error!(target: "fjall", "secret of fjall");
            tracing::error!(target: "another", "secret of another");
            tracing::trace!(target: "phoenix_hyper::node", "ours");
        });
        assert!(log.contains("ours") && !log.contains("secret"), "{log}");
    }

    #[test]
    fn each_target_has_its_level() {
        let mut settings = LogSettings { level: LogLevel::Warn, ..LogSettings::default() };
        settings.targets.insert("phoenix_hyper::node".to_owned(), LogLevel::Debug);
        let log = logged(&settings, || {
            tracing::debug!(target: "phoenix_hyper::node", "first");
            tracing::debug!(target: "phoenix_hyper::environment", "second");
            tracing::warn!(target: "phoenix_hyper::environment", "third");
        });
        assert!(log.contains("first") && !log.contains("second") && log.contains("third"), "{log}");
    }

    /// The hook of all threads stays as it was, but for this one.
    #[test]
    fn of_a_panic_the_place_is_logged_and_not_the_words() {
        let (this, previous) = (std::thread::current().id(), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == this { log_panic(panic) } else { previous(panic) }
        }));
        let log = logged(&everything(), || {
            panic::catch_unwind(|| panic!("what alice wrote")).unwrap_err();
        });
        assert!(log.contains(file!()) && log.contains("panicked"), "{log}");
        assert!(!log.contains("alice"), "{log}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let settings = LogSettings { format: LogFormat::Json, ..everything() };
        let log = logged(&settings, || {
            tracing::info!(target: "phoenix", count = 3, "first\nline");
            tracing::info!(target: "phoenix", "second");
        });
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["count"], &lines[0]["message"]), (&3.into(), &"first\nline".into()));
    }
}
