//! What attackers have overheard, and the tokens that they have got.

use std::collections::{BTreeMap, VecDeque};

use phoenix_core::{
    client::LentKeys,
    crypto::tokens::{Token, TokenPublicKey},
    identifiers::Domain,
    rng::Random,
    time::Timestamp,
    wire::{
        auth_service::{GetTokenKeys, GetTokenKeysReply},
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::ClientQueueConfig,
        federation::Frame,
        operations::{OperationKind, Request, RequestBody},
    },
};

use super::attempt::{Attempt, AttemptId};

/// How many requests of each kind attackers remember, and how many frames.
const MAX_REMEMBERED: usize = 24;

/// The attackers of a world, who share what they know.
pub struct Malice {
    pub(super) random: Random,
    /// The domains of all homeservers, in the world's order.
    pub(super) domains: Vec<Domain>,
    pub(super) heard: BTreeMap<OperationKind, VecDeque<Heard>>,
    pub(super) frames: VecDeque<Frame>,
    /// The keys that each homeserver issues tokens under.
    pub(super) token_keys: BTreeMap<Domain, Vec<TokenPublicKey>>,
    /// The tokens of each lender, by the homeserver that has issued them.
    pub(super) tokens: BTreeMap<(usize, Domain), Vec<Token>>,
    /// The homeserver whose tokens an attack has lacked.
    pub(super) lacking: Option<Domain>,
    /// The configuration that deliveries to the founder of a group are led through, and the user whose it is.
    pub(super) sibling: Option<(usize, ClientQueueConfig)>,
    under_way: BTreeMap<AttemptId, Attempt>,
    next: u64,
}

/// A user who lends its keys.
pub struct Lender {
    /// The index of the user.
    pub user: usize,
    /// The domain of its homeserver.
    pub domain: Domain,
    /// Its keys as they are now.
    pub keys: LentKeys,
}

/// A user's request, as it was on its way.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// The index of the user.
    pub user: usize,
    /// The index of the homeserver.
    pub to: usize,
    pub at: Timestamp,
    pub kind: OperationKind,
    pub envelope: RequestEnvelope,
    pub request: Request,
    /// Whether it was served. `None`: no answer was overheard.
    pub served: Option<bool>,
}

impl Malice {
    /// Creates attackers who know nothing yet.
    pub fn new(domains: Vec<Domain>, random: Random) -> Self {
        Self {
            random,
            domains,
            heard: BTreeMap::new(),
            frames: VecDeque::new(),
            token_keys: BTreeMap::new(),
            tokens: BTreeMap::new(),
            lacking: None,
            sibling: None,
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

    /// Adds tokens that were issued to a lender.
    pub fn receive(&mut self, lender: usize, victim: usize, tokens: Vec<Token>) {
        self.tokens.entry((lender, self.domains[victim].clone())).or_default().extend(tokens);
    }

    /// Reads a request on its way to the homeserver with index `to`. `user` is the index of the user who sent
    /// it; `None` for a homeserver.
    pub fn overhear(&mut self, user: Option<usize>, to: usize, at: Timestamp, bytes: &[u8]) {
        let Ok((kind, envelope)) = RequestEnvelope::read(bytes) else { return };
        let Ok(request) = Request::read(kind, envelope.body.as_slice()) else { return };
        if let Request::EnqueueFederated(body) = request {
            remember(&mut self.frames, body.frame);
            return;
        }
        let Some(user) = user else { return };
        let of_kind = self.heard.entry(kind).or_default();
        // A repetition is nothing new.
        if !of_kind.iter().any(|heard| heard.envelope == envelope) {
            remember(of_kind, Heard { user, to, at, kind, envelope, request, served: None });
        }
    }

    /// Reads an answer on its way to the user who sent `request`.
    pub fn overhear_answer(&mut self, request: &[u8], answer: &[u8]) {
        let Ok((kind, envelope)) = RequestEnvelope::read(request) else { return };
        let served = ResponseEnvelope::refusal(answer).is_none();
        if kind == GetTokenKeys::KIND
            && let Ok(Ok(reply)) = ResponseEnvelope::read::<GetTokenKeysReply>(answer)
        {
            self.token_keys.insert(envelope.service_domain.clone(), reply.keys.into_vec());
        }
        let of_kind = self.heard.get_mut(&kind);
        let heard = of_kind.and_then(|heard| heard.iter_mut().find(|heard| heard.envelope == envelope));
        if let Some(heard) = heard {
            heard.served = Some(served);
        }
    }
}

fn remember<T>(items: &mut VecDeque<T>, item: T) {
    if items.len() == MAX_REMEMBERED {
        items.pop_front();
    }
    items.push_back(item);
}
