//! From a plan to text.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::error::PlanError;
use crate::plan::{Plan, durations};

/// The longest line of a list of plain values.
const WIDTH: usize = 100;

const HEAD: &str = "\
# The plan of one world of the simulator, which runs it by: phoenix-sim run --plan FILE
#
# Times count from the beginning of the world. Homeservers, users, groups, intents and faults are named by
# their number, from 0; what has its default is left out.
";

impl Plan {
    /// Returns the plan as text, from which [`Plan::from_text`] makes an equal one.
    ///
    /// # Errors
    /// A value that the text cannot have: a number above 2⁶³.
    pub fn to_text(&self) -> Result<String, PlanError> {
        let table = |plan: &Self| Table::try_from(plan).map(durations::spell_out).map_err(PlanError::new);
        let mut written = table(self)?;
        let default = table(&Self::default())?;
        // Fields of the plan only: what is within them is written as a whole, so that it can be read alone.
        written.retain(|name, value| default.get(name) != Some(value));
        let mut text = HEAD.to_owned();
        for (name, value) in &written {
            if let Some(comment) = comment(name) {
                let _ = write!(text, "\n# {comment}\n");
            }
            let _ = match value {
                Value::Array(items) if items.iter().any(Value::is_table) => {
                    table_list(&mut text, name, items)
                }
                Value::Array(items) => plain_list(&mut text, name, items),
                value => writeln!(text, "{name} = {value}"),
            };
        }
        Ok(text)
    }
}

/// Returns what a field means, for those that do not say so themselves.
fn comment(name: &str) -> Option<&'static str> {
    match name {
        "settings" => {
            Some("The seed decides what the plan leaves open. The sizes say what the plan was made from.")
        }
        "servers" => Some("The homeservers. If there are attempts, the last one is dishonest."),
        "users" => Some("The users, each at one of the homeservers."),
        "intents" => Some("What users want, each from some time on, and again until it succeeds."),
        "faults" => Some("What goes wrong, until the faults end."),
        "network" => Some("What the network does until then; how often is in thousandths."),
        "store_faults" => Some("What the stores do until then; how often is in thousandths."),
        "faults_end" => Some("From then on everything must settle."),
        "attempts" => Some("When the dishonest homeserver attempts an attack."),
        _ => None,
    }
}

/// Writes a list with one table in each line, behind it its number.
fn table_list(text: &mut String, name: &str, items: &[Value]) -> std::fmt::Result {
    writeln!(text, "{name} = [")?;
    for (number, item) in items.iter().enumerate() {
        writeln!(text, "    {item}, # {number}")?;
    }
    writeln!(text, "]")
}

/// Writes a list of plain values, in as many lines as it needs.
fn plain_list(text: &mut String, name: &str, items: &[Value]) -> std::fmt::Result {
    let one_line = format!("{name} = {}", Value::Array(items.to_vec()));
    if one_line.len() <= WIDTH {
        return writeln!(text, "{one_line}");
    }
    write!(text, "{name} = [")?;
    let mut width = WIDTH;
    for item in items {
        let item = format!(" {item},");
        if width + item.len() > WIDTH {
            text.push_str("\n   ");
            width = 3;
        }
        width += item.len();
        text.push_str(&item);
    }
    writeln!(text, "\n]")
}
