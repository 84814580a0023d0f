//! PROTOCOL.md §11.15 — one pass of an intent's function over the client's state.
//!
//! A function is restarted from its beginning whenever what it waits for has come, in this process or a later
//! one. What it made and what it was answered is noted in its intent, in order, and found again there: so the
//! function reads from top to bottom, as an operation of a homeserver does. The rules:
//!
//! * Everything that changes the state or draws randomness is done in [`Pass::once`], or in the closure of a
//!   request. What is noted and what was changed are saved together.
//! * What decides which requests follow is noted too: the state may be another one in the next pass.
//! * A function that has done a part begins [anew](Pass::again_from), without its notes.

use std::{collections::BTreeSet, time::Duration};

use super::{
    error::ClientError,
    event::IntentId,
    state::{Held, Intent, Lane, Note, Password, State, Wait, Want},
};
use crate::{
    codec::{Bytes, Codec, Flag, decode, encode},
    time::Timestamp,
};

/// Why a pass ends before its function does.
#[derive(Debug)]
pub(super) enum Interrupt {
    /// The function is restarted once this has come.
    Wait(Wait),
    /// The function begins anew, with its first notes only.
    Again { keep: usize },
    /// The intent has failed.
    Failed(ClientError),
}

impl<E: Into<ClientError>> From<E> for Interrupt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One pass of an intent's function.
pub(super) struct Pass<'a> {
    state: &'a mut State,
    id: IntentId,
    /// How many notes the function has met.
    met: usize,
    /// Why what it waited for has failed.
    failure: Option<ClientError>,
}

impl<'a> Pass<'a> {
    pub fn new(state: &'a mut State, id: IntentId) -> Self {
        let failure = state.failures.remove(&id);
        Self { state, id, met: 0, failure }
    }

    pub fn id(&self) -> IntentId {
        self.id
    }

    pub fn state(&self) -> &State {
        self.state
    }

    pub fn now(&self) -> Timestamp {
        self.state.now
    }

    /// When the intent began.
    pub fn since(&self) -> Timestamp {
        self.state.intents.get(&self.id).map_or(self.state.now, |intent| intent.since)
    }

    /// Makes something once. Its value is noted, together with what `make` changes.
    pub fn once<T: Codec>(
        &mut self,
        label: &'static str,
        make: impl FnOnce(&mut State) -> Result<T, ClientError>,
    ) -> Result<T, Interrupt> {
        if let Some(note) = self.next_note()? {
            let Note::Made { label: noted, value } = note else {
                return Err(ClientError::BegunByAnotherVersion.into());
            };
            let value = decode(value.as_slice()).ok().filter(|_| noted.as_slice() == label.as_bytes());
            self.met += 1;
            return value.ok_or(ClientError::BegunByAnotherVersion.into());
        }
        let value = make(self.state)?;
        let (label, noted) = (Bytes::new(label.as_bytes().to_vec())?, Bytes::new(encode(&value))?);
        self.note(Note::Made { label, value: noted })?;
        self.met += 1;
        Ok(value)
    }

    /// Whether the function has been further than this before.
    pub fn is_repeated(&self) -> bool {
        self.state.intents.get(&self.id).is_some_and(|intent| self.met < intent.notes.len())
    }

    /// Whether something was made, at whatever place.
    pub fn has_made(&self, label: &'static str) -> bool {
        let is_it =
            |note: &Note| matches!(note, Note::Made { label: of, .. } if of.as_slice() == label.as_bytes());
        self.state.intents.get(&self.id).is_some_and(|intent| intent.notes.iter().any(is_it))
    }

    /// Waits for its turn in a lane, and keeps the lane until the intent ends.
    pub fn enter(&mut self, lane: Lane) -> Result<(), Interrupt> {
        if self.intent()?.held.is_none() {
            let ticket = self.state.next_ticket;
            self.state.next_ticket += 1;
            self.change()?.held = Some(Held { lane: lane.clone(), ticket });
            self.state.lanes.entry(lane.clone()).or_default().insert(ticket);
        }
        if self.state.has_turn(self.id) { Ok(()) } else { Err(Interrupt::Wait(Wait::Turn(lane))) }
    }

    /// Has something done that another intent does, once for all that want it. Returns why it is waited for,
    /// or has failed.
    pub fn after(&mut self, want: &Want) -> Interrupt {
        match self.failure.take() {
            Some(error) => Interrupt::Failed(error),
            None => Interrupt::Wait(Wait::End { of: self.state.want(want), until: None }),
        }
    }

    /// As [`Pass::after`], but goes on at `until` even if it is not done, and whether or not it fails.
    pub fn after_or(&mut self, want: &Want, until: Timestamp) -> Interrupt {
        Interrupt::Wait(Wait::End { of: self.state.want(want), until: Some(until) })
    }

    /// Returns why what it waited for has failed, if it has: then the caller deals with it.
    pub fn take_failure(&mut self) -> Option<ClientError> {
        self.failure.take()
    }

    /// Waits until something changes, at most for `patience`.
    pub fn wait_for_change(&self, patience: Duration) -> Interrupt {
        Interrupt::Wait(Wait::Change { since: self.state.changes, until: self.now() + patience })
    }

    /// Returns a place to begin anew from.
    pub const fn place(&self) -> usize {
        self.met
    }

