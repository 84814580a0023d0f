//! What honest callers may be told where a store was restored from a backup, or rows of it were damaged.

use std::time::Duration;

use phoenix_core::{error::Refusal, identifiers::Domain, store::RecordKind, wire::operations::OperationKind};

use super::{
    faults::{DamagedRows, FaultKind},
    world::Plan,
};

/// The stores that a plan harms.
#[derive(Debug, Clone, Default)]
pub struct Harms {
    /// The homeservers whose stores are restored, and when.
    restored: Vec<(Domain, Duration)>,
    /// The homeservers that have rows of a kind damaged, and when.
    damaged: Vec<(Domain, DamagedRows, Duration)>,
}

impl Plan {
    /// Returns the stores that the plan harms.
    pub fn harms(&self) -> Harms {
        let domain = |server: usize| self.servers.get(server).map(|server| server.config.domain.clone());
        let restored = self.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::StoreRestored { server, .. } => Some((domain(server)?, fault.at)),
            _ => None,
        });
        let damaged = self.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::DamagedRow { server, rows, .. } => Some((domain(server)?, rows, fault.at)),
            _ => None,
        });
        Harms { restored: restored.collect(), damaged: damaged.collect() }
    }
}

impl Harms {
    /// Returns whether all stores are left whole.
    pub fn is_empty(&self) -> bool {
        self.restored.is_empty() && self.damaged.is_empty()
    }

    /// Returns why the homeserver that owns `domain` may refuse an honest caller so, when `elapsed` has passed since
    /// the beginning of the world. `None`: no harm is a reason for it.
    pub fn permits(
        &self,
        operation: OperationKind,
        refusal: &Refusal,
        domain: &Domain,
        elapsed: Duration,
    ) -> Option<&'static str> {
        let restored = || self.restored.iter().filter(|(_, at)| *at <= elapsed);
        let has_forgotten = || restored().any(|(of, _)| of == domain);
        let are_damaged = |kinds: &[DamagedRows]| {
            let mut damaged = self.damaged.iter().filter(|(of, _, at)| of == domain && *at <= elapsed);
            damaged.any(|(_, rows, _)| kinds.contains(rows))
        };
        let groups = &[DamagedRows::GroupHead, DamagedRows::GroupSection];
        let when = |condition: bool, why: &'static str| condition.then_some(why);
        match refusal {
            Refusal::NoSuchGroup if are_damaged(groups) => Some("the state of a group is damaged"),
            Refusal::StoredData { kind } if GROUP_ROWS.contains(kind) && are_damaged(groups) => {
                Some("the state of a group is damaged")
            }
            Refusal::NoSuchGroup => when(has_forgotten(), "the group was founded after the backup was made"),
            Refusal::NotReserved => {
                when(has_forgotten(), "the group id was reserved after the backup was made")
            }
            Refusal::Unauthenticated if is_of_members(operation) => {
                when(has_forgotten(), "the member, or its key, came after the backup was made")
            }
            Refusal::InvalidMlsMessage if is_of_members(operation) => {
                when(has_forgotten(), "the group has begun the member's epoch anew, and otherwise")
            }
            // The receiver says where it is; a sender that has gone back is told so by others.
            Refusal::StreamPosition { .. } | Refusal::StreamDiverged
                if operation == OperationKind::EnqueueFederated =>
            {
                when(restored().next().is_some(), "one end of the stream has gone back")
            }
            _ => None,
        }
    }
}

/// The kinds of rows that hold the state of a group.
const GROUP_ROWS: [u8; 2] = [RecordKind::GroupHead as u8, RecordKind::GroupSection as u8];

/// Returns whether members of a group ask for an operation, as members.
fn is_of_members(operation: OperationKind) -> bool {
    matches!(
        operation,
        OperationKind::SendMessage
            | OperationKind::AddUsers
            | OperationKind::UpdateClient
            | OperationKind::UpdateQueueInfo
    )
}
