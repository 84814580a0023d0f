//! What failures call homeservers, users, queues and groups.

use phoenix_core::client::{Client, GroupView};

use super::state::World;

impl World {
    /// Learns the names of everything that has an id now.
    pub(super) fn learn_names(&mut self) {
        for (number, server) in self.servers.iter().enumerate() {
            let is_dishonest = self.adversary.is_some() && number + 1 == self.servers.len();
            let name = if is_dishonest {
                "the dishonest homeserver".to_owned()
            } else {
                format!("homeserver {number}")
            };
            self.names.learn(&server.domain, &name);
            for (process, machine) in server.machines.iter().enumerate() {
                self.names.learn_text(&format!("machine {machine}"), &format!("{name}, process {process}"));
            }
        }
        let groups: Vec<_> = self.groups.keys().copied().collect();
        groups.into_iter().for_each(|group| self.learn_group(group));
        for user in 0..self.users.len() {
            self.learn_user(user);
            let views = self.users[user].client.as_ref().map_or_else(Vec::new, Client::groups);
            self.learn_connections(&views);
            self.learn_requested_connections(user, &views);
        }
    }

    /// Learns the name of a user, who has another id after the client was lost, and of the user's queue.
    pub(super) fn learn_user(&mut self, user: usize) {
        let name = format!("user {user}");
        self.names.learn(&self.users[user].id, &name);
        self.names.learn(&self.users[user].id.uuid, &name);
        if let Some(client) = &self.users[user].client {
            self.names.learn(&client.client_id(), &format!("the client of {name}"));
            if let Some(queue) = client.qs_client() {
                self.names.learn(&queue, &format!("the queue of {name}"));
                self.oracles.journeys.owns(&self.users[user].id, queue);
            }
        }
    }

    /// Learns the name of a group of the plan.
    pub(super) fn learn_group(&mut self, number: usize) {
        if let Some(group) = self.groups.get(&number) {
            let name = format!("group {number}");
            self.names.learn(group, &name);
            self.names.learn(&group.uuid, &name);
        }
    }

    /// Learns the names of connections among the groups of a client.
    pub(super) fn learn_connections(&mut self, groups: &[GroupView]) {
        for view in groups.iter().filter(|view| view.connection) {
            if let [one, other] = &view.members[..]
                && !self.names.knows(&view.group_id)
            {
                let name = self.names.apply(&format!("the connection of {one} and {other}"));
                self.names.learn(&view.group_id, &name);
                self.names.learn(&view.group_id.uuid, &name);
            }
        }
    }

    /// Learns the names of connections that a user has requested and that no one has joined yet.
    fn learn_requested_connections(&mut self, user: usize, groups: &[GroupView]) {
        for view in groups.iter().filter(|view| view.connection) {
            let name = format!("a connection that user {user} requests");
            self.names.learn(&view.group_id, &name);
            self.names.learn(&view.group_id.uuid, &name);
        }
    }
}
