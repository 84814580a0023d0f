//! PROTOCOL.md §11.1, §11.15 — everything that a client knows, in one place that its intents share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use openmls::prelude::MlsGroup;

use super::{
    account::{Account, Identity, OwnPackage},
    contacts::Contact,
    events::StoredEvent,
    groups::{Awaited, Group, Membership, PendingCommit, Progress},
    header::Header,
    intents::{Intent, Lane},
    keys::{Fetched, Validated},
    queues::{DirectQueue, FanOutQueue, Inbox, InboxEntry, OwnQueue},
    sending::{Sending, Wait},
    tokens::StockedToken,
};
use crate::{
    client::{
        config::{ClientConfig, ClientPlant},
        error::ClientError,
        event::{Event, EventId, Exchange, IntentId},
        messages::{ConnectionRequest, FriendshipPackage},
        records::{Chunks, ClientRecordKind, PlainChange, Rows, Single, Table, Value},
    },
    codec::Flag,
    credentials::{
        AsCredentialSet, ClientCredential, MemberCredential, QsKeySet,
        validation::{ValidatedAsCredentials, ValidatedQsKeys},
    },
    crypto::{aead::EarKey, hpke::HpkePrivateKey, provider::MlsCrypto, sign::SigningKey},
    identifiers::{ClientId, ClientUuid, Domain, GroupId, UserId, UserUuid},
    mls::{MlsProvider, MlsRecordChange, MlsRecords},
    rng::Random,
    time::Timestamp,
    wire::{envelope::Sender, queuing_service::FriendshipToken},
};

/// What leaves the client once everything that it depends on is saved.
pub(crate) enum Departure {
    Request(Exchange),
    Event(EventId),
}

/// Everything that a client knows.
pub(crate) struct State {
    pub config: ClientConfig,
    pub now: Timestamp,
    pub random: Random,

    // Records.
    pub header: Single<Header>,
    pub account: Single<Account>,
    pub direct_queue: Single<DirectQueue>,
    pub fan_out_queue: Single<FanOutQueue>,
    pub key_packages: Table<OwnPackage>,
    pub tokens: Table<StockedToken>,
    pub as_credentials: Table<Fetched<AsCredentialSet>>,
    pub qs_keys: Table<Fetched<QsKeySet>>,
    pub contacts: Table<Contact>,
    /// Connection requests that wait for the user's decision, by requester.
    pub connection_requests: Table<ConnectionRequest>,
    pub groups: Table<Group>,
    pub members: Table<Membership>,
    pub progress: Table<Progress>,
    pub pending_commits: Table<PendingCommit>,
    pub awaited: Table<Awaited>,
    pub inboxes: Table<Inbox>,
    /// Deliveries that are not followed yet.
    pub inbox_entries: Table<InboxEntry>,
    pub events: Table<StoredEvent>,
    pub intents: Table<Intent>,
    /// The MLS state, whose values note their changes themselves, and what is saved of them.
    pub provider: MlsProvider,
    pub mls_chunks: Chunks,

    // What follows from the records, at hand.
    pub mls_groups: BTreeMap<GroupId, MlsGroup>,
    pub valid_as_credentials: BTreeMap<Domain, Validated<ValidatedAsCredentials>>,
    pub valid_qs_keys: BTreeMap<Domain, Validated<ValidatedQsKeys>>,

    // What a restart forgets.
    /// Numbers that are given next. Those of a restored client begin with its time.
    pub next_intent: u64,
    pub next_event: u64,
    pub next_ticket: u64,
    pub passing_events: BTreeMap<EventId, Event>,
    pub departures: VecDeque<Departure>,
    pub next_exchange: u64,
    /// The requests on their way, by the intent that waits for the answer.
    pub sendings: BTreeMap<IntentId, Sending>,
    /// What each intent waits for; an intent that is not here goes on with the next pass.
    pub waits: BTreeMap<IntentId, Wait>,
    /// The tickets of the intents in each lane; the first one has its turn.
    pub lanes: BTreeMap<Lane, BTreeSet<u64>>,
    /// Why what an intent waited for has failed.
    pub failures: BTreeMap<IntentId, ClientError>,
    /// How often something changed that intents may wait for.
    pub changes: u64,
    /// Whether the queue was read since the client was restored.
    pub caught_up: bool,
    /// How often the fan-out queue was read to its end, and when it was last.
    pub readings: u64,
    pub last_read: Timestamp,
    /// By how many milliseconds the clocks of homeservers are ahead of the device's, or behind if negative, where
    /// they have refused requests for their time.
    pub clock_errors: BTreeMap<Domain, i64>,
    /// Whether deliveries are held back instead of followed.
    pub holding_deliveries: bool,
}

