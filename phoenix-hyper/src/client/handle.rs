//! The handle on a client, and its events.

use phoenix_core::{
    client::{Client as Core, ClientConfig, EventId, GroupView, IntentId, IntentView, StorageKey},
    identifiers::{ClientId, GroupId, UserId},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    calls::Finished,
    error::{ClientError, StartError},
    events::{Ending, Events},
    saver::Saver,
    store::ClientStore,
    task::{Command, Links, Task},
};
use crate::{
    environment::{now, seed},
    peers::Peers,
};

/// The most events in the channel.
const EVENTS: usize = 64;

/// The most calls that wait for the client's task; a further call waits for a place.
const COMMANDS: usize = 64;

/// A client at work. See the [module](super).
#[derive(Debug, Clone)]
pub struct Client {
    client_id: ClientId,
    commands: mpsc::Sender<Command>,
    entries: watch::Receiver<u64>,
    ending: Ending,
}

impl Client {
    /// Starts the client whose state is in `store`, on the current runtime. It goes on with what was under
    /// way, and shows the events that were not confirmed. An empty store becomes that of a new client, which
    /// is not registered.
    ///
    /// The records are sealed under `key`, which the application draws at random once, and keeps where the
    /// store is not. All other randomness is the operating system's.
    ///
    /// Loading blocks, for as long as reading the store takes.
    ///
    /// # Errors
    /// [`StartError`] if the store cannot be read, or has no state that opens under `key` and is of a client
    /// of `config.domain`.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn start(
        config: ClientConfig,
        peers: Peers,
        key: StorageKey,
        mut store: impl ClientStore,
    ) -> Result<(Self, Events), StartError> {
        let domain = config.domain.clone();
        let records = store.load()?;
        let core = if records.is_empty() {
            Core::new(config, key, seed())
        } else {
            Core::restore(config, key, records, seed(), now())?
        };
        let (commands, received) = mpsc::channel(COMMANDS);
        let (events, taken) = mpsc::channel(EVENTS);
        let (entries, read) = watch::channel(core.entries_read());
        let ending = Ending::default();
        let client = Self { client_id: core.client_id(), commands, entries: read, ending: ending.clone() };
        let links = Links { commands: received, events, entries, ending: ending.clone() };
        tokio::spawn(Task::new(core, Saver::new(Box::new(store)), domain, peers, links).run());
        Ok((client, Events::new(taken, ending)))
    }

    /// The user of this client.
    pub fn user_id(&self) -> &UserId {
        &self.client_id.user_id
    }

    /// Registers the user and sets up account, queue and key packages. After a failure, another call
    /// continues from there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn register(&self, password: &[u8]) -> Result<(), ClientError> {
        let password = password.to_vec();
        self.intend(move |core| core.register(&password)).await.map(drop)
    }

    /// Asks `user`, of any homeserver, for a connection. [`Event::Connected`](super::Event::Connected)
    /// follows once the user has accepted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(&self, user: &UserId) -> Result<(), ClientError> {
        let user = user.clone();
        self.intend(|core| core.connect(user)).await.map(drop)
    }

    /// Accepts the connection request of `user`, announced by
    /// [`Event::ConnectionRequested`](super::Event::ConnectionRequested).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn accept(&self, user: &UserId) -> Result<(), ClientError> {
        let user = user.clone();
        self.intend(|core| core.accept(user)).await.map(drop)
    }

    /// Creates a group on the client's own homeserver and returns its id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_group(&self) -> Result<GroupId, ClientError> {
        self.intend(Core::create_group).await?.group.ok_or(ClientError::Stopped)
    }

    /// Adds contacts to a group.
    ///
    /// # Errors
    /// [`ClientError`]. No user is added then, except possibly if the homeserver gave no answer, or it was
    /// cancelled.
    pub async fn invite(&self, group: &GroupId, users: &[UserId]) -> Result<(), ClientError> {
        let (group, users) = (group.clone(), users.to_vec());
        self.intend(move |core| core.invite(&group, &users)).await.map(drop)
    }

    /// Sends a message to a group. Returns its final position in the group's order once the group's
    /// homeserver has taken responsibility for delivering it, however long that takes.
    ///
    /// A bot that is to answer once sends within [`Client::act`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send(&self, group: &GroupId, text: &[u8]) -> Result<u64, ClientError> {
        let (group, text) = (group.clone(), text.to_vec());
        let finished = self.intend(move |core| core.send(&group, &text)).await?;
        finished.position.ok_or(ClientError::Stopped)
    }

    /// Renews the client's keys in a group, and commits the delivery service's proposals.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(&self, group: &GroupId) -> Result<(), ClientError> {
        let group = group.clone();
        self.intend(move |core| core.update(&group)).await.map(drop)
    }

    /// Reads both queues to their ends now. The client does this by itself, too; call this to find a
    /// connection request sooner. Connection requests and invitations are still being handled when this
    /// returns.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn read(&self) -> Result<(), ClientError> {
        self.intend(Core::read_queues).await.map(drop)
    }

    /// Returns the groups that the client is in, connections included, sorted by id.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn groups(&self) -> Result<Vec<GroupView>, ClientError> {
        self.act(|core| core.groups()).await
    }

    /// Returns the users that the client is connected with.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn contacts(&self) -> Result<Vec<UserId>, ClientError> {
        self.act(|core| core.contacts()).await
    }

    /// Returns how many entries of its fan-out queue the client has read, repeated deliveries included.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn entries_read(&self) -> Result<u64, ClientError> {
        self.act(|core| core.entries_read()).await
    }

    /// Returns once the client has read `entries` entries of its fan-out queue and the homeserver may delete
    /// them.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn has_read(&self, entries: u64) -> Result<(), ClientError> {
        let read = self.entries.clone().wait_for(|read| *read >= entries).await.is_ok();
        if read { Ok(()) } else { Err(self.ending.error()) }
    }

    /// Fetches tokens of the client's own homeserver until `count` are in stock, so that no later request
    /// waits for them. Without this, the client fetches a batch whenever none is left.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock_tokens(&self, count: usize) -> Result<(), ClientError> {
        let domain = self.user_id().domain.clone();
        self.intend(move |core| core.stock_tokens(&domain, count)).await.map(drop)
    }

    /// With `true`, keeps the entries that are read unprocessed, until this is called with `false`: see
    /// [`hold_deliveries`](Core::hold_deliveries).
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn hold_deliveries(&self, hold: bool) -> Result<(), ClientError> {
        self.act(move |core| core.hold_deliveries(hold)).await
    }

    /// Says that the application needs an event no more: it is not shown again. This is saved with what is
    /// called next, or soon; if the process ends before, the event is shown again after the restart.
    ///
    /// Where something follows from the event that must happen once, confirm it in the step that brings it
    /// about: see [`Client::act`].
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn confirm(&self, event: EventId) -> Result<(), ClientError> {
        self.act(move |core| core.confirm(event)).await
    }

    /// Runs `act` on the sans-IO client, between two polls: all that it calls is saved in one step, so that a
    /// crash leaves all of it or nothing. A bot sends its answer and confirms the question in one step.
    ///
    /// Whatever `act` begins tells its end by [`Event::Done`](super::Event::Done), not here. `act` may call
    /// everything but `poll`, `saved` and `respond`, which are this adapter's. It must not block.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (sender, result) = oneshot::channel();
        let act = Box::new(move |core: &mut Core| _ = sender.send(act(core)));
        self.command(Command::Act(act)).await?;
        result.await.map_err(|_| self.ending.error())
    }

    /// Returns what is under way, whether or not a method waits for it: what the application began, before a
    /// restart too, and what the client does by itself.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn under_way(&self) -> Result<Vec<IntentView>, ClientError> {
        self.act(|core| core.under_way()).await
    }

    /// Gives up what is under way: see [`cancel`](Core::cancel). Returns whether it was under way.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`], [`ClientError::Stopped`].
    pub async fn cancel(&self, intent: IntentId) -> Result<bool, ClientError> {
        self.act(move |core| core.cancel(intent)).await
    }

    /// Begins an intent and waits for its end.
    async fn intend(
        &self,
        begin: impl FnOnce(&mut Core) -> IntentId + Send + 'static,
    ) -> Result<Finished, ClientError> {
        let (caller, finished) = oneshot::channel();
        self.command(Command::Begin(Box::new(begin), caller)).await?;
        Ok(finished.await.map_err(|_| self.ending.error())??)
    }

    async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| self.ending.error())
    }
}
