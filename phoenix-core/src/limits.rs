//! PROTOCOL.md §2, Limits — every length and count has a limit, and each limit a reason (PROTOCOL.md,
//! Appendix C).
//!
//! What is fixed by the protocol stands here, sizes in bytes. What an operator may change is a setting
//! ([`config`](crate::config)). A limit is checked before anything is allocated.

use std::time::Duration;

use crate::time::DAY;

/// The versions of the protocol that are spoken.
pub const SUPPORTED_VERSIONS: &[u16] = &[1];

/// An ordinary request, 1 MiB, envelope included: far above what any of them needs, far below what hurts.
pub const MAX_REQUEST: usize = 1 << 20;

/// Commits that add users, federated batches, and every response, 8 MiB: a tree of 5000 members fits.
pub const MAX_LARGE_REQUEST: usize = 8 << 20;

/// One MLS message, 768 KiB: it fits, with the rest of the request, into [`MAX_REQUEST`].
pub const MAX_MLS_MESSAGE: usize = 768 << 10;

/// The ratchet tree, and the group information, of a group that is being created: one leaf, of less than 1
/// KiB, and as many admins as a group can have (1 KiB), fit with room to spare.
pub const MAX_FIRST_STATE: usize = 16 << 10;

/// Members of a group: validating a commit takes 80 ms at this size.
pub const MAX_MEMBERS: usize = 5000;

/// Users added in one commit: each costs the validation of a key package (about 0.3 ms).
pub const MAX_ADDS: usize = 128;

/// Homeservers whose users are added in one commit: each may have to be asked for its keys while the
/// committer waits, one after the other.
pub const MAX_ADDED_DOMAINS: usize = 16;

/// How often a request may have other homeservers asked for one token, each time about no more than it names
/// ([`MAX_ADDED_DOMAINS`]): once, and a few times more where a peer is away and the caller comes back.
pub const MAX_ASKS: u8 = 4;

/// All Welcomes of one commit together, which each joiner gets a copy of: [`MAX_ADDS`] copies of a Welcome to
/// as many (26 KiB) fit, and the row that fans them out stays below what a federated stream takes in one
/// entry.
pub const MAX_WELCOMES: usize = 4 << 20;

/// The sealed part of a queue configuration: those for the longest domains take some 700 bytes. Every
/// member's is read with each message, and sent with it to the member's homeserver.
pub const MAX_SEALED_CONFIG: usize = 1 << 10;

/// A member's credential or attribution, encrypted for other clients: less than 1 KiB with the longest
/// domains. Those of [`MAX_MEMBERS`] are one section of a group, and one answer.
pub const MAX_MEMBER_SECRET: usize = 2 << 10;

/// Clients of one user: more devices than people have. Each is added to a group by a key package of its own.
pub const MAX_CLIENTS: usize = 10;

/// Key packages in one upload, per client: one is used up each time the client is added to a group.
pub const MAX_KEY_PACKAGES: usize = 128;

/// Connection packages in one upload: when all are gone, the last one serves on.
pub const MAX_CONNECTION_PACKAGES: usize = 64;

/// Entries returned by one dequeue: a client that was away asks again, and each answer stays readable at
/// once.
pub const MAX_DEQUEUE: usize = 500;

/// Entries deleted by one dequeue: it bounds the commit.
pub const MAX_ACKNOWLEDGED: u64 = 1024;

/// Entries of one epoch of a federated stream, and so of one batch (PROTOCOL.md §9, QS-to-QS delivery): what
/// one seed opens, and what a receiver may have to step through, is bounded.
pub const MAX_STREAM_EPOCH: u64 = 1024;

/// Streams that one source may have to this homeserver: four shards, and room for state that the source has
/// lost.
pub const MAX_INBOUND_STREAMS: usize = 64;

/// Groups pinned by Welcomes, or blocked, per client: they are one record, which each delivery reads.
pub const MAX_LISTED_GROUPS: usize = 1024;

/// Rounds of reading that an operation may need: more is a defect, which ends in a refusal and not in a loop.
pub const MAX_ROUNDS: usize = 16;

/// Attempts after conflicts or unknown outcomes, before the caller is told to come back: so no operation runs
/// for ever.
pub const MAX_ATTEMPTS: u32 = 64;

/// What was not used for this long goes, 90 days (PROTOCOL.md §10): nothing that it belongs to is in use any
/// more.
pub const UNUSED: Duration = DAY.saturating_mul(90);
