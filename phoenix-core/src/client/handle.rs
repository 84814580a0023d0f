//! PROTOCOL.md §11 — the client as an application holds it.

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

/// A client of one user. See the [module](crate::client) for how to drive it.
pub struct Client {
    pub(super) shared: Shared,
    executor: Executor,
}

impl Client {
    /// A client that is not registered yet. Its ids and keys are drawn from `seed`: 32 random bytes that no
    /// other client may get.
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        let shared = Shared::new(State::new(config, seed));
        Self { executor: Executor::new(shared.clone()), shared }
    }

    /// The user.
    pub fn user_id(&self) -> UserId {
        self.client_id().user_id
    }

    /// The client.
    pub fn client_id(&self) -> ClientId {
        self.shared.with(|state| state.client_id.clone())
    }

    /// The client's pseudonym at its queuing service, once it has one.
    pub fn qs_client(&self) -> Option<QsClientId> {
        self.shared.with(|state| state.queuing.as_ref().map(|queuing| queuing.client))
    }

    /// How many entries of its fan-out queue the client has taken in. Each delivery is one, also one that was
    /// delivered before and is dropped for that.
    pub fn entries_read(&self) -> u64 {
        self.shared.with(|state| state.queuing.as_ref().map_or(0, |queuing| queuing.reader.next_sequence()))
    }

    /// Sets everything up: account, queue, key packages. If that fails half-way, another call goes on there.
    pub fn register(&mut self, password: &[u8]) -> TaskId {
        let password = password.to_vec();
        self.start(|shared, _| Box::pin(account::register(shared, password)))
    }

    /// Asks `user`, of whatever homeserver, for a connection. The procedure is over when it is asked;
    /// [`Event::Connected`](crate::client::Event::Connected) follows when it has accepted.
    pub fn connect(&mut self, user: UserId) -> TaskId {
        self.start(|shared, _| Box::pin(connections::connect(shared, user)))
    }

    /// Accepts the connection request of `user`, of which an [`Event::ConnectionRequested`](crate::client::Event::ConnectionRequested) told.
    pub fn accept(&mut self, user: UserId) -> TaskId {
        self.start(|shared, _| Box::pin(connections::accept(shared, user)))
    }

    /// Creates a group, which [`Event::GroupCreated`](crate::client::Event::GroupCreated) names.
    pub fn create_group(&mut self) -> TaskId {
        self.start(|shared, _| Box::pin(groups::create_group(shared)))
    }

    /// Adds contacts to a group.
    pub fn invite(&mut self, group: &GroupId, users: &[UserId]) -> TaskId {
        let (group, users) = (group.clone(), users.to_vec());
        self.start(|shared, _| Box::pin(membership::invite(shared, group, users)))
    }

    /// Sends a message to a group.
    pub fn send(&mut self, group: &GroupId, text: &[u8]) -> TaskId {
        let (group, text) = (group.clone(), text.to_vec());
        self.start(|shared, task| Box::pin(membership::send(shared, task, group, text)))
    }

    /// Renews the client's keys in a group, and commits what the delivery service has proposed.
    pub fn update(&mut self, group: &GroupId) -> TaskId {
        let group = group.clone();
        self.start(|shared, _| Box::pin(membership::update(shared, group)))
    }

    /// Reads direct and fan-out queue to their ends, and follows what is found: messages, commits, connection
    /// requests, invitations. Requests and invitations go on after the procedure is over.
    ///
    /// While one reading is under way and another waits, this is the one that waits: it will see whatever is
    /// there now.
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

    /// Reads the fan-out queue alone, as [`Client::read_queues`] does: what a signal on the web socket asks for.
    pub fn read_fan_out_queue(&mut self) -> TaskId {
        self.start(|shared, _| Box::pin(async move { fan_out_queue::read(&shared).await }))
    }

    /// Fetches tokens of a homeserver until `count` are in stock, so that nothing waits for them later. By itself the
    /// client fetches a batch when it has none left.
    pub fn stock_tokens(&mut self, domain: &Domain, count: usize) -> TaskId {
        let domain = domain.clone();
        self.start(move |shared, _| Box::pin(async move { shared.stock_tokens(&domain, count).await }))
    }

    /// Whether deliveries to groups are kept as they are read, and followed only when this is called with `false`.
    /// Reading and acknowledging a queue is cheap, following what it brought is not: a client can so catch up with
    /// a long queue first. What is kept is in memory. At first nothing is.
    pub fn hold_deliveries(&mut self, hold: bool) {
        fan_out_queue::hold_deliveries(&self.shared, hold);
    }

    /// The bytes of a fresh, signed request to be told when the client's queue grows: what an embedder sends as
    /// the first message of a web socket to the queuing service of the client's own homeserver. Every signal that
    /// follows is a reason for [`Client::read_queues`]. `None` until the client has a queue.
    ///
    /// Nothing is started and nothing waits for the answer, a [`ResponseEnvelope`] that carries [`Done`] or a
    /// refusal. The request bears the time that the client was last told; after a long rest, poll it first, or the
    /// homeserver takes the request for an old one.
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

    /// The next thing to do or tell at `now`, if there is one.
    pub fn poll(&mut self, now: Timestamp) -> Option<Output> {
        self.executor.poll(now)
    }

    /// Tells what became of an [`Output::Request`]: the bytes of the answer, or that there is none.
    pub fn respond(&mut self, exchange: ExchangeId, answer: Result<Vec<u8>, PeerFailure>, now: Timestamp) {
        self.shared.with(|state| {
            state.now = state.now.max(now);
            if let Some(slot) = state.exchanges.get_mut(&exchange) {
                *slot = Some(answer);
                state.woken = true;
            }
        });
    }

    /// When to call [`Client::poll`] again though nothing happens.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.shared.with(|state| if state.woken { Some(state.now) } else { state.next_wake })
    }

    /// Whether no procedure is under way and nothing waits to be polled.
    pub fn is_idle(&self) -> bool {
        self.executor.is_idle()
    }

    /// The groups that the client is in, connections' included, by id.
    pub fn groups(&self) -> Vec<GroupView> {
        self.shared.with(|state| state.groups.values().map(Group::view).collect())
    }

    /// The users that the client is connected with.
    pub fn contacts(&self) -> Vec<UserId> {
        self.shared.with(|state| state.contacts.keys().cloned().collect())
    }

    fn start(&mut self, procedure: impl FnOnce(Shared, TaskId) -> Procedure) -> TaskId {
        let task = self.shared.with(State::task_id);
        self.executor.start(task, procedure(self.shared.clone(), task));
        task
    }
}
