//! What attacks are made of: overheard requests that are made anew, signatures, tokens.

use std::time::Duration;

use phoenix_core::{
    client::LentGroup,
    codec::{Bytes, encode},
    crypto::{sign::SigningKey, tokens::Token},
    forgery::sign_request,
    identifiers::{Domain, GroupId, RequestId},
    time::Timestamp,
    wire::{
        delivery_service::GroupAccess,
        envelope::{RequestEnvelope, Sender},
        operations::{AuthenticationMode, OperationKind, Request, RequestBody},
    },
};

use super::{
    attempt::{Attempt, Expected, Standing},
    knowledge::{Heard, Lender, Malice},
};

/// What was overheard longer ago may be refused for its time before what is wrong with it is noticed.
const RECENT: Duration = Duration::from_secs(30 * 60);

/// A request that is made in the lender's own name, as its operation asks.
pub(super) struct Proved {
    pub envelope: RequestEnvelope,
    /// The membership that it is signed with, if it is with one.
    pub standing: Option<Standing>,
}

impl Proved {
    pub fn attempt(self, name: &'static str, lender: &Lender, to: usize, codes: &'static [u16]) -> Attempt {
        let Self { envelope, standing } = self;
        let expected = Expected::Refused(codes);
        Attempt { standing, ..Attempt::new(name, lender.user, to, &envelope, expected) }
    }
}

impl Malice {
    /// Returns a random index below `count`.
    pub(super) fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.below(count as u64) as usize)
    }

    /// Returns an overheard request that is `wanted`: of a random kind, and a random one of that kind.
    pub(super) fn heard(&mut self, wanted: impl Fn(&Heard) -> bool) -> Option<Heard> {
        let kinds = self.heard.iter().filter(|(_, heard)| heard.iter().any(&wanted));
        let kinds: Vec<OperationKind> = kinds.map(|(kind, _)| *kind).collect();
        let kind = kinds[self.pick(kinds.len())?];
        let found: Vec<Heard> = self.heard[&kind].iter().filter(|heard| wanted(heard)).cloned().collect();
        let index = self.pick(found.len())?;
        found.into_iter().nth(index)
    }

    /// As [`heard`](Self::heard), of one kind.
    pub(super) fn heard_of(&mut self, kind: OperationKind, wanted: impl Fn(&Heard) -> bool) -> Option<Heard> {
        self.heard(|heard| heard.kind == kind && wanted(heard))
    }

    /// Returns the index of the homeserver of `domain`.
    pub(super) fn index(&self, domain: &Domain) -> Option<usize> {
        self.domains.iter().position(|other| other == domain)
    }

    /// Returns an honest homeserver other than the one with index `than`.
    pub(super) fn another(&mut self, than: usize) -> Option<usize> {
        let honest = self.domains.len() - 1;
        let others: Vec<usize> = (0..honest).filter(|index| *index != than).collect();
        Some(others[self.pick(others.len())?])
    }

    /// Returns a request with a body of its own, that is new and not signed.
    pub(super) fn request<B: RequestBody>(
        &mut self,
        to: usize,
        now: Timestamp,
        body: &B,
    ) -> Option<RequestEnvelope> {
        let id = RequestId::random(&mut self.random);
        RequestEnvelope::to(self.domains[to].clone(), now, id, body).unsigned().ok()
    }

    /// Returns a request made anew: of `now`, under a new id, without token and signature.
    pub(super) fn anew(&mut self, envelope: &RequestEnvelope, now: Timestamp) -> RequestEnvelope {
        let request_id = RequestId::random(&mut self.random);
        RequestEnvelope { timestamp: now, request_id, token: None, authentication: None, ..envelope.clone() }
    }

    /// Returns a token of the lender that was not used yet.
    pub(super) fn token(&mut self, lender: &Lender, to: usize) -> Option<Token> {
        let domain = self.domains[to].clone();
        let stock = self.tokens.get_mut(&(lender.user, domain.clone()));
        let token = stock.and_then(Vec::pop);
        if token.is_none() {
            self.lacking = Some(domain);
        }
        token
    }
}

