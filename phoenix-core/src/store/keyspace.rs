//! The keyspace: every kind of record that a homeserver keeps, in one table.

use std::fmt::Write as _;

/// How a row is protected at rest (PROTOCOL.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// As it is: nothing in it links or tells.
    Plain,
    /// Sealed under the service key, which lives in the key file and never in the store.
    ServiceKey,
    /// Encrypted under a key that the caller brings with each request.
    Caller,
    /// Encrypted to its owner by the queue ratchet.
    Ratchet,
}

impl Protection {
    /// In words, for the keyspace table.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ServiceKey => "sealed under the service key",
            Self::Caller => "encrypted under the caller's key",
            Self::Ratchet => "encrypted to its owner",
        }
    }
}

/// What a row is, who owns it and how it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordDeclaration {
    /// The kind.
    pub kind: RecordKind,
    /// The service that alone reads and writes it.
    pub owner: &'static str,
    /// What names a row.
    pub name: &'static str,
    /// How it is protected at rest.
    pub protection: Protection,
    /// When it goes.
    pub expiry: &'static str,
}

macro_rules! record_kinds {
    ($($(#[$meta:meta])* $kind:ident = $code:literal, $owner:literal, $name:literal, $protection:ident, $expiry:literal;)*) => {
        /// The kinds of records, the first byte of a stored key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum RecordKind {
            $($(#[$meta])* $kind = $code,)*
        }

        impl RecordKind {
            /// All declarations, in the order of their codes.
            pub const DECLARATIONS: &'static [RecordDeclaration] = &[
                $(RecordDeclaration {
                    kind: Self::$kind, owner: $owner, name: $name,
                    protection: Protection::$protection, expiry: $expiry,
                },)*
            ];

            /// The kind with this code.
            pub fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

record_kinds! {
    /// When a timer is due.
    Timer = 1, "core", "timer", Plain, "when nothing is left to do";
    /// Which node works on a shard of timers.
    Lease = 2, "core", "shard", Plain, "30 s after the last renewal";
    /// Where the sweep of records without an hour of expiry goes on.
    SweepCursor = 9, "core", "kind of record", Plain, "never";
    /// The answer given to a request.
    RememberedAnswer = 3, "core", "hour of expiry, hash of the request", Caller, "with the authentication window";
    /// A spent token.
    Nullifier = 4, "core", "hour of expiry, nullifier", Plain, "with the token key";
    /// A set of published keys of another homeserver.
    PeerKeys = 5, "federation", "domain, operation that it is asked for with", Plain, "at the set's valid_until";
    /// When a set of another homeserver's keys goes.
    PeerKeysExpiry = 6, "federation", "hour of expiry, domain, operation", Plain, "with the set";
    /// That another homeserver's keys were asked for and not obtained (negative cache entry).
    FailedFetch = 7, "federation", "hour of expiry, domain, operation", Plain, "when they may be asked for again";
    /// How often unknown homeservers were asked lately.
    FirstContacts = 8, "federation", "(one row)", Plain, "never";

    /// A registered user: password file, clients.
    User = 16, "AS", "user id", Plain, "deletion";
    /// A registration under way.
    PendingRegistration = 17, "AS", "hour of expiry, credential fingerprint", ServiceKey, "after the registration time limit";
    /// A client: its credential.
    Client = 18, "AS", "client id", Plain, "deletion";
    /// The count of a client's connection packages.
    ConnectionPackagePool = 19, "AS", "client id", Plain, "deletion";
    /// One connection package.
    ConnectionPackage = 20, "AS", "client id, number", Plain, "when handed out";
    /// The head of a client's direct queue.
    DirectQueue = 21, "AS", "client id", ServiceKey, "deletion";
    /// An entry of a direct queue.
    DirectQueueEntry = 22, "AS", "client id, sequence", Ratchet, "when acknowledged";
    /// Tokens issued to a client.
    ClientAllowance = 23, "AS", "hash of the client id", Plain, "after the token time frame";
    /// Tokens issued to the clients of a registrable domain.
    DomainAllowance = 24, "AS", "registrable domain", Plain, "kept";
    /// Tokens issued to all domains that are new.
    NewDomainAllowance = 25, "AS", "(one row)", Plain, "never";
    /// Registrations begun in a minute.
    RegistrationRate = 26, "AS", "shard", Plain, "never";

    /// A pseudonymous user of the queuing service.
    QsUser = 48, "QS", "QS user id", Plain, "kept";
    /// A pseudonymous client of the queuing service.
    QsClient = 49, "QS", "QS client id", Plain, "kept";
    /// The count of a client's key packages.
    KeyPackagePool = 50, "QS", "QS client id", Plain, "with the client";
    /// One key package.
    KeyPackage = 51, "QS", "QS client id, number", Caller, "when handed out";
    /// The head of a client's fan-out queue.
    FanOutQueue = 52, "QS", "QS client id", ServiceKey, "with the client";
    /// An entry of a fan-out queue.
    FanOutQueueEntry = 53, "QS", "QS client id, sequence", Ratchet, "when acknowledged";

    /// An id handed out for a group to be.
    GroupReservation = 80, "DS", "hour of expiry, group uuid", Plain, "unused after an hour";
    /// The head of a group.
    GroupHead = 81, "DS", "group uuid", Plain, "when the group is deleted; the id stays";
    /// One encrypted section of a group's state.
    GroupSection = 82, "DS", "group uuid, section", Caller, "with the group";

    /// A message on its way to its recipients.
    FanOutRow = 112, "fan-out", "log, position", ServiceKey, "when all recipients have it";
    /// How far a log is distributed.
    FanOutProgress = 113, "fan-out", "log", Plain, "with the log";

    /// The end of a stream to another homeserver, where entries are appended.
    OutboundEnd = 128, "federation", "destination, shard", ServiceKey, "kept";
    /// The start of a stream to another homeserver, from where entries are delivered.
    OutboundStart = 134, "federation", "destination, shard", Plain, "kept";
    /// One epoch of an outbound stream.
    OutboundEpoch = 129, "federation", "destination, shard, epoch", ServiceKey, "when its entries are delivered";
    /// An entry of an outbound stream.
    OutboundEntry = 130, "federation", "destination, shard, sequence", ServiceKey, "when delivered, or over the bound";
    /// What is known of a peer's reachability.
    PeerState = 131, "federation", "domain", Plain, "kept";
    /// The position of a stream from another homeserver.
    InboundStream = 132, "federation", "source, stream id", ServiceKey, "silent for 90 days, or for one when there are too many";
    /// The streams and rate of another homeserver.
    InboundSource = 133, "federation", "source", Plain, "with its last stream";
}

impl RecordKind {
    /// The declaration of this kind.
    pub fn declaration(self) -> &'static RecordDeclaration {
        // Declared by the same macro: the search cannot fail, and falls back to the first.
        Self::DECLARATIONS.iter().find(|d| d.kind == self).unwrap_or(&Self::DECLARATIONS[0])
    }

    /// All kinds as a table: the page that shows all state of a homeserver.
    pub fn table() -> String {
        let mut table = String::from(
            "| record | owner | named by | protection at rest | goes |\n|---|---|---|---|---|\n",
        );
        for d in Self::DECLARATIONS {
            let _ = writeln!(
                table,
                "| {:?} | {} | {} | {} | {} |",
                d.kind,
                d.owner,
                d.name,
                d.protection.describe(),
                d.expiry
            );
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_keyspace_is_the_committed_one() {
        let committed = include_str!("../../KEYSPACE.md");
        assert!(
            committed.ends_with(&RecordKind::table()),
            "phoenix-core/KEYSPACE.md is out of date; it should end with:\n{}",
            RecordKind::table()
        );
    }
}
