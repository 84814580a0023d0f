//! What a dishonest homeserver tries.

use std::time::Duration;

use phoenix_core::{
    codec::{decode, encode},
    crypto::sign::SigningKey,
    identifiers::{GroupId, RequestId},
    time::{HOUR, Timestamp},
    wire::{
        envelope::RequestEnvelope,
        fan_out::{FanOutContent, FanOutMessage, Receipt, Recipient},
        federation::{EnqueueFederated, Frame, FramePayload},
    },
};

use super::{Adversary, Attempt, Expected, Intrusion, frames};

/// Frames older than this may be refused for their age already.
const RECENT: Duration = Duration::from_secs(120);

/// The kinds of attempts.
const KINDS: u64 = 10;

impl Adversary {
    /// Makes up something to try. `None` if it has not heard enough for what it had in mind.
    pub fn attempt(&mut self, now: Timestamp) -> Option<Attempt> {
        match self.random.below(KINDS) {
            0 => self.forged(now),
            1 => self.foreign_key(now),
            2 => self.redirected(now),
            3 => self.misaddressed(),
            4 => self.changed(now),
            5 => self.late(now),
            6 => self.replayed(),
            7 => self.token_twice(now),
            8 => self.intrusion(now, true),
            _ => self.intrusion(now, false),
        }
    }

    fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.below(count as u64) as usize)
    }

    /// An honest homeserver, and another honest one if there is any.
    fn two_others(&mut self) -> Option<(usize, usize)> {
        let honest = self.peers.len() - 1;
        let first = self.pick(honest)?;
        let second = (first + 1 + self.pick(honest.max(2) - 1)?) % honest;
        Some((first, second))
    }

    fn header(&self, victim: usize, now: Timestamp) -> Option<frames::Header> {
        let key_id = self.keys.queuing_key().ok()?.id;
        let destination = self.peers[victim].domain.clone();
        Some(frames::Header { source: self.domain.clone(), destination, timestamp: now, key_id })
    }

    fn key(&self) -> Option<SigningKey> {
        self.keys.queuing_key().ok().map(|queuing| queuing.key.clone())
    }

    /// A frame in another's name, under that one's key id, with our signature.
    fn forged(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, source) = self.two_others()?;
        let mut header = self.header(victim, now)?;
        header.source = self.peers[source].domain.clone();
        header.key_id = self.peers[source].queuing_key?;
        let key = self.key()?;
        let frame = frames::empty(&mut self.random, header, &key);
        self.framed("forged frame", (victim, now), frame, &[704])
    }

    /// A frame in another's name with our own key and its id.
    fn foreign_key(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, source) = self.two_others()?;
        let header =
            frames::Header { source: self.peers[source].domain.clone(), ..self.header(victim, now)? };
        let key = self.key()?;
        let frame = frames::empty(&mut self.random, header, &key);
        self.framed("foreign key", (victim, now), frame, &[703])
    }

    /// A frame that was heard, carried to another homeserver.
    fn redirected(&mut self, now: Timestamp) -> Option<Attempt> {
        let (destination, frame) = self.recent_frame(now)?;
        let (victim, other) = self.two_others()?;
        let victim = if victim == destination { other } else { victim };
        if victim == destination {
            return None;
        }
        self.framed("redirected frame", (victim, now), frame, &[700])
    }

    /// A user's request, carried to another homeserver as it is.
    fn misaddressed(&mut self) -> Option<Attempt> {
        let index = self.pick(self.requests.len())?;
        let (meant_for, request) = self.requests[index].clone();
        let (victim, other) = self.two_others()?;
        let victim = if victim == meant_for { other } else { victim };
        let expected = Expected::Refused(&[104]);
        (victim != meant_for).then_some(Attempt { name: "misaddressed request", victim, request, expected })
    }

    /// A frame that was heard, with one byte changed.
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
        self.framed("changed frame", (victim, now), frame, &[704])
    }

    /// A frame of our own that is an hour late.
    fn late(&mut self, now: Timestamp) -> Option<Attempt> {
        let (victim, _) = self.two_others()?;
        let header = self.header(victim, now - HOUR)?;
        let key = self.key()?;
        let frame = frames::empty(&mut self.random, header, &key);
        self.framed("late frame", (victim, now), frame, &[702])
    }

    /// A frame or a user's request that was heard, once more.
    fn replayed(&mut self) -> Option<Attempt> {
        let expected = Expected::NoEffect;
        if self.random.below(2) == 0 {
            let index = self.pick(self.requests.len())?;
            let (victim, request) = self.requests[index].clone();
            return Some(Attempt { name: "replayed request", victim, request, expected });
        }
        let index = self.pick(self.frames.len())?;
        let (victim, request) = (self.frames[index].destination, self.frames[index].request.clone());
        Some(Attempt { name: "replayed frame", victim, request, expected })
    }

    /// A new request with a token that was taken before.
    fn token_twice(&mut self, now: Timestamp) -> Option<Attempt> {
        let index = self.pick(self.spent.len())?;
        let request_id = RequestId::random(&mut self.random);
        let (victim, envelope, token) = &self.spent[index];
        let again =
            RequestEnvelope { request_id, timestamp: now, token: Some(token.clone()), ..envelope.clone() };
        let expected = Expected::Refused(&[303]);
        Some(Attempt { name: "token spent twice", victim: *victim, request: encode(&again), expected })
    }

    /// A message through a queue configuration that was made for others: in the name of a group of ours, or of
    /// one of the victim's homeserver.
    fn intrusion(&mut self, now: Timestamp, own_group: bool) -> Option<Attempt> {
        let index = self.pick(self.stolen.len())?;
        let (user, config) = (self.stolen[index].user, self.stolen[index].config.clone());
        let victim = self.peers.iter().position(|peer| peer.domain == config.domain)?;
        let domain = if own_group { self.domain.clone() } else { config.domain.clone() };
        let group = GroupId { uuid: self.random.array(), domain };
        let receipt = Receipt { request_id: RequestId::random(&mut self.random), epoch: 1 };
        let message = FanOutMessage {
            group_id: group.clone(),
            position: 1,
            sent_at: now,
            contents: vec![FanOutContent::Receipt(receipt)].try_into().ok()?,
            recipients: vec![Recipient { content: 0, config }].try_into().ok()?,
        };
        let (header, key, to) =
            (self.header(victim, now)?, self.key()?, self.peers[victim].stream_key.clone()?);
        let frame = frames::with_message(&mut self.random, header, (&key, &to), &message)?;
        let request = frames::request(&self.peers[victim].domain, now, frame)?;
        let name = if own_group { "stolen configuration" } else { "group of another homeserver" };
        let expected = Expected::Undelivered(Intrusion { group, user, marker: own_group });
        Some(Attempt { name, victim, request, expected })
    }

    fn framed(
        &self,
        name: &'static str,
        (victim, now): (usize, Timestamp),
        frame: Frame,
        codes: &'static [u16],
    ) -> Option<Attempt> {
        let request = frames::request(&self.peers[victim].domain, now, frame)?;
        Some(Attempt { name, victim, request, expected: Expected::Refused(codes) })
    }

    fn recent_frame(&mut self, now: Timestamp) -> Option<(usize, Frame)> {
        let index = self.pick(self.frames.len())?;
        let heard = &self.frames[index];
        if now - heard.heard > RECENT {
            return None;
        }
        let (_, envelope) = RequestEnvelope::read(&heard.request).ok()?;
        let body: EnqueueFederated = decode(envelope.body.as_slice()).ok()?;
        Some((heard.destination, body.frame))
    }
}
