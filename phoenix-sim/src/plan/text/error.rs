//! What is wrong with the text of a plan, and where.

use std::fmt;

/// A text is no plan, or a plan has no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    message: String,
    /// The offset in the text, in bytes.
    offset: Option<usize>,
    /// The line, as soon as the text is known.
    line: Option<usize>,
    /// The names of the fields that lead to the place, the innermost first.
    path: Vec<String>,
}

impl PlanError {
    /// Creates an error without a place.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), offset: None, line: None, path: Vec::new() }
    }

    /// Says at which offset the error is, unless that is said already.
    pub(super) fn at(mut self, offset: usize) -> Self {
        self.offset.get_or_insert(offset);
        self
    }

    /// Says in which field the error is, from the inside to the outside: `name` or `[index]`.
    pub(super) fn within(mut self, name: String) -> Self {
        self.path.push(name);
        self
    }

    /// Returns the names of the fields that lead to the place, the outermost first.
    pub(super) fn path(&self) -> impl Iterator<Item = &str> {
        self.path.iter().rev().map(String::as_str)
    }

    /// Says in which line of `text` the error is.
    pub(super) fn in_text(mut self, text: &str) -> Self {
        let before = |offset| text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
        self.line = self.offset.map(|offset| before(offset) + 1);
        self
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        for (index, name) in self.path.iter().rev().enumerate() {
            let dot = if index == 0 || name.starts_with('[') { "" } else { "." };
            write!(formatter, "{dot}{name}")?;
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{colon}{}", self.message)
    }
}

impl std::error::Error for PlanError {}

impl serde::de::Error for PlanError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}
