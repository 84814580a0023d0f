//! What differs from a default, so that texts say only that.

use toml::{Table, Value};

/// Returns the entries of `value` that differ from those of `base`; of tables in both, the entries of these
/// that do.
pub fn differences(value: Table, base: &Table) -> Table {
    let differing = value.into_iter().filter_map(|(name, value)| match (value, base.get(&name)) {
        (value, Some(base)) if value == *base => None,
        (Value::Table(value), Some(Value::Table(base))) => {
            Some((name, Value::Table(differences(value, base))))
        }
        (value, _) => Some((name, value)),
    });
    differing.collect()
}

/// Returns whether a field has its default, so that it is left out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
