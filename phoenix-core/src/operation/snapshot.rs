//! Reads on which the commit does not depend.

use super::{step::Interrupt, transaction::Transaction};
use crate::store::{
    key::{Key, Record},
    record::Stored,
};

/// The rows of a transaction as they were when they were loaded: the commit goes through even if they have
/// changed since. See [`Transaction::snapshot`].
pub struct Snapshot<'t, 'a>(&'t mut Transaction<'a>);

impl<'a> Transaction<'a> {
    /// Reads on which the commit does not depend: for what may be a little old without harm, such as how much
    /// work there is at least.
    pub const fn snapshot(&mut self) -> Snapshot<'_, 'a> {
        Snapshot(self)
    }
}

impl Snapshot<'_, '_> {
    /// As [`Transaction::get`].
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn get<R: Record>(&mut self, name: &R::Name) -> Result<Option<R>, Interrupt> {
        let stored = self.read(name)?;
        self.0.refuse_damaged(stored)
    }

    /// As [`Transaction::read`].
    ///
    /// # Errors
    /// As [`Transaction::read`].
    pub fn read<R: Record>(&mut self, name: &R::Name) -> Result<Stored<R>, Interrupt> {
        let key = Key::of::<R>(name);
        self.load(std::slice::from_ref(&key))?;
        Ok(self.0.stored(&key))
    }

    /// Makes sure that all of `keys` are loaded, in one round where several are missing. Does not count as
    /// reading them: they may be read later, on this snapshot or not.
    ///
    /// # Errors
    /// [`Interrupt::Load`](super::Interrupt::Load) naming all that are missing.
    pub fn load(&mut self, keys: &[Key]) -> Result<(), Interrupt> {
        self.0.require(keys)
    }
}
