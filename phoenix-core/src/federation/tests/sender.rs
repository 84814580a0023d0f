//! A sender of frames that are made by hand, so that everything about them can be wrong.

use crate::{
    codec::encode,
    crypto::{
        hpke::HpkeCiphertext,
        labels::Label,
        ratchet::{RatchetCiphertext, RatchetSecret},
    },
    error::Refusal,
    federation::stream::{Chain, StreamContext},
    identifiers::{Domain, GroupId, RequestId, StreamId},
    rng::Random,
    store::{MemoryStore, RecordKind},
    testing::{
        messages::{message, mls_message},
        world::{World, domain, keys},
    },
    time::Timestamp,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::{ClientQueueConfig, FanOutMessage},
        federation::{
            EnqueueFederated, EnqueueFederatedReply, FederatedBatch, Frame, FrameContent, FramePayload, Skip,
        },
    },
};

pub struct TestSender {
    pub source: Domain,
    pub destination: Domain,
    pub stream_id: StreamId,
    pub random: Random,
    epoch: u64,
    chain: Chain,
    epoch_first: u64,
    sealed_seed: HpkeCiphertext,
    pub sequence: u64,
}

impl TestSender {
    /// Begins a stream whose first entry has the number `first`.
    pub fn new(source: &str, destination: &str, stream: u8, first: u64) -> Self {
        let mut random = Random::from_seed([stream; 32]);
        let (source, destination, stream_id) = (domain(source), domain(destination), StreamId([stream; 16]));
        let of = StreamContext { source: &source, destination: &destination, stream_id };
        let seed: [u8; 32] = random.array();
        let to = keys(destination.as_str()).stream[0].key.public_key();
        let sealed_seed = to.seal(&mut random, Label::SEAL_STREAM_SEED, &of.seed(0, first), &seed).unwrap();
        let chain = Chain::start(0, RatchetSecret::from_bytes(seed), first);
        Self {
            source,
            destination,
            stream_id,
            random,
            epoch: 0,
            chain,
            epoch_first: first,
            sealed_seed,
            sequence: first,
        }
    }

    /// Encrypts `bytes` as the next entry.
    pub fn raw(&mut self, bytes: &[u8]) -> RatchetCiphertext {
        let of =
            StreamContext { source: &self.source, destination: &self.destination, stream_id: self.stream_id };
        let entry = self.chain.seal(&mut self.random, &of, bytes).unwrap();
        self.sequence += 1;
        entry
    }

    pub fn entry(&mut self, message: &FanOutMessage) -> RatchetCiphertext {
        self.raw(&encode(message))
    }

    /// Encrypts messages of `group` at these positions as the next entries.
    pub fn entries(
        &mut self,
        group: &GroupId,
        positions: std::ops::Range<u64>,
        to: &[ClientQueueConfig],
    ) -> Vec<RatchetCiphertext> {
        let each = |position| self.entry(&message(group, position, mls_message(group), to));
        positions.map(each).collect()
    }

    /// Returns the content of a frame with these entries, made at this time.
    pub fn batch(&self, first: u64, entries: Vec<RatchetCiphertext>, timestamp: Timestamp) -> FrameContent {
        let keys = keys(self.destination.as_str());
        let set = keys.qs_key_set(&self.destination, crate::testing::world::NOW, crate::time::DAY).unwrap();
        let batch = FederatedBatch {
            epoch: self.epoch,
            seed_key_id: set.content.stream_keys[0].id,
            sealed_seed: self.sealed_seed.clone(),
            epoch_first_sequence: self.epoch_first,
            first_sequence: first,
            entries: entries.try_into().unwrap(),
        };
        self.content(FramePayload::Batch(batch), timestamp)
    }

    pub fn skip(&self, from: u64, to: u64, timestamp: Timestamp) -> FrameContent {
        self.content(FramePayload::Skip(Skip { from, to, dropped: Default::default() }), timestamp)
    }

    pub fn content(&self, payload: FramePayload, timestamp: Timestamp) -> FrameContent {
        FrameContent {
            source: self.source.clone(),
            destination: self.destination.clone(),
            stream_id: self.stream_id,
            timestamp,
            key_id: keys(self.source.as_str()).queuing_key().unwrap().id,
            payload,
        }
    }

    /// Signs with the source's key.
    pub fn sign(&self, content: FrameContent) -> Frame {
        let signature = keys(self.source.as_str()).queuing_key().unwrap().key.sign(&content);
        Frame { content, signature }
    }
}

/// Returns the request to `at` that carries `frame`.
pub fn request(world: &World, at: &str, frame: Frame) -> Vec<u8> {
    let body = EnqueueFederated { frame };
    let request = RequestEnvelope::to(domain(at), world.now, RequestId([0; 16]), &body);
    encode(&request.unsigned().unwrap())
}

/// Delivers the frame to `at`. Returns what it answers.
pub fn deliver(world: &mut World, at: &str, frame: Frame) -> Result<u64, Refusal> {
    let request = request(world, at, frame);
    let answer = world.request(&domain(at), &request).reply.unwrap();
    let reply = ResponseEnvelope::read::<EnqueueFederatedReply>(&answer).unwrap();
    reply.map(|reply| reply.accepted_through)
}

/// The kinds of records that cache keys.
const KEY_CACHE: [RecordKind; 4] =
    [RecordKind::PeerKeys, RecordKind::PeerKeysExpiry, RecordKind::FailedFetch, RecordKind::FirstContacts];

/// Delivers a frame that is refused. Asserts that this changes nothing but the cache of keys and, if the
/// source is authenticated by then, what is left of its rate. Returns the refusal.
pub fn refused(world: &mut World, at: &str, frame: Frame) -> Refusal {
    let before = world.server(at).store.clone();
    let refusal = deliver(world, at, frame).unwrap_err();
    let authenticated = matches!(
        refusal,
        Refusal::StreamPosition { .. }
            | Refusal::StreamDiverged
            | Refusal::StreamEpoch { .. }
            | Refusal::UnreadableEntry { .. }
            | Refusal::TooManyStreams
            | Refusal::Malformed
    );
    let rows = |store: &MemoryStore| {
        let mut rows = store.clone();
        rows.retain(|key, _| {
            let charged = authenticated && key.kind() == RecordKind::InboundSource;
            !charged && !KEY_CACHE.contains(&key.kind())
        });
        rows
    };
    let after = &world.server(at).store;
    assert_eq!(rows(after), rows(&before), "refused with {refusal:?}, but rows changed");
    refusal
}