    /// Begins anew, but keeps what was noted before `place`.
    pub fn again_from(&mut self, place: usize) -> Interrupt {
        if let Ok(intent) = self.change() {
            intent.rounds += 1;
        }
        Interrupt::Again { keep: place }
    }

    /// Whether the function has got as far as this, and begun anew there.
    pub fn has_reached(&mut self, milestone: &'static str) -> Result<bool, Interrupt> {
        let reached = match self.next_note()? {
            Some(Note::Made { label, .. }) => label.as_slice() == milestone.as_bytes(),
            Some(Note::Call(_) | Note::Answered { .. }) | None => false,
        };
        self.met += usize::from(reached);
        Ok(reached)
    }

    /// Begins anew from `place`, with a note that it has got as far as this.
    pub fn reach(&mut self, place: usize, milestone: &'static str) -> Interrupt {
        let (label, value) = (Bytes::new(milestone.as_bytes().to_vec()), Bytes::default());
        if let (Ok(intent), Ok(label)) = (self.change(), label) {
            intent.notes.truncate(place);
            // There is room: one less than before, or the first one.
            let _ = intent.notes.push(Note::Made { label, value });
        }
        Interrupt::Again { keep: place + 1 }
    }

    /// How often the intent began anew.
    pub fn rounds(&self) -> u32 {
        self.state.intents.get(&self.id).map_or(0, |intent| intent.rounds)
    }

    /// Fails if what a homeserver has left to be read does not get less.
    pub fn note_left(&mut self, left: u64, progress: bool) -> Result<(), Interrupt> {
        let intent = self.change()?;
        let before = std::mem::replace(&mut intent.left, left);
        let stuck = !progress && intent.rounds > 0 && left >= before;
        if stuck {
            Err(ClientError::dishonest("a queue that has more, but gives nothing").into())
        } else {
            Ok(())
        }
    }

    /// Overwrites the password of a registration: it is needed no more.
    pub fn forget_password(&mut self) -> Result<(), Interrupt> {
        let intent = self.change()?;
        if let Want::Register { password } = &mut intent.want {
            *password = Password::default();
        }
        Ok(())
    }

    // For requests (`exchange`).

    pub(super) fn state_mut(&mut self) -> &mut State {
        self.state
    }

    /// Returns the note that the function meets next, if it has been here before.
    pub(super) fn next_note(&self) -> Result<Option<&Note>, Interrupt> {
        Ok(self.intent()?.notes.get(self.met))
    }

    /// Returns the note that the function met last.
    pub(super) fn last_note(&self) -> Result<Option<&Note>, Interrupt> {
        Ok(self.met.checked_sub(1).and_then(|last| self.intent().ok()?.notes.get(last)))
    }

    pub(super) fn next_note_mut(&mut self) -> Result<Option<&mut Note>, Interrupt> {
        let met = self.met;
        Ok(self.change()?.notes.get_mut(met))
    }

    pub(super) fn pass_note(&mut self) {
        self.met += 1;
    }

    pub(super) fn note(&mut self, note: Note) -> Result<(), Interrupt> {
        self.change()?.notes.push(note).map_err(|_| ClientError::Contention)?;
        Ok(())
    }

    fn intent(&self) -> Result<&Intent, Interrupt> {
        self.state.intents.get(&self.id).ok_or(ClientError::Cancelled.into())
    }

    fn change(&mut self) -> Result<&mut Intent, Interrupt> {
        self.state.intents.get_mut(&self.id).ok_or(ClientError::Cancelled.into())
    }
}

impl State {
    /// Begins an intent.
    pub fn begin(&mut self, want: Want, by_application: bool) -> IntentId {
        let id = IntentId(self.next_intent);
        self.next_intent += 1;
        let intent = Intent {
            want,
            by_application: Flag::from(by_application),
            since: self.now,
            held: None,
            rounds: 0,
            left: 0,
            notes: Default::default(),
        };
        self.intents.insert(id, intent);
        id
    }

    /// Gives what was begun before the client knew the time the time of its first run.
    pub fn begin_at(&mut self, now: Timestamp) {
        for id in self.intents.keys().copied().collect::<Vec<_>>() {
            if let Some(intent) = self.intents.get_mut(&id) {
                intent.since = now;
            }
        }
    }

    /// Begins an intent of the client's own, unless there is one that wants the same.
    pub fn want(&mut self, want: &Want) -> IntentId {
        let same = self.intents.iter().find(|(_, intent)| intent.want == *want).map(|(id, _)| *id);
        same.unwrap_or_else(|| self.begin(want.clone(), false))
    }

    /// Whether an intent is the first of those in its lane, or in none.
    pub fn has_turn(&self, id: IntentId) -> bool {
        let Some(held) = self.intents.get(&id).and_then(|intent| intent.held.as_ref()) else { return true };
        self.lanes.get(&held.lane).and_then(BTreeSet::first) == Some(&held.ticket)
    }

    /// Takes an intent out of its lane.
    pub fn leave_lane(&mut self, held: &Held) {
        if let Some(tickets) = self.lanes.get_mut(&held.lane) {
            tickets.remove(&held.ticket);
            if tickets.is_empty() {
                self.lanes.remove(&held.lane);
            }
        }
    }
}
