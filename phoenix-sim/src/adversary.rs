//! A dishonest homeserver: it has a domain and valid, published keys of its own, hears everything that is said,
//! and uses both to deliver what nobody authorised.
//!
//! That it hears requests in the clear is more than transport security lets anybody have.

use std::collections::{BTreeMap, VecDeque};

use phoenix_core::{
    codec::decode,
    config::Config,
    credentials::{KeyId, PublishedHpkeKey, QsKeySet},
    crypto::{provider::MlsCrypto, tokens::Token},
    identifiers::{Domain, GroupId},
    keys::ServiceKeys,
    mls,
    rng::Random,
    time::{DAY, Timestamp},
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope, ResponseOutcome},
        fan_out::ClientQueueConfig,
        operations::{AuthenticationMode, OperationKind, Request},
    },
};

use crate::{clock::START, world::Server};

mod attempts;
mod frames;

/// Names an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// Something that it tries.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What kind of thing it is.
    pub name: &'static str,
    /// The homeserver that it is tried on.
    pub victim: usize,
    /// The request.
    pub request: Vec<u8>,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It is refused with one of these codes.
    Refused(&'static [u16]),
    /// It may be accepted, or refused, and changes nothing: it repeats what was said before.
    NoEffect,
    /// The frame is in order, but what it carries is for a client that has not authorised it.
    Undelivered(Intrusion),
}

/// Something for a client that has not authorised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intrusion {
    /// In the name of this group, which only the attacker knows of.
    pub group: GroupId,
    /// The user it is aimed at.
    pub user: usize,
    /// Whether the client is to find a marker.
    pub marker: bool,
}

/// A homeserver as everybody can see it.
struct Peer {
    domain: Domain,
    queuing_key: Option<KeyId>,
    stream_key: Option<PublishedHpkeKey>,
}

/// A frame that was overheard.
struct Frame {
    destination: usize,
    heard: Timestamp,
    request: Vec<u8>,
}

/// A queue configuration that was overheard.
struct Stolen {
    user: usize,
    config: ClientQueueConfig,
}

/// The dishonest homeserver's own mind.
pub struct Adversary {
    domain: Domain,
    keys: ServiceKeys,
    random: Random,
    peers: Vec<Peer>,
    frames: VecDeque<Frame>,
    stolen: VecDeque<Stolen>,
    spent: VecDeque<(usize, RequestEnvelope, Token)>,
    requests: VecDeque<(usize, Vec<u8>)>,
    under_way: BTreeMap<AttemptId, Attempt>,
    next: u64,
}

/// How much it remembers of each kind.
const MEMORY: usize = 32;

impl Adversary {
    /// The last of the homeservers, gone bad.
    pub fn new(servers: &[Server], random: Random) -> Self {
        let last = &servers[servers.len() - 1];
        let peer = |server: &Server| {
            let keys = published(server);
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
            stolen: VecDeque::new(),
            spent: VecDeque::new(),
            requests: VecDeque::new(),
            under_way: BTreeMap::new(),
            next: 0,
        }
    }

    /// How many attempts have no outcome yet.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Notes that an attempt begins.
    pub fn begin(&mut self, attempt: Attempt) -> AttemptId {
        let id = AttemptId(self.next);
        self.next += 1;
        self.under_way.insert(id, attempt);
        id
    }

    /// Takes back the attempt that has an outcome.
    pub fn end(&mut self, id: AttemptId) -> Option<Attempt> {
        self.under_way.remove(&id)
    }

    /// A request passes by, from `user` if it is a user's.
    pub fn overhear(&mut self, user: Option<usize>, to: usize, now: Timestamp, bytes: &[u8]) {
        let Ok((kind, envelope)) = RequestEnvelope::read(bytes) else { return };
        let Ok(request) = Request::read(kind, envelope.body.as_slice()) else { return };
        if kind == OperationKind::EnqueueFederated {
            remember(&mut self.frames, Frame { destination: to, heard: now, request: bytes.to_vec() });
        }
        let Some(user) = user else { return };
        remember(&mut self.requests, (to, bytes.to_vec()));
        let configs = match request {
            Request::CreateGroup(body) => vec![body.queue_config],
            Request::JoinConnectionGroup(body) => vec![body.queue_config],
            Request::UpdateQueueInfo(body) => vec![body.queue_config],
            Request::PublishKeyPackages(body) => {
                let packages = body.packages.iter();
                packages.filter_map(|package| unbound_config(package.key_package.as_slice(), now)).collect()
            }
            _ => Vec::new(),
        };
        for config in configs {
            remember(&mut self.stolen, Stolen { user, config });
        }
    }

    /// An answer passes by.
    pub fn overhear_answer(&mut self, server: usize, request: &[u8], answer: &[u8]) {
        let Ok((kind, envelope)) = RequestEnvelope::read(request) else { return };
        let served = matches!(
            decode::<ResponseEnvelope>(answer),
            Ok(ResponseEnvelope { outcome: ResponseOutcome::Reply(_), .. })
        );
        // Without a signature, nothing but the token says that the request may be made.
        let unsigned = kind.rules().authentication == AuthenticationMode::None;
        if served
            && unsigned
            && let Some(token) = envelope.token.clone()
        {
            let _ = server;
            let at = self.peers.iter().position(|peer| peer.domain == envelope.service_domain);
            if let Some(at) = at {
                remember(&mut self.spent, (at, envelope, token));
            }
        }
    }
}

fn remember<T>(memory: &mut VecDeque<T>, what: T) {
    if memory.len() == MEMORY {
        memory.pop_front();
    }
    memory.push_back(what);
}

fn published(server: &Server) -> Option<QsKeySet> {
    let Config { times, .. } = &server.config;
    server.keys().qs_key_set(&server.domain, START, times.key_set.min(DAY)).ok()
}

/// The queue configuration in a key package: good for Welcomes, and nothing else.
fn unbound_config(key_package: &[u8], now: Timestamp) -> Option<ClientQueueConfig> {
    let crypto = MlsCrypto::new([0; 32]);
    let view = mls::validate_key_package(&crypto, key_package, now.seconds()).ok()?;
    decode(&view.queue_config).ok()
}
