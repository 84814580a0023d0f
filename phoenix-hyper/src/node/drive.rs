//! One operation, from acceptance to effects.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use phoenix_core::{
    dispatch::Input,
    operation::{Effect, Operation, Outcome, Step, Timer},
    store::Settlement,
    wire::{envelope::ResponseEnvelope, operations::OperationKind},
};
use tokio::sync::SemaphorePermit;
use tracing::Instrument;

use super::{
    environment::{Environment, Observation},
    lanes::Place,
    limits::overloaded,
    state::{Inner, Node},
};
use crate::store::{NodeEvent, Notification, Store};

/// The longest wait before an operation retries after a conflict; each wait is a random part of it.
const LONGEST_RETRY_WAIT: Duration = Duration::from_millis(8);

/// The outcome of an operation's commits.
#[derive(Default)]
pub(super) struct Commits {
    committed: bool,
    /// The number of conflicts and unknown outcomes.
    retries: u32,
}

/// Counts an operation as under way for as long as it lives.
struct UnderWay<'a, S, E>(&'a Inner<S, E>);

impl<'a, S, E> UnderWay<'a, S, E> {
    fn new(inner: &'a Inner<S, E>) -> Self {
        inner.under_way.fetch_add(1, Ordering::AcqRel);
        Self(inner)
    }
}

impl<S, E> Drop for UnderWay<'_, S, E> {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.finished.notify_one();
        }
    }
}

/// The operation that a request asks for, if the code is an operation's.
fn kind(input: Input<'_>) -> Option<OperationKind> {
    match input {
        // Version, then the operation's code.
        Input::Request([_, _, high, low, ..]) => OperationKind::from_code(u16::from_be_bytes([*high, *low])),
        Input::Request(_) | Input::Timer(_) => None,
    }
}

impl<S: Store, E: Environment> Node<S, E> {
    /// Runs an operation to its end, when its lane's turn comes. Refuses the request if the lane is full.
    pub(super) async fn run(&self, input: Input<'_>) -> (Option<Vec<u8>>, Vec<Effect>) {
        let span = match input {
            Input::Request(_) => {
                tracing::debug_span!("request", operation = kind(input).map(tracing::field::debug))
            }
            Input::Timer(Timer::Distribute(_)) => tracing::debug_span!("timer", timer = "distribute"),
            Input::Timer(Timer::Deliver(_)) => tracing::debug_span!("timer", timer = "deliver"),
            Input::Timer(Timer::Sweep) => tracing::debug_span!("timer", timer = "sweep"),
        };
        self.run_in_turn(input).instrument(span).await
    }

    async fn run_in_turn(&self, input: Input<'_>) -> (Option<Vec<u8>>, Vec<Effect>) {
        let inner = &*self.0;
        let _under_way = UnderWay::new(inner);
        let begun = Instant::now();
        let environment = &inner.environment;
        let mut operation = inner.homeserver.accept(input, environment.now(), environment.seed());
        let request = matches!(input, Input::Request(_));
        let Some(place) = inner.lanes.enter(operation.lane(), request) else {
            let reply = overloaded();
            self.observe(input, Some(&reply), begun.elapsed(), Commits::default());
            return (Some(reply), Vec::new());
        };
        let mut turn = Some(place.turn().await);
        let (Outcome { reply, effects }, commits) = self.drive(&mut operation, request, &mut turn).await;
        for effect in &effects {
            self.carry_out(effect);
        }
        self.observe(input, reply.as_deref(), begun.elapsed(), commits);
        (reply, effects)
    }

    /// Reports to the environment how an operation went.
    pub(super) fn observe(
        &self,
        input: Input<'_>,
        reply: Option<&[u8]>,
        elapsed: Duration,
        commits: Commits,
    ) {
        self.0.environment.observe(&Observation {
            request: matches!(input, Input::Request(_)),
            operation: kind(input),
            refusal: reply.and_then(ResponseEnvelope::refusal).map(|refusal| refusal.code()),
            committed: commits.committed,
            elapsed,
            retries: commits.retries,
        });
    }

