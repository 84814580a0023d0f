//! The handle on a client, and its events.

use phoenix_core::{
    client::{Client as Core, ClientConfig, Event, GroupView, TaskId},
    identifiers::{ClientId, GroupId, UserId},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::task::{Command, Finished, Task};
use crate::peers::Peers;

/// Why a method of a [`Client`] failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The task failed; see the reason.
    #[error(transparent)]
    Protocol(#[from] phoenix_core::client::ClientError),
    /// The client has stopped: the runtime that it was started on shuts down.
    #[error("the client has stopped")]
    Stopped,
}

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
}

/// The events of a client, in order.
///
/// Once about a hundred events wait, the client stops reading its queues until they are taken; all else goes
/// on. Dropping this discards all events.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// Waits for the next event; `None` once the client has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// Returns the next event, if one waits. When a method of the client returns, all events before it wait
    /// here, up to the size of the channel.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Client {
    /// Starts an unregistered client on the current runtime. All its ids and keys are derived from `seed`: 32
    /// bytes of fresh randomness, never used for another client.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn start(config: ClientConfig, peers: Peers, seed: [u8; 32]) -> (Self, Events) {
        let domain = config.domain.clone();
        let core = Core::new(config, seed);
        let (commands, received) = mpsc::channel(COMMANDS);
        let (events, taken) = mpsc::channel(EVENTS);
        let (entries, read) = watch::channel(0);
        let client = Self { client_id: core.client_id(), commands, entries: read };
        tokio::spawn(Task::new(core, domain, peers, received, events, entries).run());
        (client, Events(taken))
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
        self.start_task(move |core| core.register(&password)).await.map(drop)
    }

    /// Asks `user`, of any homeserver, for a connection. [`Event::Connected`] follows once the user has
    /// accepted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(&self, user: &UserId) -> Result<(), ClientError> {
        let user = user.clone();
        self.start_task(|core| core.connect(user)).await.map(drop)
    }

    /// Accepts the connection request of `user`, announced by [`Event::ConnectionRequested`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn accept(&self, user: &UserId) -> Result<(), ClientError> {
        let user = user.clone();
        self.start_task(|core| core.accept(user)).await.map(drop)
    }

    /// Creates a group on the client's own homeserver and returns its id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_group(&self) -> Result<GroupId, ClientError> {
        self.start_task(Core::create_group).await?.group.ok_or(ClientError::Stopped)
    }

    /// Adds contacts to a group.
    ///
    /// # Errors
    /// [`ClientError`]. No user is added then, except possibly if the homeserver gave no answer.
    pub async fn invite(&self, group: &GroupId, users: &[UserId]) -> Result<(), ClientError> {
        let (group, users) = (group.clone(), users.to_vec());
        self.start_task(move |core| core.invite(&group, &users)).await.map(drop)
    }

    /// Sends a message to a group. Returns its final position in the group's order once the group's
    /// homeserver has taken responsibility for delivering it.
    ///
    /// # Errors
    /// [`ClientError`]. If the homeserver gave no answer, [`Event::MessageAcknowledged`] may still follow.
    pub async fn send(&self, group: &GroupId, text: &[u8]) -> Result<u64, ClientError> {
        let (group, text) = (group.clone(), text.to_vec());
        let finished = self.start_task(move |core| core.send(&group, &text)).await?;
        finished.position.ok_or(ClientError::Stopped)
    }

    /// Renews the client's keys in a group, and commits the delivery service's proposals.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(&self, group: &GroupId) -> Result<(), ClientError> {
        let group = group.clone();
        self.start_task(move |core| core.update(&group)).await.map(drop)
    }

    /// Reads both queues to their ends now. The client does this by itself, too; call this to find a
    /// connection request sooner. Connection requests and invitations are still being handled when this
    /// returns.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn read(&self) -> Result<(), ClientError> {
        self.start_task(Core::read_queues).await.map(drop)
    }

    /// Returns the groups that the client is in, connections included, sorted by id.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn groups(&self) -> Result<Vec<GroupView>, ClientError> {
        self.look(|core| core.groups()).await
    }

    /// Returns the users that the client is connected with.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn contacts(&self) -> Result<Vec<UserId>, ClientError> {
        self.look(|core| core.contacts()).await
    }

    /// Returns how many entries of its fan-out queue the client has read, repeated deliveries included.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn entries_read(&self) -> Result<u64, ClientError> {
        self.look(|core| core.entries_read()).await
    }

    /// Returns once the client has read `entries` entries of its fan-out queue and the homeserver may delete
    /// them.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn has_read(&self, entries: u64) -> Result<(), ClientError> {
        let read = self.entries.clone().wait_for(|read| *read >= entries).await.is_ok();
        if read { Ok(()) } else { Err(ClientError::Stopped) }
    }

    /// Fetches tokens of the client's own homeserver until `count` are in stock, so that no later task waits
    /// for them. Without this, the client fetches a batch whenever none is left.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock_tokens(&self, count: usize) -> Result<(), ClientError> {
        let domain = self.user_id().domain.clone();
        self.start_task(move |core| core.stock_tokens(&domain, count)).await.map(drop)
    }

    /// With `true`, keeps the entries that are read unprocessed, until this is called with `false`: see
    /// [`hold_deliveries`](Core::hold_deliveries).
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn hold_deliveries(&self, hold: bool) -> Result<(), ClientError> {
        self.look(move |core| core.hold_deliveries(hold)).await
    }

    /// Starts a task of the client and waits for its end.
    async fn start_task(
        &self,
        start: impl FnOnce(&mut Core) -> TaskId + Send + 'static,
    ) -> Result<Finished, ClientError> {
        let (done, finished) = oneshot::channel();
        self.command(Command::Start(Box::new(start), done)).await?;
        Ok(finished.await.map_err(|_| ClientError::Stopped)??)
    }

    /// Runs `look` in the client's task.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (sender, result) = oneshot::channel();
        let look = Box::new(move |core: &mut Core| _ = sender.send(look(core)));
        self.command(Command::Look(look)).await?;
        result.await.map_err(|_| ClientError::Stopped)
    }

    async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| ClientError::Stopped)
    }
}
