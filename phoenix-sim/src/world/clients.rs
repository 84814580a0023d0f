//! Processes of clients: what they save, the events that they show, their crashes and restarts.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::{
    client::{Client, EventId, Save, SaveFailed},
    identifiers::GroupId,
};

use super::{event::Event, state::World};
use crate::{
    oracle::Violation,
    plan::{Action, DeviceCopy, FaultKind},
    user::{Copy, Doom},
};

/// Until the faults end, one of this many saves is slow: it takes up to `SLOW_SAVE` milliseconds.
const SLOW: u64 = 16;
const SLOW_SAVE: u64 = 1_000;

/// Of this many events, one is not confirmed before the next start of the client.
const UNCONFIRMED: u64 = 8;

/// Of this many events, one is confirmed late: within `CONFIRMED_LATE` instead of `CONFIRMED`.
const LATE: u64 = 4;
const CONFIRMED: u64 = 300;
const CONFIRMED_LATE: u64 = 20_000;

/// How long a client is down that has stopped by itself, in milliseconds: at most this.
const STOPPED: u64 = 2_000;

impl World {
    /// Sends a save on its way to the device.
    pub(super) fn save(&mut self, user: usize, save: Save) {
        for change in &save.changes {
            self.trace.bytes(&change.name);
            self.trace.bytes(change.content.as_deref().unwrap_or_default());
        }
        self.trace.note(format!("user {user} saves {} changes", save.changes.len()));
        self.users[user].saves(save);
        let random = &mut self.randoms.clients;
        let (latency, is_slow) = (self.store_faults.latency(random), random.below(SLOW) == 0);
        let slowness = Duration::from_millis(random.below(SLOW_SAVE));
        let delay = if is_slow && !self.faults_over { slowness } else { latency };
        let start = self.users[user].start;
        self.after(delay, Event::Store { user, start });
    }

    /// Stores a save, and tells the client; or fails to, whether or not it is stored.
    pub(super) fn store(&mut self, user: usize, start: u32) -> Result<(), Violation> {
        if !self.users[user].is_running(start) {
            return Ok(());
        }
        let random = &mut self.randoms.clients;
        let (fails, in_silence) = (self.store_faults.unreadable.happens(random), random.below(2) == 0);
        let owner = &mut self.users[user];
        let Some(saving) = owner.saving.take() else { return Ok(()) };
        if !fails || in_silence {
            owner.apply(&saving);
        }
        if let Some(client) = &mut owner.client {
            client.saved(saving.save.id, if fails { Err(SaveFailed) } else { Ok(()) });
        }
        if fails {
            self.report.fault("failed saves");
            let kept = if in_silence { "though it is on the device" } else { "and is not on the device" };
            self.trace.note(format!("the save fails, {kept}"));
        }
        self.drive_user(user)
    }

    /// Has a user confirm an event in a while, or not before the next start of the client.
    pub(super) fn confirm_later(&mut self, user: usize, event: EventId) {
        let random = &mut self.randoms.clients;
        let (never, late) = (random.below(UNCONFIRMED) == 0, random.below(LATE) == 0);
        let delay = random.below(if late { CONFIRMED_LATE } else { CONFIRMED });
        let start = self.users[user].start;
        if !never {
            self.after(Duration::from_millis(delay), Event::Confirm { user, start, event });
        }
    }

    pub(super) fn confirm(&mut self, user: usize, start: u32, event: EventId) -> Result<(), Violation> {
        if !self.users[user].is_running(start) {
            return Ok(());
        }
        if let Some(client) = &mut self.users[user].client {
            client.confirm(event);
        }
        self.drive_user(user)
    }

    /// Makes a copy of a device, from which a fault will restore its client.
    pub(super) fn copy_device(&mut self, user: usize, fault: usize) {
        let copy = self.users[user].copy(self.trace.count());
        self.users[user].copies.insert(fault, copy);
    }

    /// Has a client crash soon: at once, or after some more outputs. If it is down, after its restart.
    pub(super) fn doom_client(&mut self, user: usize, fault: usize) {
        if let FaultKind::ClientCrash { steps, copy, .. } = self.plan.faults[fault].kind
            && !self.faults_over
            && (self.users[user].doom.is_none() || copy != DeviceCopy::Last)
        {
            self.users[user].doom = Some(Doom { fault, steps });
            self.crash_if_doomed(user);
        }
    }

    /// Counts an output of a client that is to crash.
    pub(super) fn step_to_doom(&mut self, user: usize) {
        if let Some(doom) = &mut self.users[user].doom {
            doom.steps = doom.steps.saturating_sub(1);
            self.crash_if_doomed(user);
        }
    }

