//! From text to a plan.

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{check, error::PlanError, repeats, value::Parsed};
use crate::plan::Plan;

impl Plan {
    /// Reads a plan that [`Plan::to_text`] or a person has written.
    ///
    /// # Errors
    /// What is wrong with the text, and in which line.
    pub fn from_text(text: &str) -> Result<Self, PlanError> {
        read(text).map_err(|error| error.in_text(text))
    }
}

fn read(text: &str) -> Result<Plan, PlanError> {
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        PlanError::new(error.message()).at(offset)
    })?;
    let mut table = table.into_inner();
    repeats::expand(&mut table)?;
    let table = Spanned::new(0..0, DeValue::Table(table));
    let mut plan = Plan::deserialize(Parsed::new(&table))?;
    let bug = plan.settings.homeserver_plant();
    plan.servers.iter_mut().for_each(|server| server.config.plant = bug);
    check::check(&plan).map_err(|error| {
        let offset = offset(&table, error.path());
        error.at(offset)
    })?;
    Ok(plan)
}

/// Returns where the value begins that a path leads to, or as much of the path as there is.
fn offset<'a>(table: &Spanned<DeValue<'_>>, path: impl Iterator<Item = &'a str>) -> usize {
    let mut value = table;
    for name in path {
        let index: Option<usize> = name.trim_matches(['[', ']']).parse().ok();
        let inner = match (value.get_ref(), index) {
            (DeValue::Table(table), _) => table.get(name),
            (DeValue::Array(items), Some(index)) => items.get(index),
            _ => None,
        };
        let Some(inner) = inner else { break };
        value = inner;
    }
    value.span().start
}
