//! What a dishonest homeserver tries. It has valid keys, published like everybody's, and what has passed by.

use phoenix_core::{
    credentials::QsKeySet,
    crypto::provider::MlsCrypto,
    error::Refusal,
    identifiers::{Domain, GroupId, RequestId},
    keys::ServiceKeys,
    mls::validate_key_package,
    operation::Service,
    rng::Random,
    wire::{
        codec::{Codec, decode, encode},
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Receipt, Recipient},
        federation::{EnqueueFederated, EnqueueFederatedReply, Frame},
        operations::{OperationKind, RequestBody},
        queuing_service::{GetKeyPackage, GetKeyPackageReply, GetQsKeys},
    },
};

use super::{
    EvilError, Verdict,
    frames::{self, Header},
    tap::{Exchange, Record},
};
use crate::{environment::now, peers::Peers};

/// The dishonest homeserver's own mind.
pub struct Attacker {
    pub domain: Domain,
    pub keys: ServiceKeys,
    /// Reaches everybody directly.
    pub peers: Peers,
    pub record: Record,
    pub random: Random,
}

impl Attacker {
    /// A message for `victim`'s client, delivered in the name of `source`, under that one's key id.
    pub async fn forge_source(&mut self, source: &Domain, victim: &Domain) -> Result<Verdict, EvilError> {
        let theirs = self.keys_of(source).await?;
        let key_id = theirs.content.keys.first().ok_or(EvilError::NothingHeard("a frame key"))?.id;
        let group = GroupId { uuid: self.random.array(), domain: source.clone() };
        let header = (source.clone(), key_id);
        let frame = self.frame(victim, header, &group).await?;
        self.deliver(victim, frame).await
    }

    /// A message of a group of our own, to a client that never heard of it, through a configuration that it made
    /// for others: the frame is as it should be.
    pub async fn present_configuration(&mut self, victim: &Domain) -> Result<(GroupId, Verdict), EvilError> {
        let (_, key_id) = self.keys.queuing_key().ok_or(EvilError::NothingHeard("our own keys"))?;
        let group = GroupId { uuid: self.random.array(), domain: self.domain.clone() };
        let header = (self.domain.clone(), key_id);
        let frame = self.frame(victim, header, &group).await?;
        Ok((group, self.deliver(victim, frame).await?))
    }

    /// The first frame of `source` that passed by on its way to `victim`, once more, as it was. The other verdict is
    /// what `victim` had answered to the last one of the same stream.
    pub async fn replay(&self, source: &Domain, victim: &Domain) -> Result<(Verdict, Verdict), EvilError> {
        let frames: Vec<(Frame, Exchange)> =
            self.frames_to(victim).into_iter().filter(|(frame, _)| frame.content.source == *source).collect();
        // One that others have followed: whoever takes it again, goes back behind them.
        let followed = |frame: &Frame| {
            let of_stream = |other: &&(Frame, Exchange)| other.0.content.stream_id == frame.content.stream_id;
            frames.iter().filter(of_stream).count() > 1
        };
        let (frame, exchange) = frames
            .iter()
            .find(|(frame, _)| followed(frame))
            .ok_or(EvilError::NothingHeard("two frames of one stream"))?;
        let of_stream = |other: &&(Frame, Exchange)| other.0.content.stream_id == frame.content.stream_id;
        let last = frames.iter().rev().find(of_stream).map_or(exchange, |(_, exchange)| exchange);
        let before = verdict_of_frame(&last.answer)?;
        let answer = self.peers.send(victim, Service::Queuing, exchange.request.clone()).await?;
        Ok((before, verdict_of_frame(&answer)?))
    }

    /// The last frame of `source` that came to us, carried to `victim`.
    pub async fn redirect(&mut self, source: &Domain, victim: &Domain) -> Result<Verdict, EvilError> {
        let frames = self.frames_to(&self.domain.clone());
        let mut of_source = frames.into_iter().filter(|(frame, _)| frame.content.source == *source);
        let (frame, _) = of_source.next_back().ok_or(EvilError::NothingHeard("a frame for us"))?;
        self.deliver(victim, frame).await
    }

