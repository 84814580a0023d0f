//! Rows that are lost or damaged.

use std::time::Duration;

use phoenix_core::{
    client::Client,
    codec::decode,
    identifiers::{Domain, GroupId, LogId},
    store::{Key, RecordKind},
};

use super::{event::Event, stage::Stage, state::World};
use crate::{
    plan::{Damage, DamagedRows},
    user::User,
};

/// How soon a row is looked for again, if there is none of its kind.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl World {
    /// Removes or changes a row of a homeserver's store, or tries again soon if there is none.
    pub(super) fn damage_row(
        &mut self,
        fault: usize,
        server: usize,
        rows: DamagedRows,
        number: usize,
        damage: Damage,
    ) {
        let keys = self.servers[server].disk.rows.keys_of(kind(rows));
        let Some(key) = keys.get(number % keys.len().max(1)) else {
            self.after(LOOK_AGAIN, Event::Mishap { fault, stage: Stage::Strikes });
            return;
        };
        self.note_damage(server, key);
        self.connect_again();
        let place = &mut self.servers[server];
        place.journal.sync();
        match damage {
            Damage::Removed => {
                place.disk.rows.remove(key);
                self.oracles.repaired.row_is_gone(server, key);
            }
            Damage::Changed => {
                // A byte behind the format.
                if let Some(row) = place.disk.rows.get_mut(key)
                    && let Some(place) = row.bytes.len().checked_sub(1).filter(|last| *last > 0)
                {
                    row.bytes[1 + number % place] ^= 0x55;
                }
            }
        }
        self.report.fault("damaged rows");
        let what = match damage {
            Damage::Removed => "is lost",
            Damage::Changed => "is damaged",
        };
        self.trace.note(format!("a row of homeserver {server} {what}: {key:?}"));
        self.trace.tells();
    }
}

impl World {
    /// Tells the oracles whom the damage of a row concerns.
    fn note_damage(&mut self, server: usize, key: &Key) {
        let step = self.trace.count();
        let domain = self.servers[server].domain.clone();
        match key.kind() {
            RecordKind::FanOutQueueEntry => {
                let is_owner = |user: &&User| {
                    let client = user.client.as_ref().and_then(Client::qs_client);
                    user.server == server && client.is_none_or(|client| key.name().starts_with(&client.0))
                };
                for user in self.users.iter().filter(is_owner) {
                    self.oracles.repaired.queue_is_damaged(&user.id, step);
                }
                self.oracles.enqueued.except_homeserver(&domain);
            }
            RecordKind::FanOutRow | RecordKind::OutboundEntry => {
                // A log may be that of another homeserver's stream.
                let name = key.name();
                let log = name.len().checked_sub(8).and_then(|end| decode::<LogId>(&name[..end]).ok());
                let source = log.filter(|_| key.kind() == RecordKind::FanOutRow);
                let source = source.map_or_else(|| domain.clone(), |log| log.source(&domain).clone());
                self.oracles.repaired.log_is_damaged(&source, step);
                self.oracles.enqueued.except_homeserver(&source);
            }
            RecordKind::GroupHead | RecordKind::GroupSection => {
                if let Some(Ok(uuid)) = key.name().get(..16).map(decode) {
                    self.oracles.repaired.group_is_damaged(GroupId { uuid, domain });
                }
            }
            RecordKind::InboundStream => {
                let source = key.name().split_last_chunk::<16>().map(|(source, _)| decode::<Domain>(source));
                if let Some(Ok(source)) = source {
                    self.oracles.enqueued.except_repeats(&source, &domain);
                    if self.has_waiting(server, &source) {
                        self.oracles.repaired.stream_is_damaged(&source, &domain);
                        self.oracles.enqueued.except_homeserver(&source);
                    }
                }
            }
            _ => {}
        }
    }

    /// Returns whether a homeserver has messages of another one to distribute.
    fn has_waiting(&self, server: usize, source: &Domain) -> bool {
        let rows = self.servers[server].disk.rows.keys_of(RecordKind::FanOutRow);
        let log = |key: &Key| decode::<LogId>(key.name().split_last_chunk::<8>()?.0).ok();
        rows.iter()
            .filter_map(log)
            .any(|log| matches!(log, LogId::Stream { source: of, .. } if of == *source))
    }
}

/// Returns the kind of records that rows are of.
const fn kind(rows: DamagedRows) -> RecordKind {
    match rows {
        DamagedRows::Lease => RecordKind::Lease,
        DamagedRows::PeerKeys => RecordKind::PeerKeys,
        DamagedRows::InboundSource => RecordKind::InboundSource,
        DamagedRows::FirstContacts => RecordKind::FirstContacts,
        DamagedRows::QueueEntry => RecordKind::FanOutQueueEntry,
        DamagedRows::FanOutRow => RecordKind::FanOutRow,
        DamagedRows::OutboundEntry => RecordKind::OutboundEntry,
        DamagedRows::InboundStream => RecordKind::InboundStream,
        DamagedRows::GroupHead => RecordKind::GroupHead,
        DamagedRows::GroupSection => RecordKind::GroupSection,
    }
}
