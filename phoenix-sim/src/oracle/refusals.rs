//! Honest callers are told nothing but what the plan permits.

use phoenix_core::{error::Refusal, time::Timestamp, wire::envelope::RequestEnvelope};

use super::violation::Violation;
use crate::plan::Leniency;

/// What honest callers were told.
#[derive(Debug, Default)]
pub struct Refusals {
    /// What they may be told.
    pub permitted: Leniency,
}

impl Refusals {
    /// Checks the refusal of a request of an honest caller.
    ///
    /// # Errors
    /// Nothing in the plan is a reason for it.
    pub fn refused(&mut self, request: &[u8], refusal: &Refusal, now: Timestamp) -> Result<(), Violation> {
        let Ok((operation, envelope)) = RequestEnvelope::read(request) else { return Ok(()) };
        let elapsed = now - self.permitted.start;
        let of_harm = || self.permitted.harms.permits(operation, refusal, &envelope.service_domain, elapsed);
        let age = now - envelope.timestamp;
        match self.permitted.permits(operation, refusal, age, now).or_else(of_harm) {
            Some(_) => Ok(()),
            None => {
                let what = format!("an honest caller's {operation:?} was refused: {refusal}");
                let should = "An honest caller is told nothing but what the plan gives a reason for.";
                Err(Violation::now("refusals", what, should))
            }
        }
    }
}
