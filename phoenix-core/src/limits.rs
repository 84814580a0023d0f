//! protocol.md §2 — every length and count has a limit, and each limit a reason.

/// Versions of the protocol that are spoken.
pub const SUPPORTED_VERSIONS: &[u16] = &[1];

/// An ordinary request, 1 MiB: far above what any of them needs, far below what hurts.
pub const MAX_REQUEST: usize = 1 << 20;

/// Group creation, welcome information and federated batches, 8 MiB: a tree of 5000 members fits.
pub const MAX_LARGE_REQUEST: usize = 8 << 20;

/// One MLS message: must fit, with the rest of the request, into [`MAX_REQUEST`].
pub const MAX_MLS_MESSAGE: usize = 768 << 10;

/// Members of a group: validating a commit takes 80 ms at this size.
pub const MAX_MEMBERS: usize = 5000;

/// Users added in one commit: each costs the validation of a key package (about 0.3 ms).
pub const MAX_ADDS: usize = 128;

/// Clients of one user.
pub const MAX_CLIENTS: usize = 10;

/// Key packages in one upload, per client.
pub const MAX_KEY_PACKAGES: usize = 128;

/// Connection packages in one upload.
pub const MAX_CONNECTION_PACKAGES: usize = 64;

/// Entries returned by one dequeue.
pub const MAX_DEQUEUE: usize = 500;

/// Entries deleted by one dequeue: bounds the commit.
pub const MAX_ACKNOWLEDGED: u64 = 1024;

/// Entries of one epoch of a federated stream, so also of one batch (protocol.md §9).
pub const MAX_STREAM_EPOCH: u64 = 1024;

/// Streams that one source homeserver may have with us: four shards, and room for lost state.
pub const MAX_INBOUND_STREAMS: usize = 64;

/// Groups pinned by Welcomes, or blocked, per client.
pub const MAX_LISTED_GROUPS: usize = 1024;

/// Rounds of reading that an operation may need; more is a defect.
pub const MAX_ROUNDS: usize = 16;

/// Attempts after conflicts or unknown outcomes, before the caller is told to come back.
pub const MAX_ATTEMPTS: u32 = 64;
