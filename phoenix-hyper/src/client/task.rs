//! The client's own task, the only one that touches the sans-IO client.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use phoenix_core::{
    client::{Client as Core, Event, Exchange, ExchangeId, IntentId, Output, SaveFailed},
    error::PeerFailure,
    identifiers::Domain,
};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    task::JoinSet,
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    calls::{Caller, Calls, Fate},
    events::{Ending, Received},
    saver::{self, Saver},
    store::ClientStoreError,
    web_socket,
};
use crate::{environment::now, peers::Peers};

/// How often the queues are read without a signal: people wait for connection requests.
const LOOK: Duration = Duration::from_secs(10);

/// While this many events wait, the queues are not read.
const MANY_EVENTS: usize = 64;

/// A call of a handle.
pub(super) enum Command {
    /// Begin an intent and tell the caller its end.
    Begin(Box<dyn FnOnce(&mut Core) -> IntentId + Send>, Caller),
    /// Run a closure on the client.
    Act(Box<dyn FnOnce(&mut Core) + Send>),
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Command")
    }
}

/// The queues that are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unread {
    Nothing,
    /// A signal has come.
    FanOut,
    /// The time to read without a signal has come.
    Both,
}

/// What connects a task with the handles on it.
pub(super) struct Links {
    pub commands: mpsc::Receiver<Command>,
    pub events: mpsc::Sender<Received>,
    /// The number of entries of the fan-out queue read so far.
    pub entries: watch::Sender<u64>,
    pub ending: Ending,
}

/// The client's own task. Fields are dropped in their order: the store is closed before the application sees
/// the end.
pub(super) struct Task {
    core: Core,
    saver: Saver,
    peers: Peers,
    domain: Domain,
    exchanges: JoinSet<(ExchangeId, Result<Vec<u8>, PeerFailure>)>,
    calls: Calls,
    /// The reading that this task began itself.
    reading: Option<IntentId>,
    /// The queues that are to be read.
    unread: Unread,
    /// Events for which the channel has no room yet.
    waiting_events: VecDeque<Received>,
    /// The entries of the fan-out queue that are read.
    entries: Entries,
    links: Links,
}

/// A number of entries, as two saves have it.
#[derive(Debug, Clone, Copy, Default)]
struct Entries {
    /// In the save that began last.
    saving: u64,
    /// In the save that ended last.
    saved: u64,
}

impl Task {
    pub fn new(core: Core, saver: Saver, domain: Domain, peers: Peers, links: Links) -> Self {
        Self {
            core,
            saver,
            peers,
            domain,
            exchanges: JoinSet::new(),
            calls: Calls::default(),
            reading: None,
            // Signals do not tell what came while the client was not there.
            unread: Unread::Both,
            waiting_events: VecDeque::new(),
            entries: Entries::default(),
            links,
        }
    }

    /// Works until the last handle is dropped or a save fails.
    pub async fn run(mut self) {
        let end = match self.work().await {
            Ok(()) => self.save_the_rest().await,
            failed => failed,
        };
        if let Err(failure) = end {
            tracing::error!(error = %failure, "a client has stopped: its state cannot be saved");
            self.links.ending.failed(failure);
        }
    }

