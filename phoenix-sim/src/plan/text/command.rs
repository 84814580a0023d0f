//! Settings as arguments of the command line.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::plan::{Settings, durations};

/// Returns the command that runs the world of `settings` again. Each field is the argument of the same name.
pub fn run_command(settings: &Settings) -> String {
    let mut command = "phoenix-sim run".to_owned();
    let Ok(fields) = Table::try_from(settings) else {
        // Only a number above 2⁶³ has no form in TOML.
        return format!("{command} --seed {}", settings.seed);
    };
    for (name, value) in durations::spell_out(fields) {
        let name = name.replace('_', "-");
        let _ = match value {
            Value::Boolean(false) => Ok(()),
            Value::Boolean(true) => write!(command, " --{name}"),
            Value::String(value) => write!(command, " --{name} {}", value.replace('_', "-")),
            value => write!(command, " --{name} {value}"),
        };
    }
    command
}
