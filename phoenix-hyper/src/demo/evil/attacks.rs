//! The attacks. The attacker has valid, published keys of its own, and what its proxies have recorded.

use phoenix_core::{
    codec::{Codec, decode, encode},
    credentials::{KeyId, QsKeySet},
    error::Refusal,
    forgery::{FrameHeader, frame_request, receipt_for, unbound_config},
    identifiers::{Domain, GroupId, GroupUuid, RequestId},
    keys::ServiceKeys,
    rng::Random,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::ClientQueueConfig,
        federation::{EnqueueFederated, EnqueueFederatedReply, Frame},
        operations::{OperationKind, RequestBody, Service},
        queuing_service::{GetKeyPackage, GetKeyPackageReply, GetQsKeys},
    },
};

use super::{
    error::EvilError,
    orders::Verdict,
    tap::{Exchange, Record},
};
use crate::{environment::now, peers::Peers};

/// The two verdicts on a frame that was delivered twice.
pub struct Replay {
    /// The victim's answer to the last frame of the same stream.
    pub before: Verdict,
    /// The victim's answer to the repetition.
    pub now: Verdict,
}

/// The verdict on a queue configuration that was presented for another purpose.
pub struct Presentation {
    /// The group that it was presented for.
    pub group: GroupId,
    /// The victim's answer.
    pub verdict: Verdict,
}

/// A frame that passed by, with the exchange that carried it.
struct Seen {
    frame: Frame,
    exchange: Exchange,
}

/// The homeserver that a frame claims to come from, and the key that it claims to be signed with.
struct Claim {
    source: Domain,
    key_id: KeyId,
}

/// A fetch of key packages that passed by.
struct Fetched {
    request: RequestEnvelope,
    reply: GetKeyPackageReply,
}

/// The attacker: the keys, connections and records of the dishonest homeserver.
pub struct Attacker {
    pub domain: Domain,
    pub keys: ServiceKeys,
    /// Reaches homeservers directly, past the proxies.
    pub peers: Peers,
    pub record: Record,
    pub random: Random,
}

impl Attacker {
    /// Delivers a message to a client of `victim` in the name of `source`, under a key id of `source`.
    pub async fn forge_source(&mut self, source: &Domain, victim: &Domain) -> Result<Verdict, EvilError> {
        let theirs = self.keys_of(source).await?;
        let key_id = theirs.content.keys.first().ok_or(EvilError::Missing("a frame key"))?.id;
        let group = GroupId { uuid: GroupUuid(self.random.array()), domain: source.clone() };
        let claim = Claim { source: source.clone(), key_id };
        let frame = self.frame(victim, claim, &group).await?;
        self.deliver(victim, frame).await
    }

    /// Delivers a message of the attacker's own group to a client outside it, with a configuration that the
    /// client issued for invitations. The frame itself is valid.
    pub async fn present_configuration(&mut self, victim: &Domain) -> Result<Presentation, EvilError> {
        let ours = self.keys.queuing_key().map_err(|_| EvilError::Missing("keys of the attacker"))?;
        let group = GroupId { uuid: GroupUuid(self.random.array()), domain: self.domain.clone() };
        let claim = Claim { source: self.domain.clone(), key_id: ours.id };
        let frame = self.frame(victim, claim, &group).await?;
        Ok(Presentation { group, verdict: self.deliver(victim, frame).await? })
    }

    /// Repeats a frame of `source` that passed by on its way to `victim`, unchanged.
    pub async fn replay(&self, source: &Domain, victim: &Domain) -> Result<Replay, EvilError> {
        let frames: Vec<Seen> =
            self.frames_to(victim).into_iter().filter(|seen| seen.frame.content.source == *source).collect();
        let same_stream =
            |one: &Seen, other: &Seen| one.frame.content.stream_id == other.frame.content.stream_id;
        // A frame that others of its stream followed: a victim that accepts it goes back in the stream.
        let followed = |seen: &&Seen| frames.iter().filter(|other| same_stream(seen, other)).count() > 1;
        let first = frames.iter().find(followed).ok_or(EvilError::Missing("two frames of one stream"))?;
        let last = frames.iter().rev().find(|other| same_stream(first, other)).unwrap_or(first);
        let before = verdict_of_frame(&last.exchange.answer)?;
        let answer = self.peers.send(victim, Service::Queuing, first.exchange.request.clone()).await?;
        Ok(Replay { before, now: verdict_of_frame(&answer)? })
    }

    /// Delivers the last frame that `source` sent to the attacker's homeserver to `victim` instead.
    pub async fn redirect(&mut self, source: &Domain, victim: &Domain) -> Result<Verdict, EvilError> {
        let frames = self.frames_to(&self.domain.clone());
        let mut of_source = frames.into_iter().filter(|seen| seen.frame.content.source == *source);
        let Seen { frame, .. } =
            of_source.next_back().ok_or(EvilError::Missing("a frame for the attacker"))?;
        self.deliver(victim, frame).await
    }