    async fn work(&mut self) -> Result<(), ClientStoreError> {
        let signals = Arc::new(Notify::new());
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<Vec<u8>>>(1);
        let mut waiting_listener = None;
        // Dropped, and so ended, with this function.
        let mut listener = JoinSet::new();
        listener.spawn(web_socket::listen(
            self.peers.clone(),
            self.domain.clone(),
            ask,
            Arc::clone(&signals),
        ));
        let mut look = time::interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.advance()?;
            if let Some(waiting) = waiting_listener.take() {
                waiting_listener = self.prepare_listening(waiting);
            }
            let wake = self.core.next_wake().map_or(LOOK, |wake| wake.since(now()));
            tokio::select! {
                command = self.links.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return Ok(()),
                },
                (id, result) = self.saver.end() => {
                    self.core.saved(id, result.as_ref().map(|_| ()).map_err(|_| SaveFailed));
                    result?;
                    self.entries.saved = self.entries.saving;
                }
                Some(answered) = self.exchanges.join_next() => {
                    // A join fails only after a panic or an abort, and there is neither.
                    if let Ok((exchange, answer)) = answered {
                        self.core.respond(exchange, answer, now());
                    }
                }
                () = signals.notified() => self.unread = self.unread.max(Unread::FanOut),
                _ = look.tick() => self.unread = Unread::Both,
                Some(waiting) = asked.recv() => waiting_listener = Some(waiting),
                () = room(&self.links.events), if !self.waiting_events.is_empty() => {}
                () = time::sleep(wake) => {}
            }
        }
    }

    /// Saves what was called before the last handle was dropped. Nothing else leaves any more.
    async fn save_the_rest(&mut self) -> Result<(), ClientStoreError> {
        loop {
            while let Some(output) = self.core.poll(now()) {
                if let Output::Save(save) = output {
                    self.saver.begin(save);
                }
            }
            if self.saver.is_idle() {
                return Ok(());
            }
            let (id, result) = self.saver.end().await;
            result?;
            self.core.saved(id, Ok(()));
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Begin(begin, caller) => {
                let intent = begin(&mut self.core);
                self.calls.wait(intent, caller);
            }
            Command::Act(act) => act(&mut self.core),
        }
    }

    /// Advances the client until it waits for something.
    fn advance(&mut self) -> Result<(), ClientStoreError> {
        loop {
            self.read();
            while let Some(output) = self.core.poll(now()) {
                match output {
                    Output::Save(save) => {
                        self.entries.saving = self.core.entries_read();
                        self.saver.begin(save);
                    }
                    Output::Request(exchange) => self.send(exchange),
                    Output::Event(id, event) => self.event(Received { id, event }),
                    // Failed saves end the task before: this one could not be made.
                    Output::Stopped => return Err(saver::failed(&"its state cannot be sealed")),
                }
            }
            // May make room for what a reading brings.
            self.offer_events();
            if !self.is_to_read() {
                break;
            }
        }
        // Sent last: the events of these entries were offered before.
        let saved = self.entries.saved;
        self.links.entries.send_if_modified(|read| {
            let grows = *read < saved;
            *read = saved.max(*read);
            grows
        });
        Ok(())
    }

    /// Whether a queue is to be read, and there is room for its events.
    fn is_to_read(&self) -> bool {
        let room = self.waiting_events.len() < MANY_EVENTS && !self.links.events.is_closed();
        let ready = self.core.qs_client().is_some() && room;
        ready && self.reading.is_none() && self.unread != Unread::Nothing
    }

    /// Begins to read the queues that are to be read.
    fn read(&mut self) {
        if self.is_to_read() {
            self.reading = match std::mem::replace(&mut self.unread, Unread::Nothing) {
                Unread::Nothing => None,
                Unread::FanOut => Some(self.core.read_fan_out_queue()),
                Unread::Both => Some(self.core.read_queues()),
            };
        }
    }

    fn send(&mut self, Exchange { id, domain, service, request }: Exchange) {
        let peers = self.peers.clone();
        self.exchanges.spawn(async move {
            let answer = peers.send(&domain, service, request).await.map_err(|error| {
                tracing::debug!(%domain, %error, "a request was not answered");
                PeerFailure::from(&error)
            });
            (id, answer)
        });
    }

    fn event(&mut self, received: Received) {
        if let Event::Done { intent, outcome } = &received.event {
            // The events before the end are offered before the result is returned.
            self.offer_events();
            if self.reading == Some(*intent) {
                self.reading = None;
                if let Err(error) = outcome {
                    tracing::debug!(%error, "the queues could not be read");
                }
                // A method may have joined the reading.
                if !self.calls.has(*intent) {
                    return self.core.confirm(received.id);
                }
            }
        }
        match self.calls.take(received) {
            Fate::Shown(events) => self.waiting_events.extend(events),
            Fate::Held => {}
            Fate::Returned(events) => {
                for Received { id, .. } in events {
                    self.core.confirm(id);
                }
            }
        }
    }

    /// Hands over events while there is room for them.
    fn offer_events(&mut self) {
        while let Some(received) = self.waiting_events.pop_front() {
            match self.links.events.try_send(received) {
                Ok(()) => {}
                Err(TrySendError::Full(received)) => return self.waiting_events.push_front(received),
                // They stay in the store.
                Err(TrySendError::Closed(_)) => return self.waiting_events.clear(),
            }
        }
    }

    /// Sends the listener a fresh request; returns `waiting` if the client has no queue yet.
    fn prepare_listening(&mut self, waiting: oneshot::Sender<Vec<u8>>) -> Option<oneshot::Sender<Vec<u8>>> {
        let Some(request) = self.core.listen() else { return Some(waiting) };
        let _ = waiting.send(request);
        None
    }
}

/// Returns once there is room for an event, or the receiver is dropped.
async fn room(events: &mpsc::Sender<Received>) {
    let _ = events.reserve().await;
}
