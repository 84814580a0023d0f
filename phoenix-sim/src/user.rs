//! A simulated user: a real client, the device that it runs on, and what the simulator has to remember of it.

use std::collections::BTreeMap;

use phoenix_core::{
    client::{Client, ClientConfig, ClientPlant, IntentId, RestoreError, Save, SaveId, StorageKey},
    crypto::opaque::PasswordHashing,
    identifiers::UserId,
    rng::Random,
    time::Timestamp,
};

use crate::{
    clock::Skew,
    device::Device,
    plan::{Packages, UserPlan},
    server::Server,
};

/// A user with one client.
pub struct User {
    /// The running client: the one that phoenix-core ships, unchanged. `None` from a crash to the restart.
    pub client: Option<Client>,
    /// The user's id, which is another one if the client is lost before its first save.
    pub id: UserId,
    /// The index of the user's homeserver.
    pub server: usize,
    /// The error of the clock of its device.
    pub skew: Skew,
    /// How many times the client has been started, so that what is meant for an earlier process finds none.
    pub start: u32,
    /// What outlives the client's process.
    pub device: Device,
    /// What is on its way to the device, and how many queue entries the client had read then.
    pub saving: Option<Saving>,
    /// How many entries of its queue the client had read when it was last saved.
    pub saved_entries: u64,
    /// Older copies of the device, by the number of the fault for which they were made.
    pub copies: BTreeMap<usize, Copy>,
    /// When the client is to crash, if a fault says that it is.
    pub doom: Option<Doom>,
    /// When the client is polled next, by the user's clock. `None`: no wake-up is scheduled.
    pub wake: Option<Timestamp>,
    /// Whether the client has reported that it is registered.
    pub is_registered: bool,
    /// Whether its device was switched off for good.
    pub has_left: bool,
    /// The intents of the plan that the client has begun and not ended.
    pub begun: BTreeMap<IntentId, Begun>,
    config: ClientConfig,
    key: StorageKey,
    random: Random,
}

/// A save on its way to the device.
pub struct Saving {
    /// The save.
    pub save: Save,
    /// How many entries of its queue the client had read.
    pub entries_read: u64,
}

/// An intent of the plan that a client has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Its number in the plan.
    pub intent: usize,
    /// Whether it would outlive a crash.
    pub kept: Kept,
}

/// Whether an intent of a client is on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It will be in the next save.
    Not,
    /// It is in this save, which is on its way.
    With(SaveId),
    /// It was saved.
    Saved,
}

/// A copy of a device, with what its user had seen by then.
pub struct Copy {
    /// The device.
    pub device: Device,
    /// How many entries of its queue the client had read.
    pub entries_read: u64,
    /// Whether the client was registered.
    pub is_registered: bool,
    /// The intents of the plan that were begun, saved, and not ended.
    pub begun: BTreeMap<IntentId, Begun>,
    /// The step of the world in which the copy was made.
    pub step: u64,
}

/// A crash that waits for its moment.
#[derive(Debug, Clone, Copy)]
pub struct Doom {
    /// The number of the fault.
    pub fault: usize,
    /// How many more outputs the client has before.
    pub steps: u64,
}

impl User {
    /// Creates a user of `server`. It has no account yet.
    pub fn new(
        plan: &UserPlan,
        packages: &Packages,
        server: &Server,
        plant: Option<ClientPlant>,
        mut random: Random,
    ) -> Self {
        let mut config = ClientConfig::new(server.domain.clone());
        config.password_hashing = PasswordHashing::CHEAP;
        packages.apply(&mut config);
        config.plant = plant;
        let key = StorageKey::from_bytes(random.array());
        let client = Client::new(config.clone(), key.clone(), random.array());
        Self {
            id: client.user_id(),
            client: Some(client),
            server: plan.server,
            skew: Skew::from_milliseconds(plan.skew_milliseconds),
            start: 1,
            device: Device::default(),
            saving: None,
            saved_entries: 0,
            copies: BTreeMap::new(),
            doom: None,
            wake: None,
            is_registered: false,
            has_left: false,
            begun: BTreeMap::new(),
            config,
            key,
            random,
        }
    }

    /// Starts the client again, with what is on the device. If that is nothing, it is a new one.
    ///
    /// # Errors
    /// What is on the device cannot be restored.
    pub fn restart(&mut self, now: Timestamp) -> Result<(), RestoreError> {
        let (config, key, seed) = (self.config.clone(), self.key.clone(), self.random.array());
        let records = self.device.records();
        let client = if records.is_empty() {
            Client::new(config, key, seed)
        } else {
            Client::restore(config, key, records, seed, now)?
        };
        self.id = client.user_id();
        self.client = Some(client);
        self.start += 1;
        self.wake = None;
        Ok(())
    }

    /// Returns whether this is the process of the client that runs now.
    pub fn is_running(&self, start: u32) -> bool {
        self.client.is_some() && self.start == start
    }

    /// Notes that what was begun up to now is in `save`, which is on its way to the device.
    pub fn saves(&mut self, save: Save) {
        for begun in self.begun.values_mut().filter(|begun| begun.kept == Kept::Not) {
            begun.kept = Kept::With(save.id);
        }
        let entries_read = self.client.as_ref().map_or(0, Client::entries_read);
        self.saving = Some(Saving { save, entries_read });
    }

    /// Notes that a save is on the device.
    pub fn apply(&mut self, saving: &Saving) {
        self.device.apply(&saving.save);
        self.saved_entries = saving.entries_read;
        for begun in self.begun.values_mut().filter(|begun| begun.kept == Kept::With(saving.save.id)) {
            begun.kept = Kept::Saved;
        }
    }

    /// Forgets the intents that were never saved, and returns their numbers in the plan.
    pub fn forget_unsaved(&mut self) -> Vec<usize> {
        let unsaved = self.begun.values().filter(|begun| begun.kept != Kept::Saved);
        let intents = unsaved.map(|begun| begun.intent).collect();
        self.begun.retain(|_, begun| begun.kept == Kept::Saved);
        intents
    }

    /// Makes a copy of the device.
    pub fn copy(&self, step: u64) -> Copy {
        let saved = self.begun.iter().filter(|(_, begun)| begun.kept == Kept::Saved);
        Copy {
            device: self.device.clone(),
            entries_read: self.saved_entries,
            is_registered: self.is_registered,
            begun: saved.map(|(id, begun)| (*id, *begun)).collect(),
            step,
        }
    }

    /// Puts a copy in the place of the device. What the user has seen since is forgotten with it.
    pub fn go_back_to(&mut self, copy: Copy) {
        self.device = copy.device;
        self.saved_entries = copy.entries_read;
        self.begun = copy.begun;
    }
}
