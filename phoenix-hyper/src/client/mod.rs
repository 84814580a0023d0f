//! PROTOCOL.md §11 — a client at work: the sans-IO [client](phoenix_core::client) with a network, a clock and a task
//! of its own.
//!
//! [`Client::start`] gives a handle, cheap to clone, and the [`Events`]. The client works for as long as there is a
//! handle: it sends its requests at the same time and repeats them where that helps; it listens on a web socket of
//! its queuing service, connects again by itself, and reads its queue whenever there is something; and it looks at
//! its direct queue, for which nobody signals, from time to time.
//!
//! Methods return when what they ask for is done or has failed for good, which may take as long as
//! [`ClientConfig::request_window`]. Dropping a method's future takes nothing back: what was begun goes on.

mod task;
mod web_socket;

use phoenix_core::client::{Client as Core, TaskId};
pub use phoenix_core::client::{ClientConfig, Event, GroupView};
use phoenix_core::identifiers::{ClientId, GroupId, UserId};
use tokio::sync::{mpsc, oneshot, watch};

use self::task::{Command, Finished, Task};
use crate::peers::Peers;

/// Why a method of a [`Client`] did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The protocol's reason.
    #[error(transparent)]
    Protocol(#[from] phoenix_core::client::ClientError),
    /// The client's task is over: the runtime that it was started on shuts down.
    #[error("the client is no longer at work")]
    Stopped,
}

/// How many events wait in the channel at most.
const EVENTS: usize = 64;

/// How many calls wait at most for the client to take them up; who calls then, waits.
const COMMANDS: usize = 64;

/// A client at work. See the [module](self).
#[derive(Debug, Clone)]
pub struct Client {
    client_id: ClientId,
    commands: mpsc::Sender<Command>,
    entries: watch::Receiver<u64>,
}

/// What happens to a client, in order.
///
/// Whoever takes no events stops the client from reading its queues once some hundred events wait; all else goes
/// on. Whoever drops this wants none.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` once the client is no longer at work.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The next event, if there is one already. When a method of the client has returned, all events that came before
    /// are here, unless there are so many that they wait.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Client {
    /// Starts a client that is not registered yet, on the runtime that this is called on. `seed` are 32 random bytes
    /// that no other client may get: all its ids and keys are drawn from them.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
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

    /// The user.
    pub fn user_id(&self) -> &UserId {
        &self.client_id.user_id
    }

    /// Sets everything up: account, queue, key packages. If that fails half-way, another call goes on there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn register(&self, password: &[u8]) -> Result<(), ClientError> {
        let password = password.to_vec();
        self.start_task(move |core| core.register(&password)).await.map(drop)
    }

    /// Asks `user`, of whatever homeserver, for a connection. [`Event::Connected`] follows when it has accepted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(&self, user: &UserId) -> Result<(), ClientError> {
        let user = user.clone();
        self.start_task(|core| core.connect(user)).await.map(drop)
    }

    /// Accepts the connection request of `user`, of which an [`Event::ConnectionRequested`] told.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn accept(&self, user: &UserId) -> Result<(), ClientError> {
        let user = user.clone();
        self.start_task(|core| core.accept(user)).await.map(drop)
    }

    /// Creates a group of the client's own homeserver.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_group(&self) -> Result<GroupId, ClientError> {
        self.start_task(Core::create_group).await?.group.ok_or(ClientError::Stopped)
    }

    /// Adds contacts to a group.
    ///
    /// # Errors
    /// [`ClientError`]; nobody is added then, unless it is that there was no answer.
    pub async fn invite(&self, group: &GroupId, users: &[UserId]) -> Result<(), ClientError> {
        let (group, users) = (group.clone(), users.to_vec());
        self.start_task(move |core| core.invite(&group, &users)).await.map(drop)
    }

    /// Sends a message to a group, and returns its position in the group's order, where it stays: the group's
    /// homeserver has taken responsibility for it.
    ///
    /// # Errors
    /// [`ClientError`]. If it is that there was no answer, [`Event::MessageAcknowledged`] may follow still.
    pub async fn send(&self, group: &GroupId, text: &[u8]) -> Result<u64, ClientError> {
        let (group, text) = (group.clone(), text.to_vec());
        let finished = self.start_task(move |core| core.send(&group, &text)).await?;
        finished.position.ok_or(ClientError::Stopped)
    }

    /// Renews the client's keys in a group, and commits what the delivery service has proposed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(&self, group: &GroupId) -> Result<(), ClientError> {
        let group = group.clone();
        self.start_task(move |core| core.update(&group)).await.map(drop)
    }

    /// Reads both queues to their ends: not needed, but whoever waits for a connection request need not wait for the
    /// client to look by itself. Requests and invitations go on after this returns.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn read(&self) -> Result<(), ClientError> {
        self.start_task(Core::read_queues).await.map(drop)
    }

    /// The groups that the client is in, connections' included, by id.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn groups(&self) -> Result<Vec<GroupView>, ClientError> {
        self.look(|core| core.groups()).await
    }

    /// The users that the client is connected with.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn contacts(&self) -> Result<Vec<UserId>, ClientError> {
        self.look(|core| core.contacts()).await
    }

    /// How many entries of its queue the client has taken in: also those that it has dropped, because they were
    /// delivered before.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn entries_read(&self) -> Result<u64, ClientError> {
        self.look(|core| core.entries_read()).await
    }

    /// Returns once the client has taken in `entries` entries of its fan-out queue, and the homeserver need not keep
    /// them any longer.
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn has_read(&self, entries: u64) -> Result<(), ClientError> {
        let read = self.entries.clone().wait_for(|read| *read >= entries).await.is_ok();
        if read { Ok(()) } else { Err(ClientError::Stopped) }
    }

    /// Fetches tokens of the client's own homeserver until `count` are in stock, so that nothing waits for them
    /// later. By itself the client fetches some when it has none left.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock_tokens(&self, count: usize) -> Result<(), ClientError> {
        let domain = self.user_id().domain.clone();
        self.start_task(move |core| core.stock_tokens(&domain, count)).await.map(drop)
    }

    /// Whether what is read is kept, and followed only when this is called with `false`: see
    /// [`hold_deliveries`](Core::hold_deliveries).
    ///
    /// # Errors
    /// [`ClientError::Stopped`].
    pub async fn hold_deliveries(&self, hold: bool) -> Result<(), ClientError> {
        self.look(move |core| core.hold_deliveries(hold)).await
    }

    /// Starts a procedure of the client, and waits for its end.
    async fn start_task(
        &self,
        start: impl FnOnce(&mut Core) -> TaskId + Send + 'static,
    ) -> Result<Finished, ClientError> {
        let (done, finished) = oneshot::channel();
        self.command(Command::Start(Box::new(start), done)).await?;
        Ok(finished.await.map_err(|_| ClientError::Stopped)??)
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (tell, told) = oneshot::channel();
        let look = Box::new(move |core: &mut Core| _ = tell.send(look(core)));
        self.command(Command::Look(look)).await?;
        told.await.map_err(|_| ClientError::Stopped)
    }

    async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| ClientError::Stopped)
    }
}
