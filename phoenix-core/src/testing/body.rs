//! Operations made of a closure.

use crate::{
    error::Refusal,
    homeserver::Homeserver,
    operation::{Handler, Interrupt, Lane, Operation, Transaction},
    time::Timestamp,
};

/// The answer of a body that is refused.
pub const REFUSED: &[u8] = b"refused";
/// The answer of a body that cannot be served now.
pub const UNAVAILABLE: &[u8] = b"unavailable";

struct Body<F>(F);

impl<F> Handler for Body<F>
where
    F: Fn(&mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> + Send,
{
    fn lane(&self) -> Lane {
        Lane::Free
    }

    fn may_ask(&self) -> bool {
        true
    }

    fn run(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
        (self.0)(transaction)
    }

    fn pay(&self, _: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        Ok(true)
    }

    fn refused(&self, _: &mut Transaction<'_>, refusal: &Refusal) -> Option<Vec<u8>> {
        let unavailable = matches!(refusal, Refusal::Unavailable { .. });
        Some(if unavailable { UNAVAILABLE.to_vec() } else { REFUSED.to_vec() })
    }
}

/// Returns an operation that runs `body`.
pub fn operation(
    homeserver: Homeserver,
    now: Timestamp,
    seed: [u8; 32],
    body: impl Fn(&mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> + Send + 'static,
) -> Operation {
    Operation::new(homeserver, now, seed, Box::new(Body(body)))
}
