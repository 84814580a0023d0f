//! PROTOCOL.md §11 — the client as an application holds it: each method begins an intent or shows the state.

use std::collections::VecDeque;

use super::{
    config::{ClientConfig, ClientPlant},
    error::ClientError,
    event::{EventId, ExchangeId, GroupView, IntentId, IntentView, Output},
    records::{RestoreError, Save, SaveFailed, SaveId, StorageKey, StoredRecord, Vault},
    state::{Departure, Intent, Password, State, Want},
};
use crate::{
    codec::Bytes,
    error::PeerFailure,
    identifiers::{ClientId, Domain, GroupId, QsClientId, UserId},
    time::Timestamp,
    wire::queuing_service::Listen,
};

/// A client of one user. The [module](crate::client) shows how to drive it.
///
/// A method that returns an [`IntentId`] begins an intent, whose end is an [`Event::Done`](super::Event::Done) of that id.
pub struct Client {
    pub(super) state: State,
    vault: Vault,
    /// What leaves once the save of this number is done.
    departures: VecDeque<(SaveId, Departure)>,
    /// The save that was made last, and the one that was done last.
    made: SaveId,
    done: SaveId,
    /// Whether a save failed, and whether that was said.
    failed: bool,
    stopped: bool,
}

impl Client {
    /// Returns a client that is not registered. Its ids and keys are drawn from `seed`: 32 random bytes,
    /// secret, and never used for another client. Its records are sealed under `key`.
    pub fn new(config: ClientConfig, key: StorageKey, seed: [u8; 32]) -> Self {
        Self::with(State::new(config, seed), key)
    }

    /// Returns the client whose state was saved: it goes on with what was under way. `seed` is 32 fresh random
    /// bytes, as for a new client.
    ///
    /// A registered client reads its fan-out queue before anything else. If it finds that another copy of its
    /// state has gone on since the records were saved, it says so with [`Event::OldCopy`](super::Event::OldCopy).
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore(
        config: ClientConfig,
        key: StorageKey,
        records: impl IntoIterator<Item = StoredRecord>,
        seed: [u8; 32],
        now: Timestamp,
    ) -> Result<Self, RestoreError> {
        let vault = Vault::new(key.clone());
        let state = State::restore(config, &vault, records, seed, now)?;
        Ok(Self::with(state, key))
    }

    fn with(state: State, key: StorageKey) -> Self {
        Self {
            state,
            vault: Vault::new(key),
            departures: VecDeque::new(),
            made: SaveId(0),
            done: SaveId(0),
            failed: false,
            stopped: false,
        }
    }

    /// Returns the user's id, drawn from the seed of the new client.
    pub fn user_id(&self) -> UserId {
        self.client_id().user_id
    }

    /// Returns the client's id, drawn from the seed of the new client.
    pub fn client_id(&self) -> ClientId {
        self.state.account.client_id.clone()
    }

    /// Whether the client's registration has ended: account, queue and key packages are in place.
    pub fn is_registered(&self) -> bool {
        self.state.account.is_registered.into()
    }

    /// Returns the client's pseudonym at its queuing service, or `None` before registration has made one.
    pub fn qs_client(&self) -> Option<QsClientId> {
        self.state.account.queuing.as_ref().map(|queuing| queuing.client)
    }

    /// Returns how many entries of its fan-out queue the client has read, including repeats of deliveries,
    /// which it drops.
    pub fn entries_read(&self) -> u64 {
        self.state.fan_out_queue.0.as_ref().map_or(0, |queue| queue.reader().next_sequence())
    }

    /// Registers the client: account, queue, key packages. A restored client goes on with a registration by
    /// itself. [`Event::Registered`](super::Event::Registered) follows. If a step fails,
    /// another call continues with it.
    ///
    /// A password longer than 65,535 bytes fails with [`ClientError::TooLong`].
    pub fn register(&mut self, password: &[u8]) -> IntentId {
        let password = Bytes::new(password.to_vec()).map(Password);
        self.begin(password.map(|password| Want::Register { password }))
    }

    /// Requests a connection with `user`, at any homeserver. The intent ends when the request is in the user's
    /// queue; [`Event::Connected`](super::Event::Connected) follows when the user has accepted.
    pub fn connect(&mut self, user: UserId) -> IntentId {
        self.state.begin(Want::Connect { user }, true)
    }

    /// Accepts the connection request of `user`, which came as [`Event::ConnectionRequested`](super::Event::ConnectionRequested). Fails with
    /// [`ClientError::NotAContact`] if there is none.
    pub fn accept(&mut self, user: UserId) -> IntentId {
        match self.state.accept_request_of(&user) {
            Some(want) => self.state.begin(want, true),
            None => self.refuse(ClientError::NotAContact(user)),
        }
    }

    /// Declines the connection request of `user`, who is not told. Returns whether there was one.
    pub fn decline(&mut self, user: &UserId) -> bool {
        self.state.connection_requests.remove(user).is_some()
    }

    /// Creates a group, which [`Event::GroupCreated`](super::Event::GroupCreated) names.
    pub fn create_group(&mut self) -> IntentId {
        self.state.begin(Want::CreateGroup, true)
    }

