//! All that says whether contents reach whom they are for.

use phoenix_core::{
    identifiers::{Domain, QsClientId},
    store::Write,
    wire::{envelope::RequestEnvelope, operations::Request},
};

use super::{answers::Answers, places::Places, readers::Readers, requests};
use crate::{
    oracle::{
        observation::Observation,
        rows::{LoggedMessage, Rows},
        violation::Violation,
    },
    plan::Plan,
};

/// Where contents are, and whom they have reached.
#[derive(Debug, Default)]
pub struct Misdelivered {
    places: Places,
    answers: Answers,
    readers: Readers,
}

impl Misdelivered {
    /// Creates the oracle for the world of `plan`, in which nothing has happened.
    pub fn new(plan: &Plan) -> Self {
        let domains: Vec<Domain> = plan.servers.iter().map(|server| server.config.domain.clone()).collect();
        let hosts: Vec<usize> = plan.users.iter().map(|user| user.server).collect();
        Self {
            places: Places::new(&domains, &hosts),
            answers: Answers::default(),
            readers: Readers::new(plan),
        }
    }

    /// Checks a request that leaves the client of a user for the homeserver `to`.
    ///
    /// # Errors
    /// It concerns another homeserver.
    pub fn sent(&mut self, user: usize, to: &Domain, bytes: &[u8]) -> Result<(), Violation> {
        let Ok((kind, envelope)) = RequestEnvelope::read(bytes) else { return Ok(()) };
        let Ok(request) = Request::read(kind, envelope.body.as_slice()) else { return Ok(()) };
        self.answers.asked(user, bytes);
        self.answers.sent(user, &envelope, &request);
        requests::check(to, &envelope, &request)
    }

    /// Notes a request that an attacker makes with the keys of a user.
    pub fn forged(&mut self, user: usize, bytes: &[u8]) {
        self.answers.asked(user, bytes);
    }

    /// Returns the user who has read a fan-out queue as its own.
    pub fn owner(&self, client: &QsClientId) -> Option<usize> {
        self.answers.owner(client)
    }

    /// Checks what a homeserver answers.
    ///
    /// # Errors
    /// It is not for who asked, or not what was asked for.
    pub fn answered(&mut self, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        self.answers.answered(request, reply)
    }

    /// Checks the new rows of a commit, before the store of homeserver `server` applies it.
    ///
    /// # Errors
    /// One of them is of what another homeserver hosts.
    pub fn written<'a>(
        &mut self,
        server: usize,
        writes: impl Iterator<Item = &'a Write> + Clone,
    ) -> Result<(), Violation> {
        // A client's queue is made in the commit that makes the client.
        writes.clone().for_each(|write| self.places.note(server, write));
        for write in writes {
            self.places.check(server, write)?;
            self.answers.entered(write);
        }
        Ok(())
    }

    /// Checks a message that homeserver `server` takes into a log.
    ///
    /// # Errors
    /// Recipients or contents are not of that homeserver.
    pub fn logged(
        &mut self,
        server: usize,
        rows: &mut Rows,
        logged: &LoggedMessage,
    ) -> Result<(), Violation> {
        self.readers.logged(rows, logged);
        self.places.message(server, logged)
    }

    /// Checks an event that a client reports.
    ///
    /// # Errors
    /// The client can read what is not for it.
    pub fn observe(&self, observation: &Observation<'_>) -> Result<(), Violation> {
        self.readers.observe(&self.answers, observation)
    }
}
