//! Mishaps of machines and stores that operators meet: when which of them happens.

use super::{event::Event, stage::Stage, state::World};
use crate::{oracle::Violation, plan::FaultKind, server::Doom};

impl World {
    /// Schedules the stages of a mishap.
    pub(super) fn schedule_mishap(&mut self, fault: usize) {
        let at = self.plan.faults[fault].at;
        if let FaultKind::StoreRestored { age, .. } = self.plan.faults[fault].kind {
            self.after(at.saturating_sub(age), Event::Mishap { fault, stage: Stage::Prepares });
        }
        self.after(at, Event::Mishap { fault, stage: Stage::Begins });
    }

    /// Carries out a stage of a mishap, unless the faults have ended.
    pub(super) fn mishap(&mut self, fault: usize, stage: Stage) -> Result<(), Violation> {
        if self.faults_over {
            return Ok(());
        }
        let of = self.plan.faults[fault].clone();
        match (of.kind, stage) {
            (FaultKind::Pause { server, number }, Stage::Begins) => self.pause(server, number, of.lasts),
            (FaultKind::PowerFailure { server, commits, .. }, Stage::Begins) if commits > 0 => {
                self.servers[server].doom = Some(Doom { fault, commits });
            }
            (FaultKind::PowerFailure { server, users, .. }, _) => self.fail_power(server, &users, of.lasts),
            (FaultKind::StoreRestored { server, .. }, Stage::Prepares) => self.copy_store(server, fault),
            (FaultKind::StoreRestored { server, .. }, Stage::Begins) => {
                self.restore_store(server, fault, of.lasts);
            }
            (FaultKind::DamagedRow { server, rows, number, damage }, _) => {
                self.damage_row(fault, server, rows, number, damage);
            }
            (FaultKind::Pause { .. } | FaultKind::StoreRestored { .. }, _)
            | (
                FaultKind::Crash { .. }
                | FaultKind::Partition { .. }
                | FaultKind::ServerClock { .. }
                | FaultKind::UserClock { .. }
                | FaultKind::ClientCrash { .. },
                _,
            ) => {}
        }
        Ok(())
    }
}
