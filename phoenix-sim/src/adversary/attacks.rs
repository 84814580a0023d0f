//! The attacks: from what the dishonest homeserver knows to its next attempt.

use std::time::Duration;

use phoenix_core::{
    codec::{decode, encode},
    crypto::sign::SigningKey,
    forgery::{FrameHeader, frame_request, receipt_for},
    identifiers::{GroupId, GroupUuid, RequestId},
    time::{HOUR, Timestamp},
    wire::{
        envelope::RequestEnvelope,
        federation::{EnqueueFederated, Frame, FramePayload},
    },
};

use super::{
    attempt::{Attempt, Expected, Intrusion},
    knowledge::Adversary,
};

/// Older frames may be refused for their age before what is wrong with them is noticed.
const RECENT: Duration = Duration::from_secs(120);

/// Makes an attempt of one kind. Returns `None` if too little was overheard for it.
type Attack = fn(&mut Adversary, Timestamp) -> Option<Attempt>;

/// All kinds of attacks.
const ATTACKS: [Attack; 11] = [
    Adversary::forged,
    Adversary::foreign_key,
    Adversary::redirected,
    |adversary, _| adversary.misaddressed(),
    Adversary::changed,
    Adversary::late,
    Adversary::early,
    |adversary, _| adversary.replayed(),
    Adversary::token_twice,
    |adversary, now| adversary.intrusion(now, true),
    |adversary, now| adversary.intrusion(now, false),
];

/// Names the requests that carry frames; answers to them are not remembered by it.
const FRAME_REQUEST: RequestId = RequestId([0; 16]);

impl Adversary {
    /// Returns an attempt of a random kind. `None` if too little was overheard for that kind.
    pub fn attempt(&mut self, now: Timestamp) -> Option<Attempt> {
        let kind = self.pick(ATTACKS.len())?;
        ATTACKS[kind](self, now)
    }

    fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.below(count as u64) as usize)
    }

    /// Returns the indices of an honest homeserver and of another honest one, if there is another.
    fn two_others(&mut self) -> Option<(usize, usize)> {
        let honest = self.peers.len() - 1;
        let first = self.pick(honest)?;
        let second = (first + 1 + self.pick(honest.max(2) - 1)?) % honest;
        Some((first, second))
    }

    /// Returns the header of a frame in the adversary's own name.
    fn header(&self, victim: usize, timestamp: Timestamp) -> Option<FrameHeader> {
        let key_id = self.keys.queuing_key().ok()?.id;
        let destination = self.peers[victim].domain.clone();
        Some(FrameHeader { source: self.domain.clone(), destination, timestamp, key_id })
    }

    fn key(&self) -> Option<SigningKey> {
        self.keys.queuing_key().ok().map(|queuing| queuing.key.clone())
    }

    /// A frame in another's name and under its key id, with the adversary's signature.
    fn forged(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, source) = self.two_others()?;
        let mut header = self.header(victim, now)?;
        header.source = self.peers[source].domain.clone();
        header.key_id = self.peers[source].queuing_key?;
        let key = self.key()?;
        let frame = header.empty_frame(&mut self.random, &key);
        self.framed("forged frame", victim, now, frame, &[704])
    }

    /// A frame in another's name, with the adversary's own key and key id.
    fn foreign_key(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, source) = self.two_others()?;
        let mut header = self.header(victim, now)?;
        header.source = self.peers[source].domain.clone();
        let key = self.key()?;
        let frame = header.empty_frame(&mut self.random, &key);
        self.framed("foreign key", victim, now, frame, &[703])
    }

    /// An overheard frame, carried to another homeserver than its destination.
    fn redirected(&mut self, now: Timestamp) -> Option<Attempt> {
        let (destination, frame) = self.recent_frame(now)?;
        let (victim, other) = self.two_others()?;
        let victim = if victim == destination { other } else { victim };
        if victim == destination {
            return None;
        }
        self.framed("redirected frame", victim, now, frame, &[700])
    }

    /// A user's request, carried unchanged to another homeserver than the one that it is for.
    fn misaddressed(&mut self) -> Option<Attempt> {
        let index = self.pick(self.requests.len())?;
        let destination = self.requests[index].destination;
        let request = self.requests[index].request.clone();
        let (victim, other) = self.two_others()?;
        let victim = if victim == destination { other } else { victim };
        let expected = Expected::Refused(&[104]);
        (victim != destination).then_some(Attempt { name: "misaddressed request", victim, request, expected })
    }

    /// An overheard frame with one bit changed.
    fn changed(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, mut frame) = self.recent_frame(now)?;
        match &mut frame.content.payload {
            FramePayload::Batch(batch) if self.random.below(2) == 0 => batch.first_sequence ^= 1,
            FramePayload::Batch(batch) => {
                let mut entries = batch.entries.clone().into_vec();
                entries.first_mut()?.nonce[0] ^= 1;
                batch.entries = entries.try_into().ok()?;
            }
            FramePayload::Skip(skip) => skip.to ^= 1,
        }
        self.framed("changed frame", victim, now, frame, &[704])
    }

    /// A frame in the adversary's own name, an hour late.
    fn late(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, _) = self.two_others()?;
        let header = self.header(victim, now - HOUR)?;
        let key = self.key()?;
        let frame = header.empty_frame(&mut self.random, &key);
        self.framed("late frame", victim, now, frame, &[702])
    }

    /// A frame in the adversary's own name, an hour early: it could be sent again when it was forgotten.
    fn early(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, _) = self.two_others()?;
        let header = self.header(victim, now + HOUR)?;
        let key = self.key()?;
        let frame = header.empty_frame(&mut self.random, &key);
        self.framed("early frame", victim, now, frame, &[702])
    }

    /// An overheard frame or user's request, sent again unchanged.
    fn replayed(&mut self) -> Option<Attempt> {
        let expected = Expected::NoEffect;
        if self.random.below(2) == 0 {
            let index = self.pick(self.requests.len())?;
            let overheard = &self.requests[index];
            let (victim, request) = (overheard.destination, overheard.request.clone());
            return Some(Attempt { name: "replayed request", victim, request, expected });
        }
        let index = self.pick(self.frames.len())?;
        let (victim, request) = (self.frames[index].destination, self.frames[index].request.clone());
        Some(Attempt { name: "replayed frame", victim, request, expected })
    }

    /// A new request with a token that was redeemed before, and whose key may have retired since.
    fn token_twice(&mut self, now: Timestamp) -> Option<Attempt> {
        let index = self.pick(self.spent.len())?;
        let request_id = RequestId::random(&mut self.random);
        let spent = &self.spent[index];
        let token = Some(spent.token.clone());
        let again = RequestEnvelope { request_id, timestamp: now, token, ..spent.envelope.clone() };
        let (victim, request) = (spent.spent_at, encode(&again));
        Some(Attempt { name: "token spent twice", victim, request, expected: Expected::Refused(&[300, 303]) })
    }

    /// A message through a queue configuration that was made for others, in the name of a group of the
    /// adversary or, unless `own_group`, of the victim.
    fn intrusion(&mut self, now: Timestamp, own_group: bool) -> Option<Attempt> {
        let index = self.pick(self.stolen.len())?;
        let (user, config) = (self.stolen[index].user, self.stolen[index].config.clone());
        let victim = self.peers.iter().position(|peer| peer.domain == config.domain)?;
        let domain = if own_group { self.domain.clone() } else { config.domain.clone() };
        let group = GroupId { uuid: GroupUuid(self.random.array()), domain };
        let message = receipt_for(group.clone(), config, RequestId::random(&mut self.random), now);
        let (header, key) = (self.header(victim, now)?, self.key()?);
        let to = self.peers[victim].stream_key.as_ref()?;
        let frame = header.frame_with_message(&mut self.random, &message, to, &key).ok()?;
        let request = frame_request(&self.peers[victim].domain, now, FRAME_REQUEST, frame).ok()?;
        let name = if own_group { "stolen configuration" } else { "group of another homeserver" };
        let expected = Expected::Undelivered(Intrusion { group, user, marker: own_group, maker: None });
        Some(Attempt { name, victim, request, expected })
    }

    /// Returns the attempt to have `victim` accept `frame`, which must be refused with one of `codes`.
    fn framed(
        &self,
        name: &'static str,
        victim: usize,
        now: Timestamp,
        frame: Frame,
        codes: &'static [u16],
    ) -> Option<Attempt> {
        let request = frame_request(&self.peers[victim].domain, now, FRAME_REQUEST, frame).ok()?;
        Some(Attempt { name, victim, request, expected: Expected::Refused(codes) })
    }

    /// Returns an overheard frame and the index of the homeserver that it was sent to. `None` if it is too
    /// old.
    fn recent_frame(&mut self, now: Timestamp) -> Option<(usize, Frame)> {
        let index = self.pick(self.frames.len())?;
        let overheard = &self.frames[index];
        if now - overheard.heard_at > RECENT {
            return None;
        }
        let (_, envelope) = RequestEnvelope::read(&overheard.request).ok()?;
        let body: EnqueueFederated = decode(envelope.body.as_slice()).ok()?;
        Some((overheard.destination, body.frame))
    }
}
