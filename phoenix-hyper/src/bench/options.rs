//! What the bench measures.

use std::num::NonZeroUsize;

/// What the bench measures.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number of homeservers. Senders are at the first; recipients at the others, or at the first if it
    /// is alone.
    pub servers: NonZeroUsize,
    /// The number of recipients, over all homeservers.
    pub users: usize,
    /// Messages sent to groups of each size.
    pub messages: usize,
    /// Sizes of groups: the numbers of recipients of a message. Sizes above `users` are skipped.
    pub recipients: Vec<usize>,
    /// Messages sent one by one, ten a second, to measure latency; 0 skips this.
    pub paced: usize,
    /// Messages sent while a homeserver is down; 0 skips this.
    pub outage: usize,
}
