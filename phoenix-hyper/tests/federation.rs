//! Two homeservers over real sockets: one fetches the keys of the other to check a frame.
#![allow(clippy::unwrap_used)]

mod support;

use phoenix_core::{
    credentials::KeyId,
    crypto::sign::Signature,
    error::Refusal,
    identifiers::{Domain, StreamId},
    wire::{
        envelope::ResponseEnvelope,
        federation::{EnqueueFederated, EnqueueFederatedReply, Frame, FrameContent, FramePayload, Skip},
        operations::{RequestBody, Service},
        queuing_service::GetQsKeys,
    },
};
use phoenix_hyper::{
    node::Environment, peers::Peers, server::ServerLimits, service::HttpService, tls::Identity,
};
use support::{Running, TestEnvironment, domain, envelope, key_request, node, reach};

/// A frame in the name of `source`, with an invalid signature.
fn forged(source: &Domain, destination: &Domain, key_id: KeyId) -> EnqueueFederated {
    let payload = FramePayload::Skip(Skip { from: 0, to: 1, dropped: Default::default() });
    let content = FrameContent {
        source: source.clone(),
        destination: destination.clone(),
        stream_id: StreamId([1; 16]),
        timestamp: TestEnvironment(None).now(),
        key_id,
        payload,
    };
    EnqueueFederated { frame: Frame { content, signature: Signature([7; 64]) } }
}

#[tokio::test]
async fn a_homeserver_fetches_the_keys_of_another() {
    let b = Running::start("b.localhost").await;
    let domain_a = domain("a.localhost");
    let identity = Identity::self_signed(&domain_a).unwrap();
    let service = HttpService::new(node(&domain_a, Some(b.peers())));
    let a = Running::at(([127, 0, 0, 1], 0).into(), identity, service, ServerLimits::default()).await;

    let peers = Peers::new(reach([(&a.domain, a.target()), (&b.domain, b.target())])).unwrap();
    let keys = peers.send(&b.domain, Service::Queuing, key_request(&b.domain)).await.unwrap();
    let keys = ResponseEnvelope::read::<<GetQsKeys as RequestBody>::Reply>(&keys).unwrap().unwrap();
    let key_id = keys.keys.content.keys[0].id;

    let deliver = async |frame| {
        let answer = peers.send(&a.domain, Service::Queuing, envelope(&a.domain, &frame)).await.unwrap();
        ResponseEnvelope::read::<EnqueueFederatedReply>(&answer).unwrap().unwrap_err()
    };
    // Only b's keys show that the signature is invalid.
    assert_eq!(deliver(forged(&b.domain, &a.domain, key_id)).await, Refusal::InvalidFrameSignature);
    // Without an answer from the source, the refusal says so.
    let gone = domain("c.localhost");
    let refusal = deliver(forged(&gone, &a.domain, key_id)).await;
    assert!(matches!(refusal, Refusal::PeerUnavailable { domain, .. } if domain == gone));
}
