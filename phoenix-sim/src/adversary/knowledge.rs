//! What the dishonest homeserver has of its own and what it has overheard.

use std::collections::{BTreeMap, VecDeque};

use phoenix_core::{
    codec::decode,
    config::Config,
    credentials::{KeyId, PublishedHpkeKey, QsKeySet},
    crypto::tokens::Token,
    forgery::unbound_config,
    identifiers::Domain,
    keys::ServiceKeys,
    rng::Random,
    time::{DAY, Timestamp},
    wire::{
        delivery_service::{CreateGroup, JoinConnectionGroup, UpdateQueueInfo},
        envelope::{RequestEnvelope, ResponseEnvelope, ResponseOutcome},
        fan_out::ClientQueueConfig,
        operations::{AuthenticationMode, OperationKind, Request},
    },
};

use super::attempt::{Attempt, AttemptId};
use crate::server::Server;

/// How many items of each kind it remembers.
const MAX_REMEMBERED: usize = 32;

/// The dishonest homeserver. It takes the domain and the keys of the last homeserver of a world.
pub struct Adversary {
    pub(super) domain: Domain,
    pub(super) keys: ServiceKeys,
    pub(super) random: Random,
    /// All homeservers in the world's order, its own last.
    pub(super) peers: Vec<Peer>,
    pub(super) frames: VecDeque<OverheardFrame>,
    pub(super) requests: VecDeque<OverheardRequest>,
    pub(super) stolen: VecDeque<StolenConfig>,
    pub(super) spent: VecDeque<SpentToken>,
    under_way: BTreeMap<AttemptId, Attempt>,
    next: u64,
}

/// What every homeserver publishes.
pub(super) struct Peer {
    pub domain: Domain,
    pub queuing_key: Option<KeyId>,
    pub stream_key: Option<PublishedHpkeKey>,
}

/// A request that carries a frame.
pub(super) struct OverheardFrame {
    /// The index of the homeserver that it was sent to.
    pub destination: usize,
    pub heard_at: Timestamp,
    pub request: Vec<u8>,
}

/// A user's request.
pub(super) struct OverheardRequest {
    /// The index of the homeserver that it was sent to.
    pub destination: usize,
    pub request: Vec<u8>,
}

/// A queue configuration that a user made for others.
pub(super) struct StolenConfig {
    /// The index of the user.
    pub user: usize,
    pub config: ClientQueueConfig,
}

/// A token that a homeserver has redeemed, and the request that it paid for.
pub(super) struct SpentToken {
    /// The index of the homeserver.
    pub spent_at: usize,
    pub envelope: RequestEnvelope,
    pub token: Token,
}

impl Adversary {
    /// Creates the adversary in the place of the last of `servers`.
    pub fn new(servers: &[Server], random: Random) -> Self {
        let last = &servers[servers.len() - 1];
        let peer = |server: &Server| {
            let keys = published_keys(server);
            Peer {
                domain: server.domain.clone(),
                queuing_key: keys.as_ref().and_then(|keys| keys.content.keys.first().map(|key| key.id)),
                stream_key: keys.and_then(|keys| keys.content.stream_keys.first().cloned()),
            }
        };
        Self {
            domain: last.domain.clone(),
            keys: last.keys(),
            random,
            peers: servers.iter().map(peer).collect(),
            frames: VecDeque::new(),
            requests: VecDeque::new(),
            stolen: VecDeque::new(),
            spent: VecDeque::new(),
            under_way: BTreeMap::new(),
            next: 0,
        }
    }

    /// Returns how many attempts have begun and have no outcome yet.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Records that an attempt has begun.
    pub fn begin(&mut self, attempt: Attempt) -> AttemptId {
        let id = AttemptId(self.next);
        self.next += 1;
        self.under_way.insert(id, attempt);
        id
    }

    /// Returns the attempt, which has an outcome now. `None` if it had one before.
    pub fn end(&mut self, id: AttemptId) -> Option<Attempt> {
        self.under_way.remove(&id)
    }

    /// Reads a request on its way to the homeserver with index `to`. `user` is the index of the user who sent
    /// it; `None` for a homeserver.
    pub fn overhear(&mut self, user: Option<usize>, to: usize, now: Timestamp, bytes: &[u8]) {
        let Ok((kind, envelope)) = RequestEnvelope::read(bytes) else { return };
        let Ok(request) = Request::read(kind, envelope.body.as_slice()) else { return };
        if kind == OperationKind::EnqueueFederated {
            let frame = OverheardFrame { destination: to, heard_at: now, request: bytes.to_vec() };
            remember(&mut self.frames, frame);
        }
        let Some(user) = user else { return };
        remember(&mut self.requests, OverheardRequest { destination: to, request: bytes.to_vec() });
        for config in queue_configs(request, now) {
            remember(&mut self.stolen, StolenConfig { user, config });
        }
    }

    /// Reads an answer on its way to the user who sent `request`.
    pub fn overhear_answer(&mut self, request: &[u8], answer: &[u8]) {
        let Ok((kind, envelope)) = RequestEnvelope::read(request) else { return };
        let served = matches!(
            decode::<ResponseEnvelope>(answer),
            Ok(ResponseEnvelope { outcome: ResponseOutcome::Reply(_), .. })
        );
        // Of an unsigned request the token is the only authorisation, so a new one can be made around it.
        let unsigned = kind.rules().authentication == AuthenticationMode::None;
        if served
            && unsigned
            && let Some(token) = envelope.token.clone()
            && let Some(spent_at) = self.peers.iter().position(|peer| peer.domain == envelope.service_domain)
        {
            remember(&mut self.spent, SpentToken { spent_at, envelope, token });
        }
    }
}

fn remember<T>(items: &mut VecDeque<T>, item: T) {
    if items.len() == MAX_REMEMBERED {
        items.pop_front();
    }
    items.push_back(item);
}

fn published_keys(server: &Server) -> Option<QsKeySet> {
    let Config { times, .. } = &server.config;
    server.keys().qs_key_set(&server.domain, server.since(), times.key_set.min(DAY)).ok()
}

/// Returns the queue configurations that a user's request carries.
fn queue_configs(request: Request, now: Timestamp) -> Vec<ClientQueueConfig> {
    if let Request::PublishKeyPackages(body) = &request {
        let packages = body.packages.iter();
        return packages.filter_map(|package| unbound_config(package.key_package.as_slice(), now)).collect();
    }
    let (Request::CreateGroup(CreateGroup { queue_config, .. })
    | Request::JoinConnectionGroup(JoinConnectionGroup { queue_config, .. })
    | Request::UpdateQueueInfo(UpdateQueueInfo { queue_config, .. })) = request
    else {
        return Vec::new();
    };
    vec![queue_config]
}