    /// A new request with a token that `victim` has taken before.
    pub async fn spend_again(&mut self, victim: &Domain) -> Result<Verdict, EvilError> {
        let (_, request, _) = self.key_packages_of(victim)?;
        let again =
            RequestEnvelope { request_id: RequestId::random(&mut self.random), timestamp: now(), ..request };
        let answer = self.peers.send(victim, Service::Queuing, encode(&again)).await?;
        verdict::<GetKeyPackageReply>(&answer, |_| None)
    }

    /// A frame with a message of `group` to the client whose configuration we have.
    async fn frame(
        &mut self,
        victim: &Domain,
        (source, key_id): (Domain, phoenix_core::credentials::KeyId),
        group: &GroupId,
    ) -> Result<Frame, EvilError> {
        let config = self.stolen_configuration(victim)?;
        let to = self.keys_of(victim).await?;
        let to = to.content.stream_keys.first().ok_or(EvilError::NothingHeard("a stream key"))?;
        // Anything that is in order for the group that it names.
        let receipt = Receipt { request_id: RequestId::random(&mut self.random), epoch: 1 };
        let contents = vec![FanOutContent::Receipt(receipt)];
        let message = FanOutMessage {
            group_id: group.clone(),
            position: 1,
            sent_at: now(),
            contents: contents.try_into()?,
            recipients: vec![Recipient { content: 0, config }].try_into()?,
        };
        let header = Header { source, destination: victim.clone(), timestamp: now(), key_id };
        let (key, _) = self.keys.queuing_key().ok_or(EvilError::NothingHeard("our own keys"))?;
        frames::with_message(&mut self.random, header, (key, to), &message)
            .ok_or(EvilError::NothingHeard("a stream key that one can seal to"))
    }

    /// Carries a frame to `victim`, in a request of our own.
    async fn deliver(&mut self, victim: &Domain, frame: Frame) -> Result<Verdict, EvilError> {
        let about = (victim.clone(), now(), RequestId::random(&mut self.random));
        let request = RequestEnvelope::new(about, &EnqueueFederated { frame }, None, None)?;
        verdict_of_frame(&self.peers.send(victim, Service::Queuing, encode(&request)).await?)
    }

    async fn keys_of(&mut self, domain: &Domain) -> Result<QsKeySet, EvilError> {
        let about = (domain.clone(), now(), RequestId::random(&mut self.random));
        let request = encode(&RequestEnvelope::new(about, &GetQsKeys {}, None, None)?);
        let answer = self.peers.send(domain, Service::Queuing, request).await?;
        Ok(ResponseEnvelope::read::<<GetQsKeys as RequestBody>::Reply>(&answer)??.keys)
    }

    /// Frames that passed by on their way to `domain`.
    fn frames_to(&self, domain: &Domain) -> Vec<(Frame, Exchange)> {
        let exchanges = self.record.exchanges().into_iter().filter(|exchange| exchange.to == *domain);
        let frames = exchanges.filter_map(|exchange| {
            let (_, body) = request_of::<EnqueueFederated>(&exchange)?;
            Some((body.frame, exchange))
        });
        frames.collect()
    }

    /// The key packages that our own user fetched from `domain`, and the request that she fetched them with.
    fn key_packages_of(
        &self,
        domain: &Domain,
    ) -> Result<(GetKeyPackage, RequestEnvelope, GetKeyPackageReply), EvilError> {
        let exchanges = self.record.exchanges();
        let fetched = exchanges.iter().filter(|exchange| exchange.to == *domain).find_map(|exchange| {
            let (envelope, body) = request_of::<GetKeyPackage>(exchange)?;
            let reply = ResponseEnvelope::read::<GetKeyPackageReply>(&exchange.answer).ok()?.ok()?;
            Some((body, envelope, reply))
        });
        fetched.ok_or(EvilError::NothingHeard("key packages"))
    }

    /// The configuration in a key package: made for Welcomes, and nothing else.
    fn stolen_configuration(&self, domain: &Domain) -> Result<ClientQueueConfig, EvilError> {
        let (_, _, reply) = self.key_packages_of(domain)?;
        let package = reply.packages.first().ok_or(EvilError::NothingHeard("key packages"))?;
        let crypto = MlsCrypto::new([0; 32]);
        let view = validate_key_package(&crypto, package.key_package.as_slice(), now().seconds());
        let view = view.map_err(|_| EvilError::NothingHeard("a valid key package"))?;
        Ok(decode(&view.queue_config)?)
    }
}

/// The request, if it is one for a `B`.
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
