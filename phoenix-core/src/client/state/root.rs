//! PROTOCOL.md §11.1 — everything that a client knows, in one place that its procedures share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    account::{Identity, OwnPackage, Queuing},
    contacts::Contact,
    groups::Group,
    keys::KeyCache,
    locks::Locks,
    queues::{Confirmation, InboxEntry},
    tokens::TokenStock,
};
use crate::{
    client::{
        config::ClientConfig,
        error::ClientError,
        event::{Event, ExchangeId, Output, TaskId},
        messages::{ConnectionRequest, FriendshipPackage},
    },
    credentials::{ClientCredential, MemberCredential},
    crypto::{
        aead::EarKey, hpke::HpkePrivateKey, provider::MlsCrypto, ratchet::QueueReader, sign::SigningKey,
    },
    error::PeerFailure,
    identifiers::{ClientId, ClientUuid, GroupId, RequestId, UserId, UserUuid},
    mls::{MlsProvider, MlsRecords},
    rng::Random,
    time::Timestamp,
    wire::{envelope::Sender, queuing_service::FriendshipToken},
};

/// Everything that a client knows.
pub(crate) struct State {
    pub config: ClientConfig,
    pub now: Timestamp,
    pub random: Random,
    pub provider: MlsProvider,

    pub outputs: VecDeque<Output>,
    /// Whether a procedure may be able to go on, so that another pass is due.
    pub woken: bool,
    /// The earliest time for which a procedure waits.
    pub next_wake: Option<Timestamp>,
    pub locks: Locks,
    pub next_task: u64,
    pub next_exchange: u64,
    /// The answer to each exchange under way, once it is there.
    pub exchanges: BTreeMap<ExchangeId, Option<Result<Vec<u8>, PeerFailure>>>,
    /// The receipt of each ordered request under way, once it is there.
    pub receipts: BTreeMap<RequestId, Option<Confirmation>>,

    pub client_id: ClientId,
    pub client_key: SigningKey,
    pub credential: Option<ClientCredential>,
    pub direct_queue: QueueReader,
    pub connection_keys: Vec<HpkePrivateKey>,
    pub friendship_token: FriendshipToken,
    pub friendship_key: EarKey,
    pub queuing: Option<Queuing>,
    /// By MLS key package reference.
    pub key_packages: BTreeMap<Vec<u8>, OwnPackage>,
    /// How many key packages were used since some were last published.
    pub used_packages: usize,

    pub tokens: TokenStock,
    pub key_cache: KeyCache,

    pub contacts: BTreeMap<UserId, Contact>,
    /// Connection requests that wait for the user's decision, by requester.
    pub connection_requests: BTreeMap<UserId, ConnectionRequest>,
    /// The users whose connection requests are being accepted.
    pub accepting: BTreeSet<UserId>,
    pub groups: BTreeMap<GroupId, Group>,
    /// Deliveries that are not followed yet. A group has an inbox from its invitation or creation on.
    pub inboxes: BTreeMap<GroupId, VecDeque<InboxEntry>>,
    /// The reading of the queues that has not begun, if there is one.
    pub queued_reading: Option<TaskId>,
    /// Whether deliveries are held back instead of followed.
    pub holding_deliveries: bool,
}

impl State {
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        let mut random = Random::derive(&seed, "client", &[]);
        let crypto = MlsCrypto::new(random.array());
        let user_id = UserId { uuid: UserUuid(random.array()), domain: config.domain.clone() };
        let client_id = ClientId { user_id, uuid: ClientUuid(random.array()) };
        Self {
            now: Timestamp::default(),
            provider: MlsProvider::new(crypto, MlsRecords::default()),
            outputs: VecDeque::new(),
            woken: false,
            next_wake: None,
            locks: Locks::default(),
            next_task: 0,
            next_exchange: 0,
            exchanges: BTreeMap::new(),
            receipts: BTreeMap::new(),
            client_id,
            client_key: SigningKey::generate(&mut random),
            credential: None,
            direct_queue: QueueReader::new(HpkePrivateKey::generate(&mut random)),
            connection_keys: Vec::new(),
            friendship_token: FriendshipToken(EarKey::random(&mut random)),
            friendship_key: EarKey::random(&mut random),
            queuing: None,
            key_packages: BTreeMap::new(),
            used_packages: 0,
            tokens: TokenStock::default(),
            key_cache: KeyCache::default(),
            contacts: BTreeMap::new(),
            accepting: BTreeSet::new(),
            connection_requests: BTreeMap::new(),
            groups: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            queued_reading: None,
            holding_deliveries: false,
            config,
            random,
        }
    }

    pub fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Returns an id for a procedure.
    pub fn task_id(&mut self) -> TaskId {
        self.next_task += 1;
        TaskId(self.next_task)
    }

    /// Notes that a procedure waits for `due`.
    pub fn wake_at(&mut self, due: Timestamp) {
        self.next_wake = Some(self.next_wake.map_or(due, |earliest| earliest.min(due)));
    }

    pub fn credential(&self) -> Result<&ClientCredential, ClientError> {
        self.credential.as_ref().ok_or(ClientError::NotRegistered)
    }

    pub fn queuing(&self) -> Result<&Queuing, ClientError> {
        self.queuing.as_ref().ok_or(ClientError::NotRegistered)
    }

    pub fn group(&mut self, id: &GroupId) -> Result<&mut Group, ClientError> {
        self.groups.get_mut(id).ok_or(ClientError::UnknownGroup)
    }

    /// Returns the client as a sender that signs with its client key.
    pub fn client_identity(&self) -> Result<Identity, ClientError> {
        let sender = Sender::Client(self.credential()?.fingerprint());
        Ok(Identity { sender, key: self.client_key.clone() })
    }

    /// Returns the client as its queuing service knows it, by pseudonym.
    pub fn queuing_identity(&self) -> Result<Identity, ClientError> {
        let queuing = self.queuing()?;
        Ok(Identity { sender: Sender::QsClient(queuing.client), key: queuing.client_key.clone() })
    }

    /// Returns what the client's contacts get.
    pub fn friendship_package(&self) -> Result<FriendshipPackage, ClientError> {
        Ok(FriendshipPackage {
            user: self.queuing()?.user,
            token: self.friendship_token.clone(),
            key: self.friendship_key.clone(),
        })
    }

    /// Returns what other members of a group get: the client's credential and the key to its leaf's
    /// attribution.
    pub fn member_credential(&self, attribution_key: EarKey) -> Result<MemberCredential, ClientError> {
        Ok(MemberCredential { client_credential: self.credential()?.clone(), attribution_key })
    }
}
