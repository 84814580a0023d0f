//! A simulated user: a real client, and what it has come to know.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use phoenix_core::{
    client::{Client, ClientConfig, TaskId},
    crypto::opaque::PasswordHashing,
    identifiers::UserId,
    rng::Random,
    time::Timestamp,
};

use crate::{plan::GroupNumber, world::Server};

/// A user and its one client.
pub struct User {
    /// The client: the real one, that everybody else uses too.
    pub client: Client,
    /// The user's homeserver.
    pub server: usize,
    /// When the client is to be polled next.
    pub wake: Option<Timestamp>,
    /// Whether it has an account.
    pub is_registered: bool,
    /// Whom it is connected with.
    pub connected: BTreeSet<UserId>,
    /// Tasks under way, by the number of what is wanted.
    pub tasks: BTreeMap<TaskId, usize>,
    /// Groups that it is creating, in order.
    pub creating: VecDeque<GroupNumber>,
}

impl User {
    /// A user of `server` without an account.
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
