//! Steps, commits and questions to other homeservers, with the faults that are asked for.

use super::{faults::Trouble, state::World};
use crate::{
    codec::{decode, encode},
    error::PeerFailure,
    identifiers::{Domain, GroupUuid, LogId},
    operation::{Ask, Timer},
    rng::Random,
    store::{Commit, Settlement},
    wire::{
        envelope::RequestEnvelope,
        federation::{EnqueueFederated, FramePayload},
    },
};

impl World {
    /// Counts a step. Returns whether the operation is dropped at it.
    pub(super) fn crashes(&mut self) -> bool {
        self.faults.steps += 1;
        self.faults.crash_at == Some(self.faults.steps) || self.chance(8000) < self.faults.chaos
    }

    /// Applies the commit to the store of `at`, or has it meet its trouble.
    pub(super) fn commit(&mut self, at: &Domain, commit: &Commit) -> Settlement {
        let chance = self.chance(1000);
        let chaos = self.faults.chaos;
        let trouble = self.faults.troubles.pop_front().or(match chance {
            chance if chance < chaos / 3 => Some(Trouble::Conflict),
            chance if chance < chaos / 2 => Some(Trouble::UnknownLost),
            chance if chance < chaos => Some(Trouble::UnknownApplied),
            _ => None,
        });
        let settlement = match trouble {
            Some(Trouble::Conflict) => return Settlement::Conflict,
            Some(Trouble::UnknownLost) => return Settlement::Unknown,
            Some(Trouble::UnknownApplied) | None => self.store_mut(at).apply(commit),
        };
        if settlement == Settlement::Committed {
            self.check(at, commit);
        }
        match (settlement, trouble) {
            (Settlement::Committed, Some(_)) => Settlement::Unknown,
            (settlement, _) => settlement,
        }
    }

    /// Returns what `from` is answered.
    pub(super) fn ask(&mut self, from: &Domain, ask: &Ask) -> Result<Vec<u8>, PeerFailure> {
        self.asks.push(ask.clone());
        if let Some(message) = self.faults.meanwhile.take() {
            self.send(message);
            self.timer(from, &Timer::Distribute(LogId::Group(GroupUuid([1; 16]))));
        }
        if let Some(answer) = self.impostors.get(&ask.domain) {
            return Ok(answer.clone());
        }
        let intercepted = self.faults.intercepted.map(|kind| kind.code().to_be_bytes());
        if intercepted.is_some_and(|code| ask.request[2..4] == code)
            || self.down.contains(from)
            || self.down.contains(&ask.domain)
            || !self.servers.contains_key(&ask.domain)
            || self.chance(2000) < self.faults.chaos
        {
            return Err(PeerFailure::NoAnswer);
        }
        let request = self.corrupt(from, &ask.request);
        let answer = self.request(&ask.domain, request.as_ref().unwrap_or(&ask.request)).reply;
        if self.faults.lost_answers > 0 {
            self.faults.lost_answers -= 1;
            return Err(PeerFailure::NoAnswer);
        }
        if self.chance(2000) < self.faults.chaos {
            Err(PeerFailure::NoAnswer)
        } else {
            answer.ok_or(PeerFailure::NoAnswer)
        }
    }

    fn corrupt(&self, from: &Domain, request: &[u8]) -> Option<Vec<u8>> {
        let corrupted = self.faults.corrupted?;
        let (_, mut envelope) = RequestEnvelope::read(request).ok()?;
        let mut body = decode::<EnqueueFederated>(envelope.body.as_slice()).ok()?;
        let FramePayload::Batch(batch) = &mut body.frame.content.payload else { return None };
        let index = corrupted.checked_sub(batch.first_sequence)?;
        batch.entries.get_mut(usize::try_from(index).ok()?)?.nonce[0] ^= 1;
        let keys = self.servers[from].homeserver.keys();
        body.frame.signature = keys.queuing_key().ok()?.key.sign(&body.frame.content);
        envelope.body = encode(&body).try_into().ok()?;
        Some(encode(&envelope))
    }

    /// Returns randomness that no other call gets.
    pub(super) fn draw(&mut self) -> Random {
        self.draws += 1;
        Random::derive(&self.seed, "driver", &[&self.draws.to_be_bytes()])
    }

    /// Draws a number below `bound`; returns `bound` while there are no faults by chance.
    fn chance(&mut self, bound: u64) -> u64 {
        if self.faults.chaos == 0 { bound } else { self.draw().below(bound) }
    }
}