impl Heard {
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now - self.at < RECENT
    }

    pub fn is_signed(&self) -> bool {
        self.envelope.authentication.is_some()
    }

    pub fn is_of(&self, lender: &Lender) -> bool {
        self.user == lender.user
    }
}

impl Lender {
    /// Returns the group with this id, if the lender is in it.
    pub(super) fn group(&self, id: &GroupId) -> Option<&LentGroup> {
        self.keys.groups.iter().find(|group| group.group_id == *id)
    }

    /// The name and the key of the lender's client at authentication services.
    pub(super) fn client(&self) -> (Sender, &SigningKey) {
        (Sender::Client(self.keys.credential.fingerprint()), &self.keys.client_key)
    }

    /// The name and the key of the lender's client at its queuing service.
    pub(super) fn queue(&self) -> (Sender, &SigningKey) {
        (Sender::QsClient(self.keys.qs_client), &self.keys.queue_key)
    }

    /// Returns a key of the lender for this kind of sender, though not the sender's own.
    pub(super) fn key_for(&self, sender: &Sender) -> &SigningKey {
        match sender {
            Sender::QsClient(_) | Sender::QsUser(_) => &self.keys.queue_key,
            Sender::Leaf(_) => {
                self.keys.groups.first().map_or(&self.keys.client_key, |group| &group.leaf_key)
            }
            Sender::Client(_) | Sender::KeyPackage(_) => &self.keys.client_key,
        }
    }

    /// Makes the request provably the lender's own, as its operation asks. `None` if the lender cannot.
    pub(super) fn prove(&self, mut envelope: RequestEnvelope) -> Option<Proved> {
        let kind = OperationKind::from_code(envelope.operation)?;
        let mut standing = None;
        match kind.rules().authentication {
            AuthenticationMode::None | AuthenticationMode::FriendshipToken | AuthenticationMode::GroupKey => {
            }
            AuthenticationMode::ClientCredential
            | AuthenticationMode::FederatedCredential
            | AuthenticationMode::PendingCredential => sign(&mut envelope, self.client()),
            AuthenticationMode::QsClient => sign(&mut envelope, self.queue()),
            AuthenticationMode::Leaf | AuthenticationMode::LeafOrGroupKey => {
                let request = Request::read(kind, envelope.body.as_slice()).ok()?;
                let group = self.group(&group_of(&request)?.group_id)?;
                standing = Some(Standing::of(group)?);
                sign(&mut envelope, (Sender::Leaf(group.leaf), &group.leaf_key));
            }
            AuthenticationMode::KeyPackage | AuthenticationMode::PeerFrame => return None,
        }
        Some(Proved { envelope, standing })
    }
}

/// Signs a request as it is.
pub(super) fn sign(envelope: &mut RequestEnvelope, (sender, key): (Sender, &SigningKey)) {
    sign_request(envelope, &sender, key);
}

/// Returns `envelope` with another body, unsigned as it may then be.
pub(super) fn with_body<B: RequestBody>(envelope: RequestEnvelope, body: &B) -> Option<RequestEnvelope> {
    Some(RequestEnvelope { operation: B::KIND.code(), body: Bytes::new(encode(body)).ok()?, ..envelope })
}

/// Returns how a request opens its group, if it is for one.
pub(super) fn group_of(request: &Request) -> Option<&GroupAccess> {
    match request {
        Request::CreateGroup(body) => Some(&body.group),
        Request::WelcomeInfo(body) => Some(&body.group),
        Request::ExternalCommitInfo(body) => Some(&body.group),
        Request::JoinConnectionGroup(body) => Some(&body.group),
        Request::AddUsers(body) => Some(&body.group),
        Request::UpdateClient(body) => Some(&body.group),
        Request::SendMessage(body) => Some(&body.group),
        Request::UpdateQueueInfo(body) => Some(&body.group),
        _ => None,
    }
}

/// Returns how members of `group` open it.
pub(super) fn access(group: &LentGroup) -> GroupAccess {
    GroupAccess { group_id: group.group_id.clone(), group_key: group.group_key.clone() }
}
