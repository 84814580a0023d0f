//! Whom or what the thief looks for.

use phoenix_core::store::RecordKind;

/// Something that the thief knows to be there, by the names of the rows that stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The bytes that mention it.
    pub handles: Vec<Vec<u8>>,
}

/// The bytes of a random identifier.
const IDENTIFIER: usize = 16;

impl Subject {
    /// The subject of rows with these keys, which have their kind. What comes behind the kind, and behind the
    /// hour if there is one, mentions it.
    pub fn of_rows<'a>(keys: impl IntoIterator<Item = &'a Vec<u8>>) -> Self {
        Self { handles: keys.into_iter().map(|key| name(key).to_vec()).collect() }
    }

    /// The subject of rows whose names begin with an identifier, or have one at either end. The domain, which
    /// many have in common, does not mention it.
    pub fn of_identifiers<'a>(keys: impl IntoIterator<Item = &'a Vec<u8>>) -> Self {
        let names = keys.into_iter().map(|key| name(key));
        let ends = names.flat_map(|name| {
            let last = name.last_chunk::<IDENTIFIER>().filter(|_| name.len() > 2 * IDENTIFIER);
            [name.first_chunk::<IDENTIFIER>(), last].into_iter().flatten()
        });
        let mut handles: Vec<Vec<u8>> = ends.map(|end| end.to_vec()).collect();
        handles.sort();
        handles.dedup();
        Self { handles }
    }

    /// The subject that is mentioned by these very bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { handles: vec![bytes.to_vec()] }
    }
}

/// The bytes before a name that follows an hour: the kind, the hour.
const BEFORE_HOURLY_NAME: usize = 5;

/// What in a key names its subject.
fn name(key: &[u8]) -> &[u8] {
    let kind = key.first().and_then(|code| RecordKind::from_code(*code));
    let is_hourly = kind.is_some_and(|kind| kind.declaration().name.starts_with("hour"));
    key.get(if is_hourly { BEFORE_HOURLY_NAME } else { 1 }..).unwrap_or_default()
}
