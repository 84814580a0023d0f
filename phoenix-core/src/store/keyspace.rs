//! PROTOCOL.md §2, Determinism and storage — every kind of record that a homeserver keeps, in one table.
//!
//! `KEYSPACE.md` is this table, printed. What a service keeps is described in PROTOCOL.md §6, State; §7,
//! State; §8, State.

use std::fmt::Write as _;

/// How a row is protected at rest (PROTOCOL.md §2, Determinism and storage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// It is stored as it is.
    Plain,
    /// It is sealed under the service key, which is in the key file and never in the store.
    ServiceKey,
    /// It is encrypted under a key that the caller brings with each request, and that the homeserver keeps
    /// nowhere.
    Caller,
    /// It is encrypted to its owner by the queue's ratchet (PROTOCOL.md §3, Ratchets).
    Ratchet,
}

impl Protection {
    /// Returns the words for it in the printed table.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ServiceKey => "sealed under the service key",
            Self::Caller => "encrypted under the caller's key",
            Self::Ratchet => "encrypted to its owner",
        }
    }
}

/// What a kind of record is: who owns it, what names it, how it is protected, when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordDeclaration {
    /// The kind that is declared.
    pub kind: RecordKind,
    /// The service that alone reads and writes it.
    pub owner: &'static str,
    /// What names a row of this kind.
    pub name: &'static str,
    /// How rows are protected at rest.
    pub protection: Protection,
    /// When a row goes. "kept": nothing deletes it yet.
    pub expiry: &'static str,
}

macro_rules! record_kinds {
    ($($(#[$meta:meta])* $kind:ident = $code:literal, $owner:literal, $name:literal, $protection:ident, $expiry:literal;)*) => {
        /// The kinds of records. The code is the first byte of a stored key, and stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum RecordKind {
            $($(#[$meta])* $kind = $code,)*
        }

        impl RecordKind {
            /// The declarations of all kinds, in the order of the table.
            pub const DECLARATIONS: &'static [RecordDeclaration] = &[
                $(RecordDeclaration {
                    kind: Self::$kind, owner: $owner, name: $name,
                    protection: Protection::$protection, expiry: $expiry,
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

record_kinds! {
    /// The time at which a timer is due.
    Timer = 1, "core", "timer", Plain, "when nothing is left to do";
    /// The node that works on a shard of the timers, and until when.
    Lease = 2, "core", "shard", Plain, "30 s after the last renewal";
    /// The key at which the sweep of records without an hour of expiry goes on.
    SweepCursor = 9, "core", "kind of record", Plain, "never";
    /// How far a request has come: that it has paid, then its answer.
    RememberedAnswer = 3, "core", "hour of expiry, hash of the request", Caller, "with the authentication window";
    /// A spent token.
    Nullifier = 4, "core", "hour of expiry, nullifier", Plain, "with the token key";
    /// A set of published keys of another homeserver.
    PeerKeys = 5, "federation", "domain, operation that it is asked for with", Plain, "at the set's valid_until";
    /// The hour in which a set of another homeserver's keys goes.
    PeerKeysExpiry = 6, "federation", "hour of expiry, domain, operation", Plain, "with the set";
    /// A fetch of another homeserver's keys that failed, so that it is not repeated at once.
    FailedFetch = 7, "federation", "hour of expiry, domain, operation", Plain, "when they may be asked for again";
    /// The budget of questions to homeservers that nothing is known of.
    FirstContacts = 8, "federation", "(one row)", Plain, "never";

    /// A registered user: its password file and its clients.
    User = 16, "AS", "user id", Plain, "deletion";
    /// A registration under way.
    PendingRegistration = 17, "AS", "hour of expiry, credential fingerprint", ServiceKey, "after the registration time limit";
    /// A client of a user: its credential.
    Client = 18, "AS", "client id", Plain, "deletion";
    /// The head of a client's connection packages: how many there are.
    ConnectionPackagePool = 19, "AS", "client id", Plain, "deletion";
    /// One connection package.
    ConnectionPackage = 20, "AS", "client id, number", Plain, "when handed out";
    /// The head of a client's direct queue.
    DirectQueue = 21, "AS", "client id", ServiceKey, "deletion";
    /// An entry of a direct queue.
    DirectQueueEntry = 22, "AS", "client id, sequence", Ratchet, "when acknowledged";
    /// The tokens issued to a client in the time frame.
    ClientAllowance = 23, "AS", "hash of the client id", Plain, "after the token time frame";
    /// The tokens issued to the clients of a registrable domain in the time frame.
    DomainAllowance = 24, "AS", "registrable domain", Plain, "kept";
    /// The tokens issued to all new domains together in the time frame.
    NewDomainAllowance = 25, "AS", "(one row)", Plain, "never";
    /// The registrations begun in the minute.
    RegistrationRate = 26, "AS", "shard", Plain, "never";

    /// A pseudonymous user of the queuing service.
    QsUser = 48, "QS", "QS user id", Plain, "kept";
    /// A pseudonymous client of the queuing service.
    QsClient = 49, "QS", "QS client id", Plain, "kept";
    /// The head of a client's key packages: how many there are.
    KeyPackagePool = 50, "QS", "QS client id", Plain, "with the client";
    /// One key package.
    KeyPackage = 51, "QS", "QS client id, number", Caller, "when handed out";
    /// The head of a client's fan-out queue.
    FanOutQueue = 52, "QS", "QS client id", ServiceKey, "with the client";
    /// An entry of a fan-out queue.
    FanOutQueueEntry = 53, "QS", "QS client id, sequence", Ratchet, "when acknowledged";

    /// An id that is reserved for a new group.
    GroupReservation = 80, "DS", "hour of expiry, group uuid", Plain, "unused after an hour";
    /// The head of a group: what is not encrypted under its key.
    GroupHead = 81, "DS", "group uuid", Plain, "when the group is deleted; the id stays";
    /// One encrypted section of a group's state.
    GroupSection = 82, "DS", "group uuid, section", Caller, "with the group";

    /// A message on its way to its recipients.
    FanOutRow = 112, "fan-out", "log, position", ServiceKey, "when all recipients have it";
    /// The position up to which a log is distributed.
    FanOutProgress = 113, "fan-out", "log", Plain, "with the log";

    /// The end of a stream to another homeserver, where entries are appended.
    OutboundEnd = 128, "federation", "destination, shard", ServiceKey, "kept";
    /// The start of a stream to another homeserver, from where entries are delivered.
    OutboundStart = 134, "federation", "destination, shard", Plain, "kept";
    /// One epoch of an outbound stream.
    OutboundEpoch = 129, "federation", "destination, shard, epoch", ServiceKey, "when its entries are delivered";
    /// An entry of an outbound stream.
    OutboundEntry = 130, "federation", "destination, shard, sequence", ServiceKey, "when delivered, or over the bound";
    /// Whether another homeserver answers, and when to try again.
    PeerState = 131, "federation", "domain", Plain, "when the peer is reachable again";
    /// The position of a stream from another homeserver.
    InboundStream = 132, "federation", "source, stream id", ServiceKey, "silent for 90 days, or for one when there are too many";
    /// The streams from another homeserver, and its rate.
    InboundSource = 133, "federation", "source", Plain, "with its last stream";
}

impl RecordKind {
    /// Returns the declaration of this kind.
    pub fn declaration(self) -> &'static RecordDeclaration {
        // One macro makes kinds and declarations, so each kind has one.
        Self::DECLARATIONS.iter().find(|d| d.kind == self).unwrap_or(&Self::DECLARATIONS[0])
    }

    /// Returns all kinds as a table in Markdown: the page that shows all state of a homeserver.
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