    fn crash_if_doomed(&mut self, user: usize) {
        let Some(Doom { fault, .. }) = self.users[user].doom.filter(|doom| doom.steps == 0) else { return };
        if self.users[user].client.is_none() {
            return;
        }
        self.users[user].doom = None;
        let lost = self.crash_client(user, self.plan.faults[fault].lasts);
        let copy = self.users[user].copies.remove(&fault);
        if let FaultKind::ClientCrash { copy: DeviceCopy::Older(_), .. } = self.plan.faults[fault].kind
            && let Some(copy) = copy
        {
            self.go_back(user, copy, lost);
        }
    }

    /// Ends a client that has stopped because a save failed.
    pub(super) fn stop_client(&mut self, user: usize) {
        let lasts = Duration::from_millis(self.randoms.clients.below(STOPPED));
        self.crash_client(user, lasts);
    }

    /// Kills the process of a client. What was on its way to the device has reached it, or never will; what
    /// was begun and is in no save never was. Returns the groups that the client was in, or on its way into.
    pub(super) fn crash_client(&mut self, user: usize, lasts: Duration) -> BTreeSet<GroupId> {
        let is_applied = self.randoms.clients.below(2) == 0;
        let owner = &mut self.users[user];
        let Some(client) = owner.client.take() else { return BTreeSet::new() };
        if let Some(saving) = owner.saving.take().filter(|_| is_applied) {
            owner.apply(&saving);
        }
        let forgotten = owner.forget_unsaved();
        self.report.client_crashes += 1;
        let under_way: Vec<_> = client.under_way().iter().map(|intent| intent.what).collect();
        self.trace.tells();
        let about: Vec<String> = under_way.iter().map(|what| format!("{what:?}")).collect();
        let during = if about.is_empty() { "" } else { " during " };
        let about = about.join(", ");
        self.trace.note(format!("the client of user {user} crashes for {lasts:?}{during}{about}"));
        for what in under_way {
            *self.report.interrupted.entry(format!("{what:?}")).or_default() += 1;
        }
        for intent in forgotten {
            self.try_again(intent);
        }
        self.after(lasts, Event::RestartClient { user });
        groups_of(&client)
    }

    /// Starts a client again, unless it runs.
    pub(super) fn restart_client(&mut self, user: usize) -> Result<(), Violation> {
        if self.faults_over {
            self.users[user].doom = None;
        }
        if self.users[user].client.is_some() || self.users[user].has_left {
            return Ok(());
        }
        let now = self.user_time(user);
        if let Err(error) = self.users[user].restart(now) {
            let what = format!("the client of user {user} cannot be restored: {error}");
            let should = "A client can be restored from whatever is on its device.";
            return Err(Violation::now("restored", what, should));
        }
        self.learn_user(user);
        self.drive_user(user)?;
        self.listen(user);
        self.crash_if_doomed(user);
        Ok(())
    }

    /// Puts an older copy in the place of a device, if its client can know it for one: if an entry of its
    /// queue was acknowledged since. `lost` are the groups that the client was in, or on its way into.
    fn go_back(&mut self, user: usize, copy: Copy, lost: BTreeSet<GroupId>) {
        let id = self.users[user].id.clone();
        let has_read = copy.is_registered && copy.entries_read > 0;
        if !has_read || !self.oracles.restored.has_acknowledged(&id, copy.entries_read) {
            return;
        }
        self.report.older_copies += 1;
        self.trace.note(format!("user {user} goes back to the copy of step {}", copy.step));
        let (since, number) = (copy.step, self.trace.current());
        self.oracles.goes_back(&id, since, lost, number);
        self.users[user].go_back_to(copy);
        self.give_up_existing(user);
        // What the user began since the copy was made, or had finished, is begun anew where that does no
        // harm.
        for intent in 0..self.plan.intents.len() {
            let of = &self.plan.intents[intent];
            let repeats = of.user == user && matches!(of.action, Action::Connect { .. });
            if repeats && self.finished.get(&intent).is_some_and(|step| *step > since) {
                self.finished.remove(&intent);
            }
            if of.user == user && !self.finished.contains_key(&intent) {
                self.try_again(intent);
            }
        }
    }
}

/// Returns the groups that a client is in, or on its way into.
fn groups_of(client: &Client) -> BTreeSet<GroupId> {
    let present = client.groups().into_iter().map(|view| view.group_id);
    present.chain(client.under_way().into_iter().filter_map(|intent| intent.group)).collect()
}
