//! What a peer that takes a request and never answers may cost.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use phoenix_core::{
    config::Config,
    credentials::KeyId,
    crypto::sign::Signature,
    error::PeerFailure,
    homeserver::Homeserver,
    identifiers::{Domain, StreamId},
    keys::ServiceKeys,
    operation::{Ask, Report},
    rng::Random,
    time::Timestamp,
    wire::federation::{EnqueueFederated, Frame, FrameContent, FramePayload, Skip},
};
use phoenix_hyper::{
    node::{Environment, Node, NodeLimits},
    store::MemoryStore,
};
use support::{TestEnvironment, domain, envelope, soon};
use tokio::{runtime::Handle, sync::Semaphore};

/// An environment in which requests to peers hang, and fail once that is allowed.
struct Hanging {
    asked: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Environment for Hanging {
    fn now(&self) -> Timestamp {
        TestEnvironment(None).now()
    }

    fn seed(&self) -> [u8; 32] {
        TestEnvironment(None).seed()
    }

    async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
        self.asked.add_permits(1);
        self.answers.acquire().await.unwrap().forget();
        Err(PeerFailure::NoAnswer)
    }

    fn report(&self, _: Report) {}
}

/// A node, with a permit for each request that it has sent, and one for each that may fail.
fn node(domain: &Domain) -> (Node<MemoryStore, Hanging>, Arc<Semaphore>, Arc<Semaphore>) {
    let (asked, answers) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let environment = Hanging { asked: Arc::clone(&asked), answers: Arc::clone(&answers) };
    let keys = ServiceKeys::generate(domain, &mut Random::from_seed([1; 32]), environment.now());
    let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
    let node =
        Node::new(homeserver, MemoryStore::default(), environment, NodeLimits::default(), Handle::current());
    (node, asked, answers)
}

/// A frame for `to` of a homeserver whose keys must be fetched.
fn frame(to: &Domain) -> Vec<u8> {
    let payload = FramePayload::Skip(Skip { from: 0, to: 1, dropped: Default::default() });
    let content = FrameContent {
        source: domain("b.localhost"),
        destination: to.clone(),
        stream_id: StreamId([1; 16]),
        timestamp: TestEnvironment(None).now(),
        key_id: KeyId([2; 8]),
        payload,
    };
    envelope(to, &EnqueueFederated { frame: Frame { content, signature: Signature([7; 64]) } })
}

#[tokio::test]
async fn a_share_is_held_until_the_operation_ends_even_if_the_client_hangs_up() {
    let domain = domain("a.localhost");
    let (node, asked, answers) = node(&domain);
    let held = Arc::new(());
    let serving = tokio::spawn({
        let (node, request, held) = (node.clone(), frame(&domain), Arc::clone(&held));
        async move { node.serve_holding(request, held).await }
    });
    soon(asked.acquire()).await.unwrap().forget();
    serving.abort();
    assert!(soon(serving).await.unwrap_err().is_cancelled());
    assert_eq!(Arc::strong_count(&held), 2, "the operation goes on");
    answers.add_permits(1);
    soon(node.drain()).await;
    soon(async {
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
