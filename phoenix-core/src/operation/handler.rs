//! What an operation runs.

use super::{
    step::{Interrupt, Lane},
    transaction::Transaction,
};
use crate::error::Refusal;

/// The body of an operation: called again from the top until all that it reads is there.
///
/// A handler is a pure function of its own fields and of what the transaction shows it. It may be called any
/// number of times, and only the last call counts.
pub(crate) trait Handler: Send {
    /// What the operation will contend for.
    fn lane(&self) -> Lane;

    /// Whether the operation is allowed to wait for another homeserver.
    fn may_ask(&self) -> bool {
        false
    }

    /// One pass. Returns the encoded response, if a caller waits for one.
    ///
    /// # Errors
    /// [`Interrupt`]: something must be fetched first, or the request is refused.
    fn run(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt>;

    /// Pays for a question to another homeserver, on a transaction that holds what was written before the last
    /// [savepoint](Transaction::savepoint). Returns whether all of that, and what this writes, is to be committed
    /// before the question is asked; an operation that asks for the homeserver itself pays nothing.
    ///
    /// # Errors
    /// [`Interrupt`]: it is refused, for there is nothing left to pay with.
    fn pay(&self, _: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        Ok(false)
    }

    /// The encoded response after a refusal, on a transaction that holds what was written before the last
    /// [savepoint](Transaction::savepoint). What this writes is committed.
    fn refused(&self, transaction: &mut Transaction<'_>, refusal: &Refusal) -> Option<Vec<u8>>;
}