impl State {
    /// Returns the state of a new client, whose ids and keys are drawn from `seed`.
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        let mut random = Random::derive(&seed, "client", &[]);
        let crypto = MlsCrypto::new(random.array());
        let user_id = UserId { uuid: UserUuid(random.array()), domain: config.domain.clone() };
        let client_id = ClientId { user_id, uuid: ClientUuid(random.array()) };
        let account = Account {
            client_id,
            client_key: SigningKey::generate(&mut random),
            credential: None,
            granted: None,
            connection_keys: Default::default(),
            friendship_token: FriendshipToken(EarKey::random(&mut random)),
            friendship_key: EarKey::random(&mut random),
            queuing: None,
            is_registered: Flag::No,
            used_packages: 0,
        };
        let direct_queue = DirectQueue(OwnQueue::new(HpkePrivateKey::generate(&mut random)));
        Self {
            now: Timestamp::default(),
            header: Single::new(Header::first()),
            account: Single::new(account),
            direct_queue: Single::new(direct_queue),
            fan_out_queue: Single::new(FanOutQueue(None)),
            key_packages: Table::default(),
            tokens: Table::default(),
            as_credentials: Table::default(),
            qs_keys: Table::default(),
            contacts: Table::default(),
            connection_requests: Table::default(),
            groups: Table::default(),
            members: Table::default(),
            progress: Table::default(),
            pending_commits: Table::default(),
            awaited: Table::default(),
            inboxes: Table::default(),
            inbox_entries: Table::default(),
            events: Table::default(),
            intents: Table::default(),
            provider: MlsProvider::new(crypto, MlsRecords::default()),
            mls_chunks: Chunks::default(),
            mls_groups: BTreeMap::new(),
            valid_as_credentials: BTreeMap::new(),
            valid_qs_keys: BTreeMap::new(),
            next_intent: 1,
            next_event: 1,
            next_ticket: 1,
            passing_events: BTreeMap::new(),
            departures: VecDeque::new(),
            next_exchange: 0,
            sendings: BTreeMap::new(),
            waits: BTreeMap::new(),
            lanes: BTreeMap::new(),
            failures: BTreeMap::new(),
            changes: 0,
            caught_up: true,
            readings: 0,
            last_read: Timestamp::default(),
            clock_errors: BTreeMap::new(),
            holding_deliveries: false,
            config,
            random,
        }
    }

    /// Returns all records but those of MLS, by kind.
    pub fn rows(&mut self) -> [&mut dyn Rows; 19] {
        [
            &mut self.header,
            &mut self.account,
            &mut self.direct_queue,
            &mut self.fan_out_queue,
            &mut self.key_packages,
            &mut self.tokens,
            &mut self.as_credentials,
            &mut self.qs_keys,
            &mut self.contacts,
            &mut self.connection_requests,
            &mut self.groups,
            &mut self.members,
            &mut self.progress,
            &mut self.pending_commits,
            &mut self.awaited,
            &mut self.inboxes,
            &mut self.inbox_entries,
            &mut self.events,
            &mut self.intents,
        ]
    }

    /// Returns what changed since the last call.
    pub fn take_changes(&mut self) -> Vec<PlainChange> {
        let mut changes = Vec::new();
        for rows in self.rows() {
            rows.take_changes(&mut changes);
        }
        for MlsRecordChange { name, content } in self.provider.records().take_changes() {
            changes.extend(self.mls_chunks.changes(&Value { name, content }));
        }
        changes
    }

    /// As [`State::take_changes`], with the bugs that are planted.
    pub fn take_planted_changes(&mut self) -> Vec<PlainChange> {
        let mut changes = self.take_changes();
        if self.config.planted(ClientPlant::ConfirmBeforeShown) {
            changes.retain(|change| change.kind != ClientRecordKind::Event);
        }
        if self.config.planted(ClientPlant::SavedGenerator) && !changes.is_empty() {
            changes.retain(|change| change.kind != ClientRecordKind::Header);
            self.header.change().saves += 1;
            changes.extend(self.take_changes());
        }
        changes
    }

    /// Goes on with the generator that was saved, where that bug is planted.
    pub fn plant_generator(&mut self) {
        if self.config.planted(ClientPlant::SavedGenerator) {
            self.random = self.saved_generator();
        }
    }

    /// The generator as it would be if it were saved with the other records: a function of how often they were.
    fn saved_generator(&self) -> Random {
        let seed = *self.account.client_key.to_bytes();
        Random::derive(&seed, "saved generator", &[&self.header.saves.to_be_bytes()])
    }

    /// Shows something to the application, now and after each restart until it confirms.
    pub fn emit(&mut self, event: Event) {
        if matches!(event, Event::Message { .. }) && self.config.planted(ClientPlant::ForgetMessage) {
            self.mention(event);
            return;
        }
        let id = self.next_event_id();
        self.events.insert(id, StoredEvent(event));
        self.departures.push_back(Departure::Event(id));
    }

    /// Shows something to the application that means nothing to a later process.
    pub fn mention(&mut self, event: Event) {
        let id = self.next_event_id();
        self.passing_events.insert(id, event);
        self.departures.push_back(Departure::Event(id));
    }

    fn next_event_id(&mut self) -> EventId {
        let id = self.next_event;
        self.next_event += 1;
        EventId(id)
    }

    /// Notes that something changed that intents may wait for.
    pub fn changed(&mut self) {
        self.changes += 1;
    }

    pub fn credential(&self) -> Result<&ClientCredential, ClientError> {
        self.account.credential.as_ref().ok_or(ClientError::NotRegistered)
    }

    pub fn queuing(&self) -> Result<&super::account::Queuing, ClientError> {
        self.account.queuing.as_ref().ok_or(ClientError::NotRegistered)
    }

    /// Returns the client as a sender that signs with its client key.
    pub fn client_identity(&self) -> Result<Identity, ClientError> {
        let sender = Sender::Client(self.credential()?.fingerprint());
        Ok(Identity { sender, key: self.account.client_key.clone() })
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
            token: self.account.friendship_token.clone(),
            key: self.account.friendship_key.clone(),
        })
    }

    /// Returns what other members of a group get: the client's credential and the key to its leaf's
    /// attribution.
    pub fn member_credential(&self, attribution_key: EarKey) -> Result<MemberCredential, ClientError> {
        Ok(MemberCredential { client_credential: self.credential()?.clone(), attribution_key })
    }
}