    /// Adds contacts to a group. Fails with [`ClientError::NotAContact`] or [`ClientError::AlreadyMember`] if
    /// one of them cannot be added; then none is.
    pub fn invite(&mut self, group: &GroupId, users: &[UserId]) -> IntentId {
        let (group, users) = (group.clone(), users.to_vec().try_into());
        self.begin(users.map(|users| Want::Invite { group, users }))
    }

    /// Sends a message to a group. [`Event::MessageAcknowledged`](super::Event::MessageAcknowledged) follows once it is ordered.
    ///
    /// The client goes on until it is, however long that takes: [`Client::under_way`] says what it waits for,
    /// and [`Client::cancel`] gives it up.
    pub fn send(&mut self, group: &GroupId, text: &[u8]) -> IntentId {
        let (group, text) = (group.clone(), text.to_vec().try_into());
        self.begin(text.map(|text| Want::Send { group, text }))
    }

    /// Renews the client's keys in a group, and commits the proposals of the delivery service.
    pub fn update(&mut self, group: &GroupId) -> IntentId {
        self.state.begin(Want::Update { group: group.clone() }, true)
    }

    /// Reads direct and fan-out queue to their ends, and follows what they bring: messages, commits,
    /// connection requests, invitations. Requests and invitations may take longer than this intent.
    ///
    /// A reading that is under way when the process ends does not go on in the next one, which reads by itself.
    ///
    /// If a reading waits for another to end, this returns the waiting one, which will read everything that
    /// is in the queues now.
    pub fn read_queues(&mut self) -> IntentId {
        self.read(Want::ReadQueues)
    }

    /// Reads only the fan-out queue, as [`Client::read_queues`] does.
    pub fn read_fan_out_queue(&mut self) -> IntentId {
        self.read(Want::ReadFanOutQueue)
    }

    /// Begins a reading, unless the same one waits for its turn.
    fn read(&mut self, want: Want) -> IntentId {
        let mut readings = self.state.intents.iter().filter(|(_, intent)| intent.want == want);
        let waiting = readings.find(|(_, intent)| intent.by_application.into() && intent.notes.is_empty());
        let waiting = waiting.map(|(id, _)| *id);
        drop(readings);
        waiting.unwrap_or_else(|| self.state.begin(want, true))
    }

    /// Fetches tokens of a homeserver until at least `count` are in stock, so that later requests need not
    /// wait for them. Without this, the client fetches a batch when it has none left.
    pub fn stock_tokens(&mut self, domain: &Domain, count: usize) -> IntentId {
        self.state.begin(Want::StockTokens { domain: domain.clone(), count: count as u64 }, true)
    }

    /// With `true`, holds deliveries to groups back as they are read; with `false`, follows them, which is how
    /// a client starts. Reading a queue is cheap and following its deliveries is not, so a client can read a
    /// long queue to its end first.
    pub fn hold_deliveries(&mut self, hold: bool) {
        self.state.hold_deliveries(hold);
    }

    /// Returns a fresh, signed request for signals when the client's fan-out queue grows, or `None` before
    /// the client has a queue. The application sends the bytes as the first message of a web socket to the
    /// queuing service of the client's own homeserver, and calls [`Client::read_fan_out_queue`] on every
    /// signal that follows.
    ///
    /// This begins no intent, and the client does not wait for the answer, a [`ResponseEnvelope`] that carries
    /// [`Done`] or a refusal. The request bears the time of the latest call: after a long rest, poll first, or
    /// the homeserver refuses the request as an old one.
    ///
    /// [`Done`]: crate::wire::message::Done
    /// [`ResponseEnvelope`]: crate::wire::envelope::ResponseEnvelope
    pub fn listen(&mut self) -> Option<Vec<u8>> {
        let identity = self.state.queuing_identity().ok()?;
        let domain = self.state.config.domain.clone();
        self.state.request(&domain, &Listen {}, &identity).ok()
    }

    /// Runs all intents as far as they go at `now`. Returns the next output, or `None` if there is nothing to
    /// do before another call or [`Client::next_wake`].
    pub fn poll(&mut self, now: Timestamp) -> Option<Output> {
        if self.failed {
            return (!std::mem::replace(&mut self.stopped, true)).then_some(Output::Stopped);
        }
        if self.state.now == Timestamp::default() {
            self.state.begin_at(now);
        }
        self.state.clock_reads(now);
        if let Some(output) = self.depart() {
            return Some(output);
        }
        self.state.run();
        let is_saving = self.made > self.done;
        let save = if is_saving { None } else { self.save() };
        if self.failed {
            return self.poll(now);
        }
        // What leaves depends on everything that has changed so far, saved or to be saved next.
        let after = if is_saving { SaveId(self.made.0 + 1) } else { self.made };
        let departures = std::mem::take(&mut self.state.departures);
        self.departures.extend(departures.into_iter().map(|departure| (after, departure)));
        if !is_saving && save.is_none() {
            // Nothing has changed since the last save: what was to wait for the next one need not.
            self.departures.iter_mut().for_each(|(after, _)| *after = self.made.min(*after));
        }
        if self.state.config.planted(ClientPlant::SaveAfterRequest) {
            self.departures.iter_mut().for_each(|(after, _)| *after = SaveId(0));
        }
        save.map(Output::Save).or_else(|| self.depart())
    }

