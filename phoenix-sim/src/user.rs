//! A simulated user: a real client and what the simulator has to remember about it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use phoenix_core::{
    client::{Client, ClientConfig, TaskId},
    crypto::opaque::PasswordHashing,
    identifiers::UserId,
    rng::Random,
    time::Timestamp,
};

use crate::{plan::GroupNumber, server::Server};

/// A user with one client.
pub struct User {
    /// The client: the one that phoenix-core ships, unchanged.
    pub client: Client,
    /// The index of the user's homeserver.
    pub server: usize,
    /// When the client is polled next, by the user's clock. `None`: no wake-up is scheduled.
    pub wake: Option<Timestamp>,
    /// Whether the client has reported that it is registered.
    pub is_registered: bool,
    /// The users that the client has reported a connection with.
    pub connected: BTreeSet<UserId>,
    /// The intent, by its number in the plan, that each running task of the client serves.
    pub tasks: BTreeMap<TaskId, usize>,
    /// The groups that the client is creating, in the order in which it was told to.
    pub creating: VecDeque<GroupNumber>,
}

impl User {
    /// Creates a user of `server`, the homeserver with index `number`. It has no account yet.
    pub fn new(server: &Server, number: usize, mut random: Random) -> Self {
        let mut config = ClientConfig::new(server.domain.clone());
        config.password_hashing = PasswordHashing::CHEAP;
        Self {
            client: Client::new(config, random.array()),
            server: number,
            wake: None,
            is_registered: false,
            connected: BTreeSet::new(),
            tasks: BTreeMap::new(),
            creating: VecDeque::new(),
        }
    }
}
