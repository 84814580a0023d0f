//! The client's own task, the only one that touches the sans-IO client.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use phoenix_core::{
    client::{Client as Core, ClientError, Event, Exchange, ExchangeId, Output, TaskId},
    error::PeerFailure,
    identifiers::{Domain, GroupId},
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

use super::web_socket;
use crate::{environment::now, peers::Peers};

/// How often the queues are read without a signal: people wait for connection requests.
const LOOK: Duration = Duration::from_secs(10);

/// While this many events wait, the queues are not read.
const MANY_EVENTS: usize = 64;

/// A call of a handle.
pub(super) enum Command {
    /// Start a task and send its result.
    Start(Box<dyn FnOnce(&mut Core) -> TaskId + Send>, Done),
    /// Run a closure on the client.
    Look(Box<dyn FnOnce(&mut Core) + Send>),
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Command")
    }
}

/// The queues that are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Unread {
    #[default]
    Nothing,
    /// A signal has come.
    FanOut,
    /// The time to read without a signal has come.
    Both,
}

type Done = oneshot::Sender<Result<Finished, ClientError>>;

/// The result of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct Finished {
    /// The position of the message that was sent.
    pub position: Option<u64>,
    /// The group that was created.
    pub group: Option<GroupId>,
}

/// A task under way.
#[derive(Default)]
struct Running {
    waiting: Vec<Done>,
    position: Option<u64>,
}

/// The client's own task.
pub(super) struct Task {
    core: Core,
    peers: Peers,
    domain: Domain,
    commands: mpsc::Receiver<Command>,
    /// `None` once the receiver is dropped.
    events: Option<mpsc::Sender<Event>>,
    /// Events for which the channel has no room yet.
    waiting_events: VecDeque<Event>,
    exchanges: JoinSet<(ExchangeId, Result<Vec<u8>, PeerFailure>)>,
    running: BTreeMap<TaskId, Running>,
    /// The group created last; the task that created it ends right after the event.
    created: Option<GroupId>,
    /// The reading that this task started itself.
    reading: Option<TaskId>,
    /// The queues that are to be read.
    unread: Unread,
    /// The number of entries of the fan-out queue read so far.
    entries: watch::Sender<u64>,
}

impl Task {
    pub fn new(
        core: Core,
        domain: Domain,
        peers: Peers,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        entries: watch::Sender<u64>,
    ) -> Self {
        Self {
            core,
            peers,
            domain,
            commands,
            events: Some(events),
            waiting_events: VecDeque::new(),
            exchanges: JoinSet::new(),
            running: BTreeMap::new(),
            created: None,
            reading: None,
            unread: Unread::Nothing,
            entries,
        }
    }

    /// Works until the last handle is dropped.
    pub async fn run(mut self) {
        let signals = Arc::new(Notify::new());
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<Vec<u8>>>(1);
        let mut waiting_listener = None;
        // Dropped, and so ended, with this task.
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
            self.advance();
            if let Some(waiting) = waiting_listener.take() {
                waiting_listener = self.prepare_listening(waiting);
            }
            let wake = self.core.next_wake().map_or(LOOK, |wake| wake.since(now()));
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(answered) = self.exchanges.join_next() => {
                    // A join fails only after a panic or an abort, and there is neither.
                    if let Ok((exchange, answer)) = answered {
                        self.core.respond(exchange, answer, now());
                    }
                }
                () = signals.notified() => self.unread = self.unread.max(Unread::FanOut),
                _ = look.tick() => self.unread = Unread::Both,
                Some(waiting) = asked.recv() => waiting_listener = Some(waiting),
                () = room(&self.events), if !self.waiting_events.is_empty() => {}
                () = time::sleep(wake) => {}
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Start(start, done) => {
                let task = start(&mut self.core);
                self.running.entry(task).or_default().waiting.push(done);
            }
            Command::Look(look) => look(&mut self.core),
        }
    }

    /// Advances the client until it waits for something.
    fn advance(&mut self) {
        loop {
            self.read();
            while let Some(output) = self.core.poll(now()) {
                match output {
                    Output::Request(exchange) => self.send(exchange),
                    Output::Event(event) => self.event(event),
                    Output::TaskDone(task, result) => self.done(task, result),
                }
            }
            // May make room for what a reading brings.
            self.offer_events();
            if !self.is_to_read() {
                break;
            }
        }
        // Sent last: the events of these entries were offered before.
        let read = self.core.entries_read();
        self.entries.send_if_modified(|entries| std::mem::replace(entries, read) != read);
    }

    /// Whether a queue is to be read, and there is room for its events.
    fn is_to_read(&self) -> bool {
        let ready = self.core.qs_client().is_some() && self.waiting_events.len() < MANY_EVENTS;
        ready && self.reading.is_none() && self.unread != Unread::Nothing
    }

    /// Begins to read the queues that are to be read.
    fn read(&mut self) {
        if self.is_to_read() {
            self.reading = match std::mem::take(&mut self.unread) {
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

    fn event(&mut self, event: Event) {
        if let Event::GroupCreated(group) = &event {
            self.created = Some(group.clone());
        }
        if let Event::MessageAcknowledged { task, position, .. } = &event
            && let Some(running) = self.running.get_mut(task)
        {
            running.position = Some(*position);
        }
        if self.events.is_some() {
            self.waiting_events.push_back(event);
        }
    }

    fn done(&mut self, task: TaskId, result: Result<(), ClientError>) {
        let group = self.created.take();
        if self.reading == Some(task) {
            self.reading = None;
            if let Err(error) = &result {
                tracing::debug!(%error, "the queues could not be read");
            }
        }
        let Some(Running { waiting, position }) = self.running.remove(&task) else { return };
        // The events before the end are offered before the result is sent.
        self.offer_events();
        let result = result.map(|()| Finished { position, group });
        for waiting in waiting {
            let _ = waiting.send(result.clone());
        }
    }

    /// Hands over events while there is room for them.
    fn offer_events(&mut self) {
        let Some(events) = &self.events else { return };
        while let Some(event) = self.waiting_events.pop_front() {
            match events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.waiting_events.push_front(event),
                Err(TrySendError::Closed(_)) => {
                    self.waiting_events.clear();
                    self.events = None;
                    return;
                }
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
async fn room(events: &Option<mpsc::Sender<Event>>) {
    if let Some(events) = events {
        let _ = events.reserve().await;
    }
}
