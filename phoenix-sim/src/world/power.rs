//! Power failures: everything that was not synced is lost.

use std::time::Duration;

use super::{event::Event, stage::Stage, state::World};
use crate::server::Doom;

impl World {
    /// Counts a commit of a homeserver whose power is to fail.
    pub(super) fn step_to_power_failure(&mut self, server: usize) {
        let Some(Doom { fault, commits }) = self.servers[server].doom.take() else { return };
        if commits > 1 {
            self.servers[server].doom = Some(Doom { fault, commits: commits - 1 });
        } else {
            self.after(Duration::ZERO, Event::Mishap { fault, stage: Stage::Strikes });
        }
    }

    /// Kills all processes of a homeserver and the clients of `users` at once. No commit on its way reaches
    /// the store, what the store has applied and no one has seen is rolled back, and saves on their way never
    /// reach their devices.
    pub(super) fn fail_power(&mut self, server: usize, users: &[usize], lasts: Duration) {
        self.report.fault("power failures");
        for machine in self.servers[server].machines.clone() {
            let place = &mut self.machines[machine];
            place.cut_off = place.start;
            self.crash(server, self.machines[machine].number, lasts);
        }
        self.roll_back(server);
        for user in users {
            if self.users[*user].client.is_some() {
                self.users[*user].saving = None;
                self.crash_client(*user, lasts);
            }
        }
    }

    /// Takes back what the store of a homeserver has applied and not synced.
    fn roll_back(&mut self, server: usize) {
        let place = &mut self.servers[server];
        for lost in place.journal.roll_back(&mut place.disk.rows) {
            self.trace.note(format!("a commit of {} writes is rolled back", lost.commit.writes.len()));
            self.report.fault("commits rolled back");
            self.oracles.rolled_back(server, &lost);
        }
    }
}