    /// Says that a save is done, or failed. After a failure nothing leaves any more: see [`Output::Stopped`].
    pub fn saved(&mut self, save: SaveId, result: Result<(), SaveFailed>) {
        match result {
            Ok(()) => self.done = self.done.max(save.min(self.made)),
            Err(SaveFailed) => self.failed = true,
        }
    }

    /// Says that the application needs an event no more: it will not be shown again. What is called between
    /// two polls is saved together, so an event that is confirmed and the intents that follow from it are
    /// kept both or neither.
    pub fn confirm(&mut self, event: EventId) {
        self.state.events.remove(&event);
        self.state.passing_events.remove(&event);
    }

    /// Hands in the outcome of an [`Output::Request`]: the bytes of the answer, or that there is none.
    /// Ignored if the client has given the exchange up.
    pub fn respond(&mut self, exchange: ExchangeId, answer: Result<Vec<u8>, PeerFailure>, now: Timestamp) {
        self.state.clock_reads(now);
        self.state.respond(exchange, answer);
    }

    /// Returns when to call [`Client::poll`] again even if nothing happens, or `None` if no intent waits for a
    /// time.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.failed { None } else { self.state.next_wake() }
    }

    /// Whether nothing is under way and no output waits to be polled.
    pub fn is_idle(&self) -> bool {
        self.state.intents.is_empty() && self.departures.is_empty() && self.state.departures.is_empty()
    }

    /// Returns what is under way: what the application began, and what the client does by itself.
    pub fn under_way(&self) -> Vec<IntentView> {
        self.state.intents.iter().map(|(id, intent)| self.state.intent_view(*id, intent)).collect()
    }

    /// Gives up what is under way. It ends with [`ClientError::Cancelled`]. What was sent may be carried out
    /// all the same: a message that was ordered is acknowledged still, and a commit is resolved by the next
    /// operation on its group. Returns whether it was under way.
    ///
    /// What the application began can be given up, and what others asked for: joins, and the answers to
    /// connection requests. What the client does by itself cannot, for other intents need it.
    pub fn cancel(&mut self, intent: IntentId) -> bool {
        let can_be = |intent: &Intent| intent.by_application.into() || intent.want.is_of_others();
        let can_be = self.state.intents.get(&intent).is_some_and(can_be);
        if can_be {
            self.state.end(intent, Err(ClientError::Cancelled));
        }
        can_be
    }

    /// Returns the groups that the client is in, by id, those of connections included.
    pub fn groups(&self) -> Vec<GroupView> {
        self.state.groups.keys().filter_map(|id| self.state.view(id)).collect()
    }

    /// Returns the users that the client is connected with.
    pub fn contacts(&self) -> Vec<UserId> {
        self.state.contacts.keys().cloned().collect()
    }

    /// Returns the names and keys of the client; `None` before it is registered. For simulators of attackers
    /// only.
    #[cfg(any(feature = "forgery", test))]
    pub fn lend_keys(&self) -> Option<super::lent_keys::LentKeys> {
        super::lent_keys::LentKeys::of(&self.state)
    }

    fn begin<E: Into<ClientError>>(&mut self, want: Result<Want, E>) -> IntentId {
        match want {
            Ok(want) => self.state.begin(want, true),
            Err(_) => self.refuse(ClientError::TooLong),
        }
    }

    /// Begins an intent that has failed.
    fn refuse(&mut self, error: ClientError) -> IntentId {
        let intent = self.state.begin(Want::CreateGroup, true);
        self.state.end(intent, Err(error));
        intent
    }

    /// Seals what changed since the last save.
    fn save(&mut self) -> Option<Save> {
        let changes = self.state.take_planted_changes();
        if changes.is_empty() {
            return None;
        }
        let random = &mut self.state.random;
        let sealed: Result<Vec<_>, _> =
            changes.into_iter().map(|change| self.vault.seal(random, change)).collect();
        self.state.plant_generator();
        let Ok(changes) = sealed else {
            self.failed = true;
            return None;
        };
        self.made = SaveId(self.made.0 + 1);
        Some(Save { id: self.made, changes })
    }

    /// Returns the next output that depends on nothing that is not saved.
    fn depart(&mut self) -> Option<Output> {
        loop {
            let (_, departure) = self.departures.pop_front_if(|(after, _)| *after <= self.done)?;
            match departure {
                Departure::Request(exchange) => return Some(Output::Request(exchange)),
                Departure::Event(id) => {
                    // It may have been confirmed before it was shown again.
                    let kept = self.state.events.get(&id).map(|event| &event.0);
                    if let Some(event) = kept.or_else(|| self.state.passing_events.get(&id)) {
                        return Some(Output::Event(id, event.clone()));
                    }
                }
            }
        }
    }
}
