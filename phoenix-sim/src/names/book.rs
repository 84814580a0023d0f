//! The names of all that has an id, and how they are put into a text.

use std::{collections::BTreeMap, fmt};

/// The digits of an id that no one has named: these many are printed.
const DIGITS_KEPT: usize = 8;

/// The digits of an id, or of a hash, are these many at least.
const DIGITS: usize = 32;

/// A book of names.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// By the first word of a text that stands for something: the text and the name, the longest text first.
    names: BTreeMap<String, Vec<(String, String)>>,
}

impl Book {
    /// Learns the name of an id, displayed or debugged.
    pub fn learn(&mut self, id: &(impl fmt::Display + fmt::Debug), name: &str) {
        self.learn_text(&id.to_string(), name);
        self.learn_text(&format!("{id:?}"), name);
    }

    /// Learns what a text stands for. The first name stays.
    pub fn learn_text(&mut self, text: &str, name: &str) {
        let first = &text[..word(text)];
        let names = self.names.entry(first.to_owned()).or_default();
        if !names.iter().any(|(known, _)| known == text) {
            names.push((text.to_owned(), name.to_owned()));
            names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }

    /// Returns whether an id has a name.
    pub fn knows(&self, id: &impl fmt::Display) -> bool {
        let id = id.to_string();
        self.names.get(&id[..word(&id)]).is_some_and(|names| names.iter().any(|(known, _)| *known == id))
    }

    /// Returns `text` with names in the place of ids. Ids without a name are shortened.
    pub fn apply(&self, text: &str) -> String {
        let mut named = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let first = &rest[..word(rest)];
            let names = self.names.get(first).into_iter().flatten();
            let found =
                names.into_iter().find(|(known, _)| rest.starts_with(known) && ends(&rest[known.len()..]));
            rest = match found {
                Some((known, name)) => {
                    named.push_str(name);
                    &rest[known.len()..]
                }
                None if first.is_empty() => {
                    let next = rest.chars().next().map_or(1, char::len_utf8);
                    named.push_str(&rest[..next]);
                    &rest[next..]
                }
                None => {
                    named.push_str(shortened(first));
                    if is_id(first) {
                        named.push('…');
                    }
                    &rest[first.len()..]
                }
            };
        }
        named
    }
}

/// Returns the length of the word that a text begins with.
fn word(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len())
}

/// Returns whether what was before `rest` ends there: the name of a domain may be the beginning of another.
fn ends(rest: &str) -> bool {
    let mut characters = rest.chars();
    match characters.next() {
        Some(next) if next.is_alphanumeric() => false,
        Some('.' | '-' | '@') => !characters.next().is_some_and(char::is_alphanumeric),
        _ => true,
    }
}

fn is_id(word: &str) -> bool {
    word.len() >= DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn shortened(word: &str) -> &str {
    if is_id(word) { &word[..DIGITS_KEPT] } else { word }
}

#[cfg(test)]
mod tests {
    use phoenix_core::identifiers::{Domain, GroupId, GroupUuid, QsClientId, UserId, UserUuid};

    use super::*;

    fn domain() -> Domain {
        "server1.example".parse().unwrap()
    }

    fn book() -> Book {
        let mut book = Book::default();
        book.learn(&domain(), "homeserver 1");
        book.learn(&UserId { uuid: UserUuid([1; 16]), domain: domain() }, "user 3");
        book.learn(&QsClientId([2; 16]), "the queue of user 3");
        book.learn_text("machine 1", "homeserver 0, process 1");
        book
    }

    #[test]
    fn displayed_and_debugged_ids_have_one_name() {
        let user = UserId { uuid: UserUuid([1; 16]), domain: domain() };
        let queue = QsClientId([2; 16]);
        let text = format!("{user} and {user:?}, {queue} and {queue:?}, at {} or {:?}.", domain(), domain());
        let expected = "user 3 and user 3, the queue of user 3 and the queue of user 3, \
                        at homeserver 1 or homeserver 1.";
        assert_eq!(book().apply(&text), expected);
    }

    #[test]
    fn an_id_without_a_name_is_shortened() {
        let group = GroupId { uuid: GroupUuid([0xab; 16]), domain: domain() };
        assert_eq!(book().apply(&format!("“ü” in {group}")), "“ü” in abababab…@homeserver 1");
    }

    #[test]
    fn a_name_that_another_one_begins_with_is_left_alone() {
        let text = "server1.example.org machine 10 machine 1 myserver1.example machine 1 (start 2)";
        let expected = "server1.example.org machine 10 homeserver 0, process 1 myserver1.example \
                        homeserver 0, process 1 (start 2)";
        assert_eq!(book().apply(text), expected);
    }

    #[test]
    fn the_first_name_stays() {
        let mut book = book();
        book.learn(&QsClientId([2; 16]), "another");
        assert!(book.knows(&QsClientId([2; 16])) && !book.knows(&QsClientId([3; 16])));
        assert_eq!(book.apply(&QsClientId([2; 16]).to_string()), "the queue of user 3");
    }
}
