//! What commands print.

use std::io::{self, Write};

use serde_json::{Map, Value};

/// Standard output, for people or for machines.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Prints text, or with `json` one JSON object a line.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints an event: `text` for people; for machines an object with `event` and `fields`.
    pub fn event<const N: usize>(self, event: &str, fields: [(&str, Value); N], text: &str) {
        let line = if self.json {
            let event = [("event", Value::from(event))];
            let object: Map<_, _> =
                event.into_iter().chain(fields).map(|(name, value)| (name.to_owned(), value)).collect();
            Value::Object(object).to_string()
        } else {
            text.to_owned()
        };
        let mut output = io::stdout().lock();
        // Fails only if the output is closed.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }
}