    fn carry_out(&self, effect: &Effect) {
        let inner = &self.0;
        match effect {
            Effect::Wake { timer, due } => {
                self.publish(NodeEvent::Wake { timer: timer.clone(), due: *due });
                inner.schedules.wake(timer.clone(), *due);
            }
            Effect::Signal(client) => {
                self.publish(NodeEvent::Signal(*client));
                inner.listeners.signal(*client);
            }
            Effect::Report(report) => inner.environment.report(report.clone()),
            // Node::listen handles this one.
            Effect::Listening(_) => {}
        }
    }

    fn publish(&self, event: NodeEvent) {
        self.0.store.publish(Notification { from: self.0.homeserver.config().node, event });
    }

    /// Drives an operation to its outcome.
    async fn drive<'a>(
        &'a self,
        operation: &mut Operation,
        request: bool,
        turn: &mut Option<Place<'a>>,
    ) -> (Outcome, Commits) {
        let inner = &self.0;
        let mut commits = Commits::default();
        let mut permit = self.permit().await;
        loop {
            match operation.poll() {
                Step::Read(reads) => match inner.store.read(reads).await {
                    Ok(rows) => operation.supply(rows),
                    Err(error) => {
                        tracing::error!(%error, "a read failed");
                        operation.give_up();
                    }
                },
                Step::Ask(ask) => {
                    // Other operations proceed while this one waits for the network.
                    drop(permit.take());
                    // A request leaves its lane, too: a group does not wait for another homeserver. If rows
                    // have changed by then, the commit finds out. A stream waits for its own peer.
                    if request {
                        drop(turn.take());
                    }
                    let node = self.clone();
                    let send = |ask| async move { node.0.environment.ask(ask).await };
                    operation.answer(inner.peer_requests.ask(ask, send).await);
                    if request && let Some(place) = inner.lanes.enter(operation.lane(), false) {
                        *turn = Some(place.turn().await);
                    }
                    permit = self.permit().await;
                }
                Step::Commit(commit) => {
                    let settlement = inner.store.commit(commit).await;
                    commits.committed = settlement == Settlement::Committed;
                    if !commits.committed {
                        commits.retries += 1;
                        self.wait_before_retry().await;
                    }
                    operation.settle(settlement);
                }
                Step::Done(outcome) => return (outcome, commits),
            }
        }
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.operations.acquire().await.ok()
    }

    /// Waits a random time, so that two nodes that conflicted over a row do not conflict again.
    async fn wait_before_retry(&self) {
        let part = u32::from(self.0.environment.seed()[0]);
        tokio::time::sleep(LONGEST_RETRY_WAIT * part / 256).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use phoenix_core::{
        codec::encode,
        config::Config,
        error::{PeerFailure, Refusal},
        homeserver::Homeserver,
        identifiers::{Domain, RequestId, UserId, UserUuid},
        keys::ServiceKeys,
        operation::{Ask, Report},
        rng::Random,
        store::{Commit, Reads, commit::Rows},
        time::Timestamp,
        wire::{
            auth_service::GetConnectionPackage, envelope::RequestEnvelope, operations::RequestBody,
            queuing_service::GetQsKeys,
        },
    };
    use tokio::{runtime::Handle, sync::mpsc};

    use super::*;
    use crate::{
        node::NodeLimits,
        store::{MemoryStore, StoreError},
    };

    /// Forwards observations to the test.
    struct Recorder(mpsc::UnboundedSender<Observation>);

    impl Environment for Recorder {
        fn now(&self) -> Timestamp {
            Timestamp::from_milliseconds(1_800_000_000_000)
        }

        fn seed(&self) -> [u8; 32] {
            [1; 32]
        }

        async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
            Err(PeerFailure::NoAnswer)
        }

        fn report(&self, _: Report) {}

        fn observe(&self, observation: &Observation) {
            self.0.send(*observation).unwrap();
        }
    }

    /// A store whose first commit ends in a conflict, or whose reads panic.
    #[derive(Default)]
    struct Difficult {
        store: MemoryStore,
        conflicted: AtomicBool,
        panics: bool,
    }

    impl Store for Difficult {
        async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
            assert!(!self.panics, "a planted defect");
            self.store.read(reads).await
        }

        async fn commit(&self, commit: Commit) -> Settlement {
            match self.conflicted.swap(true, Ordering::AcqRel) {
                false => Settlement::Conflict,
                true => self.store.commit(commit).await,
            }
        }
    }

    type World = (Node<Difficult, Recorder>, mpsc::UnboundedReceiver<Observation>);

    fn world(store: Difficult, requests: usize) -> World {
        let (sender, observations) = mpsc::unbounded_channel();
        let (domain, recorder) = (domain(), Recorder(sender));
        let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), recorder.now());
        let homeserver = Homeserver::new(Config::new(domain), keys);
        let limits = NodeLimits { requests, ..NodeLimits::default() };
        (Node::new(homeserver, store, recorder, limits, Handle::current()), observations)
    }

    fn domain() -> Domain {
        "example.com".parse().unwrap()
    }

    fn request<B: RequestBody>(node: &Node<Difficult, Recorder>, body: &B) -> Vec<u8> {
        encode(
            &RequestEnvelope::to(domain(), node.environment().now(), RequestId([3; 16]), body)
                .unsigned()
                .unwrap(),
        )
    }

    #[tokio::test]
    async fn observations_name_operation_and_refusal() {
        let (node, mut observations) = world(Difficult::default(), 10);
        let mut observed = async |request| {
            node.serve(request).await;
            let Observation { request, operation, refusal, .. } = observations.recv().await.unwrap();
            assert!(request);
            (operation, refusal)
        };
        let keys = request(&node, &GetQsKeys {});
        assert_eq!(observed(keys.clone()).await, (Some(OperationKind::GetQsKeys), None));
        let user_id = UserId { uuid: UserUuid([7; 16]), domain: domain() };
        let package = request(&node, &GetConnectionPackage { user_id });
        let expected = (Some(OperationKind::GetConnectionPackage), Some(Refusal::TokenNeeded.code()));
        assert_eq!(observed(package).await, expected);
        let unknown = [&[0, 1, 0xff, 0xff], &keys[4..]].concat();
        assert_eq!(observed(unknown).await, (None, Some(Refusal::UnknownOperation.code())));
        assert_eq!(observed(Vec::new()).await, (None, Some(Refusal::Malformed.code())));
    }

    #[tokio::test]
    async fn a_request_that_is_not_admitted_is_observed_too() {
        let (node, mut observations) = world(Difficult::default(), 0);
        let overloaded = Refusal::Unavailable { retry_after_milliseconds: 1000 };
        let answer = node.serve(request(&node, &GetQsKeys {})).await;
        assert_eq!(ResponseEnvelope::refusal(&answer), Some(overloaded.clone()));
        let observation = observations.recv().await.unwrap();
        assert_eq!(observation.refusal, Some(overloaded.code()));
    }

    #[tokio::test]
    async fn failed_commits_are_counted() {
        let (node, mut observations) = world(Difficult::default(), 10);
        node.start();
        let observation = observations.recv().await.unwrap();
        assert!(!observation.request && observation.committed);
        assert_eq!((observation.operation, observation.retries), (None, 1));
    }

    /// A defect costs one request; its place is free again for the next.
    #[tokio::test]
    async fn a_panic_is_refused_and_leaves_nothing_behind() {
        let (node, mut observations) = world(Difficult { panics: true, ..Difficult::default() }, 1);
        let user_id = UserId { uuid: UserUuid([7; 16]), domain: domain() };
        for _ in 0..3 {
            // Needs no row, so the defect does not touch it.
            let answer = node.serve(request(&node, &GetQsKeys {})).await;
            assert_eq!(ResponseEnvelope::refusal(&answer), None);
            assert_eq!(observations.recv().await.unwrap().refusal, None);
            let answer = node.serve(request(&node, &GetConnectionPackage { user_id: user_id.clone() })).await;
            assert_eq!(ResponseEnvelope::refusal(&answer), Some(Refusal::Internal));
            let observation = observations.recv().await.unwrap();
            assert_eq!(observation.operation, Some(OperationKind::GetConnectionPackage));
            assert_eq!(observation.refusal, Some(Refusal::Internal.code()));
        }
        assert_eq!(node.under_way(), 0);
    }
}
