//! How large a world the thief is set upon.

/// The size of the world, and the seed of all that happens in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Users, half of them at each of two homeservers.
    pub users: usize,
    /// Groups, besides those of connections.
    pub groups: usize,
    /// Days. The first image is taken a day before the end, the second at the end.
    pub days: u32,
    /// Messages in each group in a day, on average.
    pub messages: u32,
    /// What chance comes from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { users: 40, groups: 15, days: 2, messages: 12, seed: 1 }
    }
}
