//! The log: `tracing` events on standard error, as text or JSON.
//!
//! | target | level | event | fields |
//! | --- | --- | --- | --- |
//! | `phoenix` | info | a homeserver is ready, stops accepting, has stopped | `domain`, `address`, `admin` |
//! | `phoenix` | warn | a key expires soon or has expired | `kind`, `id` |
//! | `phoenix` | warn | fewer files may be open than the settings allow for | `limit`, `needed` |
//! | `phoenix` | warn | operations were still under way at the end | `under_way` |
//! | `phoenix` | error | a defect: code panicked | `location` |
//! | `phoenix_hyper::node` | error | rows or timers cannot be read | `error` |
//! | `phoenix_hyper::store` | error | commits fail; a stored record is damaged | `failure`; `kind`, `damaged` |
//! | `phoenix_hyper::store` | info | commits are possible again | |
//! | `phoenix_hyper::server` | error | no connection can be accepted | `error` |
//! | `phoenix_hyper::server` | debug | a connection broke, or was over the limit | `error` |
//! | `phoenix_hyper::peers` | debug | a connection to a homeserver broke | `error` |
//! | `phoenix_hyper::environment` | warn | entries for a homeserver were dropped | `peer`, `count`, `since` |
//! | `phoenix_hyper::environment` | error | a message in transit is damaged | `lost` |
//! | `phoenix_hyper::environment` | warn | a homeserver refuses deliveries | `peer`, `refusal` |
//! | `phoenix_hyper::environment` | warn | a homeserver gave no answer; at most once in ten seconds, otherwise debug | `peer`, `service`, `error`, `unsaid` |
//! | `phoenix_hyper::environment` | debug | a request is over | `operation`, `refusal`, `milliseconds`, `retries` |
//! | `phoenix_hyper::environment` | trace | a timer is over | `milliseconds`, `retries` |
//! | `phoenix_hyper::environment` | trace | a homeserver answered | `peer`, `service` |
//!
//! Events of an operation are in its span:
//!
//! | span | level | begin and end | fields |
//! | --- | --- | --- | --- |
//! | `request` | debug | a request has arrived, its answer is ready | `operation` |
//! | `timer` | debug | a timer is due, its work is done | `timer`: `distribute`, `deliver` or `sweep` |
//!
//! Spans have no ids: the log does not link the operations of a user.
//!
//! No event contains a key, a token, a password, a message, or the name or address of a user or client, at
//! any level. Events contain domains of other homeservers, operations, codes of refusals, counts and times.

use std::panic::{self, PanicHookInfo};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, registry::Registry,
    util::SubscriberInitExt,
};

use crate::settings::{LOGGED_CRATES, LogFormat, LogLevel, LogSettings, is_logged};

/// The process has a log already.
#[derive(Debug, thiserror::Error)]
#[error("the process has a log already")]
pub struct AlreadySetUp;

/// Logs to standard error from now on, panics included.
///
/// # Errors
/// [`AlreadySetUp`] if the process has a log already.
pub fn init(settings: &LogSettings) -> Result<(), AlreadySetUp> {
    subscriber(settings, std::io::stderr).try_init().map_err(|_| AlreadySetUp)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs the place of a panic but not its message, which may contain the data being processed.
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
    let crates = LOGGED_CRATES.map(|name| (name.to_owned(), settings.level));
    let single = settings.targets.iter().filter(|(target, _)| is_logged(target));
    let levels = crates.into_iter().chain(single.map(|(target, level)| (target.clone(), *level)));
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
    fn libraries_are_never_logged() {
        let mut settings = everything();
        // Settings refuse these targets; the filter does not depend on that.
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

    /// Changes the panic hook for this thread only.
    #[test]
    fn the_place_of_a_panic_is_logged_and_not_its_message() {
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