    /// Sends a new request with a token that `victim` has redeemed before.
    pub async fn spend_again(&mut self, victim: &Domain) -> Result<Verdict, EvilError> {
        let Fetched { request, .. } = self.key_packages_of(victim)?;
        let again =
            RequestEnvelope { request_id: RequestId::random(&mut self.random), timestamp: now(), ..request };
        let answer = self.peers.send(victim, Service::Queuing, encode(&again)).await?;
        verdict::<GetKeyPackageReply>(&answer, |_| None)
    }

    /// Builds a frame with a message of `group` to the client whose configuration the attacker has.
    async fn frame(
        &mut self,
        victim: &Domain,
        Claim { source, key_id }: Claim,
        group: &GroupId,
    ) -> Result<Frame, EvilError> {
        let config = self.stolen_configuration(victim)?;
        let to = self.keys_of(victim).await?;
        let to = to.content.stream_keys.first().ok_or(EvilError::Missing("a stream key"))?;
        let request_id = RequestId::random(&mut self.random);
        let message = receipt_for(group.clone(), config, request_id, now());
        let header = FrameHeader { source, destination: victim.clone(), timestamp: now(), key_id };
        let ours = self.keys.queuing_key().map_err(|_| EvilError::Missing("keys of the attacker"))?;
        header
            .frame_with_message(&mut self.random, &message, to, ours.key)
            .map_err(|_| EvilError::Missing("a stream key that one can seal to"))
    }

    /// Delivers a frame to `victim` in a request of the attacker's.
    async fn deliver(&mut self, victim: &Domain, frame: Frame) -> Result<Verdict, EvilError> {
        let request = frame_request(victim, now(), RequestId::random(&mut self.random), frame)?;
        verdict_of_frame(&self.peers.send(victim, Service::Queuing, request).await?)
    }

    async fn keys_of(&mut self, domain: &Domain) -> Result<QsKeySet, EvilError> {
        let request = encode(
            &RequestEnvelope::to(domain.clone(), now(), RequestId::random(&mut self.random), &GetQsKeys {})
                .unsigned()?,
        );
        let answer = self.peers.send(domain, Service::Queuing, request).await?;
        Ok(ResponseEnvelope::read::<<GetQsKeys as RequestBody>::Reply>(&answer)??.keys)
    }

    /// The frames that passed by on their way to `domain`.
    fn frames_to(&self, domain: &Domain) -> Vec<Seen> {
        let exchanges = self.record.exchanges().into_iter().filter(|exchange| exchange.to == *domain);
        let frames = exchanges.filter_map(|exchange| {
            let (_, body) = request_of::<EnqueueFederated>(&exchange)?;
            Some(Seen { frame: body.frame, exchange })
        });
        frames.collect()
    }

    /// The fetch of key packages that mallory made at `domain`.
    fn key_packages_of(&self, domain: &Domain) -> Result<Fetched, EvilError> {
        let exchanges = self.record.exchanges();
        let fetched = exchanges.iter().filter(|exchange| exchange.to == *domain).find_map(|exchange| {
            let (request, _) = request_of::<GetKeyPackage>(exchange)?;
            let reply = ResponseEnvelope::read::<GetKeyPackageReply>(&exchange.answer).ok()?.ok()?;
            Some(Fetched { request, reply })
        });
        fetched.ok_or(EvilError::Missing("key packages"))
    }

    /// The queue configuration in a key package, issued for Welcomes only.
    fn stolen_configuration(&self, domain: &Domain) -> Result<ClientQueueConfig, EvilError> {
        let Fetched { reply, .. } = self.key_packages_of(domain)?;
        let package = reply.packages.first().ok_or(EvilError::Missing("key packages"))?;
        unbound_config(package.key_package.as_slice(), now()).ok_or(EvilError::Missing("a valid key package"))
    }
}

/// Decodes a recorded request, if its operation is that of `B`.
fn request_of<B: RequestBody>(exchange: &Exchange) -> Option<(RequestEnvelope, B)> {
    let (kind, envelope): (OperationKind, _) = RequestEnvelope::read(&exchange.request).ok()?;
    if kind != B::KIND {
        return None;
    }
    let body = decode(envelope.body.as_slice()).ok()?;
    Some((envelope, body))
}

fn verdict_of_frame(answer: &[u8]) -> Result<Verdict, EvilError> {
    verdict::<EnqueueFederatedReply>(answer, |reply| Some(reply.accepted_through))
}

fn verdict<R: Codec>(answer: &[u8], through: impl Fn(&R) -> Option<u64>) -> Result<Verdict, EvilError> {
    Ok(match ResponseEnvelope::read::<R>(answer)? {
        Ok(reply) => Verdict::Accepted { through: through(&reply) },
        Err(refusal) => refused(&refusal),
    })
}

fn refused(refusal: &Refusal) -> Verdict {
    Verdict::Refused { code: refusal.code(), reason: refusal.to_string() }
}
