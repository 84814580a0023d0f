//! PROTOCOL.md §11 — the client as an application holds it: each method starts a procedure or shows the
//! state.

use super::{
    account,
    config::ClientConfig,
    connections, direct_queue,
    event::{ExchangeId, GroupView, Output, TaskId},
    executor::Executor,
    fan_out_queue, groups, membership,
    shared::{Procedure, Shared},
    state::{Group, State},
};
use crate::{
    error::PeerFailure,
    identifiers::{ClientId, Domain, GroupId, QsClientId, UserId},
    time::Timestamp,
    wire::queuing_service::Listen,
};

/// A client of one user. The [module](crate::client) shows how to drive it.
///
/// A method that returns a [`TaskId`] starts a procedure, whose end is an [`Output::TaskDone`] of that id.
pub struct Client {
    pub(super) shared: Shared,
    executor: Executor,
}

impl Client {
    /// Returns a client that is not registered. Its ids and keys are drawn from `seed`: 32 random bytes,
    /// secret, and never used for another client.
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        let shared = Shared::new(State::new(config, seed));
        Self { executor: Executor::new(shared.clone()), shared }
    }

    /// Returns the user's id, drawn from the seed.
    pub fn user_id(&self) -> UserId {
        self.client_id().user_id
    }

    /// Returns the client's id, drawn from the seed.
    pub fn client_id(&self) -> ClientId {
        self.shared.with(|state| state.client_id.clone())
    }

    /// Returns the client's pseudonym at its queuing service, or `None` before registration has made one.
    pub fn qs_client(&self) -> Option<QsClientId> {
        self.shared.with(|state| state.queuing.as_ref().map(|queuing| queuing.client))
    }

    /// Returns how many entries of its fan-out queue the client has read, including repeats of deliveries,
    /// which it drops.
    pub fn entries_read(&self) -> u64 {
        self.shared.with(|state| state.queuing.as_ref().map_or(0, |queuing| queuing.reader.next_sequence()))
    }

    /// Registers the client: account, queue, key packages. [`Event::Registered`](super::Event::Registered)
    /// follows. If a step fails, another call continues with it.
    pub fn register(&mut self, password: &[u8]) -> TaskId {
        let password = password.to_vec();
        self.start(|shared, _| Box::pin(account::register(shared, password)))
    }

    /// Requests a connection with `user`, at any homeserver. The procedure ends when the request is in the
    /// user's queue; [`Event::Connected`](super::Event::Connected) follows when the user has accepted.
    pub fn connect(&mut self, user: UserId) -> TaskId {
        self.start(|shared, _| Box::pin(connections::connect(shared, user)))
    }

    /// Accepts the connection request of `user`, which came as
    /// [`Event::ConnectionRequested`](super::Event::ConnectionRequested).
    pub fn accept(&mut self, user: UserId) -> TaskId {
        self.start(|shared, _| Box::pin(connections::accept(shared, user)))
    }

    /// Creates a group, which [`Event::GroupCreated`](super::Event::GroupCreated) names.
    pub fn create_group(&mut self) -> TaskId {
        self.start(|shared, _| Box::pin(groups::create_group(shared)))
    }

    /// Adds contacts to a group. Fails with [`ClientError::NotAContact`](super::ClientError::NotAContact) or
    /// [`ClientError::AlreadyMember`](super::ClientError::AlreadyMember) if one of them cannot be added; then
    /// none is.
    pub fn invite(&mut self, group: &GroupId, users: &[UserId]) -> TaskId {
        let (group, users) = (group.clone(), users.to_vec());
        self.start(|shared, _| Box::pin(membership::invite(shared, group, users)))
    }

    /// Sends a message to a group. [`Event::MessageAcknowledged`](super::Event::MessageAcknowledged) follows
    /// once it is ordered, even if the procedure ended without knowing.
    pub fn send(&mut self, group: &GroupId, text: &[u8]) -> TaskId {
        let (group, text) = (group.clone(), text.to_vec());
        self.start(|shared, task| Box::pin(membership::send(shared, task, group, text)))
    }

    /// Renews the client's keys in a group, and commits the proposals of the delivery service.
    pub fn update(&mut self, group: &GroupId) -> TaskId {
        let group = group.clone();
        self.start(|shared, _| Box::pin(membership::update(shared, group)))
    }

    /// Reads direct and fan-out queue to their ends, and follows what they bring: messages, commits,
    /// connection requests, invitations. Requests and invitations may take longer than this procedure.
    ///
    /// If a reading waits for another to end, this returns the waiting one, which will read everything that
    /// is in the queues now.
    pub fn read_queues(&mut self) -> TaskId {
        if let Some(waiting) = self.shared.with(|state| state.queued_reading) {
            return waiting;
        }
        let task = self.start(|shared, _| {
            Box::pin(async move {
                direct_queue::read(&shared).await?;
                fan_out_queue::read(&shared).await
            })
        });
        self.shared.with(|state| state.queued_reading = Some(task));
        task
    }

    /// Reads only the fan-out queue, as [`Client::read_queues`] does.
    pub fn read_fan_out_queue(&mut self) -> TaskId {
        self.start(|shared, _| Box::pin(async move { fan_out_queue::read(&shared).await }))
    }

    /// Fetches tokens of a homeserver until at least `count` are in stock, so that later requests need not
    /// wait for them. Without this, the client fetches a batch when it has none left.
    pub fn stock_tokens(&mut self, domain: &Domain, count: usize) -> TaskId {
        let domain = domain.clone();
        self.start(move |shared, _| Box::pin(async move { shared.stock_tokens(&domain, count).await }))
    }

    /// With `true`, holds deliveries to groups back, in memory, as they are read; with `false`, follows them,
    /// which is how a client starts. Reading a queue is cheap and following its deliveries is not, so a
    /// client can read a long queue to its end first.
    pub fn hold_deliveries(&mut self, hold: bool) {
        fan_out_queue::hold_deliveries(&self.shared, hold);
    }

    /// Returns a fresh, signed request for signals when the client's fan-out queue grows, or `None` before
    /// the client has a queue. The application sends the bytes as the first message of a web socket to the
    /// queuing service of the client's own homeserver, and calls [`Client::read_fan_out_queue`] on every
    /// signal that follows.
    ///
    /// This starts no procedure, and the client does not wait for the answer, a [`ResponseEnvelope`] that
    /// carries [`Done`] or a refusal. The request bears the time of the latest call: after a long rest, poll
    /// first, or the homeserver refuses the request as an old one.
    ///
    /// [`Done`]: crate::wire::message::Done
    /// [`ResponseEnvelope`]: crate::wire::envelope::ResponseEnvelope
    pub fn listen(&mut self) -> Option<Vec<u8>> {
        self.shared.with(|state| {
            let identity = state.queuing_identity().ok()?;
            let domain = state.config.domain.clone();
            state.request(&domain, &Listen {}, None, Some(&identity)).ok().map(|request| request.bytes)
        })
    }

    /// Runs all procedures as far as they go at `now`. Returns the next output, or `None` if there is nothing
    /// to do before another call or [`Client::next_wake`].
    pub fn poll(&mut self, now: Timestamp) -> Option<Output> {
        self.executor.poll(now)
    }

    /// Hands in the outcome of an [`Output::Request`]: the bytes of the answer, or that there is none.
    /// Ignored if the client has given the exchange up.
    pub fn respond(&mut self, exchange: ExchangeId, answer: Result<Vec<u8>, PeerFailure>, now: Timestamp) {
        self.shared.with(|state| {
            state.now = state.now.max(now);
            if let Some(slot) = state.exchanges.get_mut(&exchange) {
                *slot = Some(answer);
                state.woken = true;
            }
        });
    }

    /// Returns when to call [`Client::poll`] again even if nothing happens, or `None` if no procedure waits
    /// for a time.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.shared.with(|state| if state.woken { Some(state.now) } else { state.next_wake })
    }

    /// Whether no procedure is under way and no output waits to be polled.
    pub fn is_idle(&self) -> bool {
        self.executor.is_idle()
    }

    /// Returns the groups that the client is in, by id, those of connections included.
    pub fn groups(&self) -> Vec<GroupView> {
        self.shared.with(|state| state.groups.values().map(Group::view).collect())
    }

    /// Returns the users that the client is connected with.
    pub fn contacts(&self) -> Vec<UserId> {
        self.shared.with(|state| state.contacts.keys().cloned().collect())
    }

    fn start(&mut self, procedure: impl FnOnce(Shared, TaskId) -> Procedure) -> TaskId {
        let task = self.shared.with(State::task_id);
        self.executor.start(task, procedure(self.shared.clone(), task));
        task
    }
}
