//! PROTOCOL.md §11.15 — every kind of record that a client keeps, in one table, which `CLIENT_KEYSPACE.md`
//! prints.
//!
//! All records are sealed under the application's key, names included.

use std::fmt::Write as _;

/// What a kind of record is: what names it, what secrets it holds, when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRecordDeclaration {
    /// The kind that is declared.
    pub kind: ClientRecordKind,
    /// What names a record of this kind.
    pub name: &'static str,
    /// The secrets in it: what a thief of the application's key would have.
    pub secrets: &'static str,
    /// When a record goes, and its secrets with it.
    pub expiry: &'static str,
}

macro_rules! client_record_kinds {
    ($($(#[$meta:meta])* $kind:ident = $code:literal, $name:literal, $secrets:literal, $expiry:literal;)*) => {
        /// The kinds of a client's records. The code is the first byte of a record's name, and stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ClientRecordKind {
            $($(#[$meta])* $kind = $code,)*
        }

        impl ClientRecordKind {
            /// The declarations of all kinds, in the order of the table.
            pub const DECLARATIONS: &'static [ClientRecordDeclaration] = &[
                $(ClientRecordDeclaration {
                    kind: Self::$kind, name: $name, secrets: $secrets, expiry: $expiry,
                },)*
            ];

            /// Returns the kind with this code, if there is one.
            pub fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

client_record_kinds! {
    /// The form of all other records.
    Header = 1, "(one record)", "none", "never";
    /// Who the client is: ids, keys, credential, its records at the queuing service.
    Account = 2, "(one record)", "client key, record keys, connection package keys, friendship token and key", "never";
    /// The direct queue as the client reads it.
    DirectQueue = 3, "(one record)", "queue key, ratchet key", "its ratchet key with each entry";
    /// The fan-out queue as the client reads it.
    FanOutQueue = 4, "(one record)", "queue key, ratchet key", "its ratchet key with each entry";
    /// The private side of a published key package.
    KeyPackage = 5, "KeyPackageRef", "leaf key", "when it is used; a last resort is kept";
    /// A token that is not used yet.
    Token = 6, "homeserver, nonce", "the token", "when it is used, or its key is no longer valid";
    /// The credentials of a homeserver's authentication service.
    AsCredentials = 7, "homeserver", "none", "when newer ones are fetched";
    /// The keys of a homeserver's queuing service.
    QsKeys = 8, "homeserver", "none", "when newer ones are fetched";
    /// A user that the client is connected with.
    Contact = 9, "user", "friendship token and key of the contact", "never";
    /// A connection request that waits for the user's decision.
    ConnectionRequest = 10, "user", "group keys, friendship token and key of the requester", "when it is accepted";
    /// A group that the client is in.
    Group = 11, "group", "leaf key, group key, credential key", "when the client is removed";
    /// A member of a group, present or lately former, verified.
    Member = 12, "group, leaf identity", "attribution key", "five epochs after it has left, or with the group";
    /// How far a group was followed.
    Progress = 13, "group", "none", "with the group";
    /// The client's own commit of unknown outcome.
    PendingCommit = 14, "group", "group key, attribution keys of added members", "when the outcome is known";
    /// An own message or commit whose receipt has not been read.
    Awaited = 15, "group, request", "text of a message that was given up", "when the receipt is read, or the epoch ends";
    /// Which deliveries of a group are kept.
    Inbox = 16, "group", "none", "with the group";
    /// A delivery that is decrypted and not followed yet.
    InboxEntry = 17, "group, number", "none beyond the delivery", "when it is followed";
    /// An event that the application has not confirmed.
    Event = 18, "number", "text of a message", "when it is confirmed";
    /// What the client is to do, and how far it has come.
    Intent = 19, "number", "password, keys and tokens of requests under way", "when it is done, or cancelled";
    /// A chunk of a value of the MLS state.
    Mls = 32, "number of the chunk, MLS kind, key", "MLS keys and secrets", "as MLS deletes it";
}

impl ClientRecordKind {
    /// Returns the table of all declarations, in Markdown.
    pub fn table() -> String {
        let mut table = String::from("| record | named by | secrets in it | goes |\n|---|---|---|---|\n");
        for d in Self::DECLARATIONS {
            let _ = writeln!(table, "| {:?} | {} | {} | {} |", d.kind, d.name, d.secrets, d.expiry);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_keyspace_is_the_committed_one() {
        let committed = include_str!("../../../CLIENT_KEYSPACE.md");
        assert!(
            committed.ends_with(&ClientRecordKind::table()),
            "phoenix-core/CLIENT_KEYSPACE.md is out of date; it should end with:\n{}",
            ClientRecordKind::table()
        );
        for declaration in ClientRecordKind::DECLARATIONS {
            assert_eq!(ClientRecordKind::from_code(declaration.kind as u8), Some(declaration.kind));
        }
    }
}
