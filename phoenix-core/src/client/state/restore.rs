//! PROTOCOL.md §11.15 — a state as it was saved.

use std::collections::BTreeMap;

use openmls::prelude::MlsGroup;
use openmls_traits::OpenMlsProvider;

use super::{
    events::StoredEvent,
    group_access::mls_group_id,
    header::Header,
    intents::Want,
    root::{Departure, State},
};
use crate::{
    client::{
        config::{ClientConfig, ClientPlant},
        records::{Chunks, ClientRecordKind, PlainRecord, RestoreError, StoredRecord, Value, Vault},
    },
    crypto::provider::MlsCrypto,
    identifiers::GroupId,
    mls::{MlsProvider, MlsRecordChange, MlsRecords},
    rng::Random,
    time::Timestamp,
};

/// More ids than a client gives between two starts.
const ONE_START: u64 = 1 << 40;

impl State {
    /// Returns the state that these records hold, with fresh randomness.
    pub fn restore(
        config: ClientConfig,
        vault: &Vault,
        records: impl IntoIterator<Item = StoredRecord>,
        seed: [u8; 32],
        now: Timestamp,
    ) -> Result<Self, RestoreError> {
        let mut state = Self::new(config, seed);
        state.random = Random::derive(&seed, "restored client", &[]);
        let crypto = MlsCrypto::new(state.random.array());
        let mut mls = Vec::new();
        let mut by_kind: BTreeMap<ClientRecordKind, u64> = BTreeMap::new();
        let mut opened_any = false;
        let mut unopened = None;
        for record in records {
            match vault.open(&record) {
                Ok(plain) => {
                    opened_any = true;
                    *by_kind.entry(plain.kind).or_default() += 1;
                    state.load(plain, &mut mls)?;
                }
                Err(error) => unopened = Some(error),
            }
        }
        match unopened {
            Some(RestoreError::WrongKey) if opened_any => return Err(RestoreError::Damaged),
            Some(error) => return Err(error),
            None if !opened_any => return Err(RestoreError::Nothing),
            None => {}
        }
        let singles = [
            ClientRecordKind::Header,
            ClientRecordKind::Account,
            ClientRecordKind::DirectQueue,
            ClientRecordKind::FanOutQueue,
        ];
        if singles.iter().any(|kind| !by_kind.contains_key(kind)) {
            return Err(RestoreError::Damaged);
        }
        let (chunks, values) = Chunks::restore(mls)?;
        let values = values.into_iter().map(|Value { name, content }| MlsRecordChange { name, content });
        state.provider = MlsProvider::new(crypto, MlsRecords::restore(values));
        state.mls_chunks = chunks;
        state.now = now;
        state.check()?;
        state.skip_ids();
        state.plant_generator();
        state.recover()?;
        Ok(state)
    }

    fn load(&mut self, record: PlainRecord, mls: &mut Vec<PlainRecord>) -> Result<(), RestoreError> {
        if record.kind == ClientRecordKind::Mls {
            mls.push(record);
            return Ok(());
        }
        let rows = self.rows().into_iter().find(|rows| rows.kind() == record.kind);
        rows.ok_or(RestoreError::Version)?.load(&record).map_err(|_| RestoreError::Damaged)
    }

    /// Passes over the ids that were given since the state was saved, by another copy of it, too: ids begin
    /// with the time of the restoration, and a random number for those within one millisecond. If the clock was
    /// set back since, they begin far behind those of the last start.
    fn skip_ids(&mut self) {
        let behind = self.header.first_id + ONE_START;
        let by_time = (self.now.milliseconds() << 20) + self.random.below(1 << 20);
        let first = if by_time > behind { by_time } else { behind + self.random.below(ONE_START) };
        self.header.change().first_id = first;
        let after = |last: Option<u64>| last.map_or(first, |last| first.max(last + 1));
        self.next_intent = after(self.intents.keys().last().map(|id| id.0));
        self.next_event = after(self.events.keys().last().map(|id| id.0));
        let tickets = self.intents.iter().filter_map(|(_, intent)| intent.held.as_ref());
        self.next_ticket = tickets.map(|held| held.ticket).max().map_or(1, |last| last + 1);
    }

    fn check(&self) -> Result<(), RestoreError> {
        if self.header.version != Header::VERSION {
            return Err(RestoreError::Version);
        }
        if self.account.client_id.user_id.domain != self.config.domain {
            return Err(RestoreError::Domain);
        }
        Ok(())
    }

    /// Recovers what follows from the records.
    fn recover(&mut self) -> Result<(), RestoreError> {
        for id in self.provider.records().group_ids::<GroupId>().map_err(|_| RestoreError::Damaged)? {
            let loaded = MlsGroup::load(self.provider.storage(), &mls_group_id(&id));
            let group = loaded.ok().flatten().ok_or(RestoreError::Damaged)?;
            self.mls_groups.insert(id, group);
        }
        if self.groups.keys().any(|id| !self.mls_groups.contains_key(id)) {
            return Err(RestoreError::Damaged);
        }
        // A set that is not valid any more is fetched again.
        for (domain, fetched) in self.as_credentials.iter() {
            if let Ok(validated) = fetched.validated(domain) {
                self.valid_as_credentials.insert(domain.clone(), validated);
            }
        }
        for (domain, fetched) in self.qs_keys.iter() {
            if let Ok(validated) = fetched.validated(domain) {
                self.valid_qs_keys.insert(domain.clone(), validated);
            }
        }
        for (_, intent) in self.intents.iter() {
            if let Some(held) = &intent.held {
                self.lanes.entry(held.lane.clone()).or_default().insert(held.ticket);
            }
        }
        for group in self.inboxes.keys().cloned().collect::<Vec<_>>() {
            self.follow_later(&group);
        }
        if self.config.planted(ClientPlant::ShowAnew) {
            for id in self.events.keys().copied().collect::<Vec<_>>() {
                if let Some(StoredEvent(event)) = self.events.remove(&id) {
                    self.emit(event);
                }
            }
        }
        self.departures = self.events.keys().map(|id| Departure::Event(*id)).collect();
        self.caught_up = self.account.queuing.is_none();
        if !self.caught_up {
            self.want(&Want::ReadFanOutQueue);
        }
        Ok(())
    }
}
