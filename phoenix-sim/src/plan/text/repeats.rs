//! Intents that stand for several: a person writes `times = 10, every = "2s"` behind one. Each further one is
//! later than the one before, and the text of a message says which one it is.

use std::time::Duration;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{error::PlanError, value::Parsed};
use crate::plan::durations;

/// How much later each one is, unless the text says.
const EVERY: Duration = Duration::from_secs(1);

/// How many intents one may stand for.
const MOST: u64 = 100_000;

/// Replaces each intent with a field `times` by as many.
pub fn expand(plan: &mut DeTable<'_>) -> Result<(), PlanError> {
    let Some(DeValue::Array(intents)) = plan.get_mut("intents").map(Spanned::get_mut) else { return Ok(()) };
    let mut expanded = toml::de::DeArray::new();
    for (index, intent) in intents.iter().enumerate() {
        let repeated = repeat(intent);
        let repeated =
            repeated.map_err(|error| error.within(format!("[{index}]")).within("intents".to_owned()))?;
        repeated.into_iter().for_each(|intent| expanded.push(intent));
    }
    *intents = expanded;
    Ok(())
}

/// Returns the intents that one stands for.
fn repeat<'i>(intent: &Spanned<DeValue<'i>>) -> Result<Vec<Spanned<DeValue<'i>>>, PlanError> {
    let mut intent = intent.clone();
    let span = intent.span();
    let DeValue::Table(table) = intent.get_mut() else { return Ok(vec![intent]) };
    let times: u64 = field(table, "times")?.unwrap_or(1);
    let every: Option<Duration> = field(table, "every")?;
    if times > MOST {
        return Err(PlanError::new(format!("more than {MOST} times")).at(span.start));
    }
    let at: Option<Duration> = table.get("at").map(|at| deserialize(Parsed::new(at))).transpose()?;
    let repeated = (0..times).map(|number| {
        let mut table = table.clone();
        if let (Some(at), Some(value)) = (at, table.get_mut("at")) {
            let later = every.unwrap_or(EVERY).saturating_mul(number as u32);
            *value.get_mut() = DeValue::String(durations::text(at.saturating_add(later)).into());
        }
        if times > 1
            && let Some(text) = message(&mut table)
        {
            *text = DeValue::String(
                format!("{} ({} of {times})", text.as_str().unwrap_or_default(), number + 1).into(),
            );
        }
        Spanned::new(span.clone(), DeValue::Table(table))
    });
    Ok(repeated.collect())
}

/// Takes a field away and returns its value.
fn field<T: for<'de> serde::Deserialize<'de>>(
    table: &mut DeTable<'_>,
    name: &str,
) -> Result<Option<T>, PlanError> {
    let value = table.remove(name);
    value
        .map(|value| deserialize(Parsed::new(&value)).map_err(|error| error.within(name.to_owned())))
        .transpose()
}

fn deserialize<T: for<'de> serde::Deserialize<'de>>(value: Parsed<'_, '_>) -> Result<T, PlanError> {
    T::deserialize(value)
}

/// Returns the text of a message that an intent is to send.
fn message<'a, 'i>(intent: &'a mut DeTable<'i>) -> Option<&'a mut DeValue<'i>> {
    let DeValue::Table(action) = intent.get_mut("action")?.get_mut() else { return None };
    let DeValue::Table(send) = action.get_mut("send")?.get_mut() else { return None };
    Some(send.get_mut("text")?.get_mut())
}
