//! What the handles on a store and its writing thread share.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use phoenix_core::store::{Expectation, Reads, commit::Rows};

use super::{
    directory,
    engine::{Batch, Engine},
    error::OpenError,
    rescue,
    settings::EmbeddedSettings,
};
use crate::store::interface::StoreError;

/// A group that takes longer to write than this makes the store unhealthy.
const SLOW: Duration = Duration::from_secs(10);

/// The engine and its condition.
pub(super) struct Shared {
    directory: PathBuf,
    settings: EmbeddedSettings,
    /// `None` while it is being reopened, or if that failed.
    engine: RwLock<Option<Engine>>,
    /// The number of groups that readers see.
    groups: AtomicU64,
    condition: Mutex<Condition>,
}

#[derive(Default)]
struct Condition {
    failure: Option<StoreError>,
    writing_since: Option<Instant>,
}

impl Shared {
    pub fn open(directory: &Path, settings: EmbeddedSettings) -> Result<Self, OpenError> {
        let engine = directory::open(directory, &settings)?;
        Ok(Self {
            directory: directory.to_owned(),
            settings,
            engine: RwLock::new(Some(engine)),
            groups: AtomicU64::new(0),
            condition: Mutex::default(),
        })
    }

    /// The number of groups that a read from now on sees at least.
    pub fn groups(&self) -> u64 {
        self.groups.load(Ordering::Acquire)
    }

    pub fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        self.with_engine(|engine| {
            let rows = reads.keys.into_iter().map(|key| engine.row(&key).map(|row| (key, row)));
            let rows = rows.collect::<Result<_, _>>()?;
            let scans = reads.scans.into_iter().map(|scan| engine.keys(&scan).map(|keys| (scan, keys)));
            Ok(Rows { rows, scans: scans.collect::<Result<_, _>>()? })
        })
    }

    /// Whether all expectations hold at one moment.
    pub fn confirms(&self, expect: &[Expectation]) -> Result<bool, StoreError> {
        self.with_engine(|engine| engine.confirms(expect))
    }

    /// Writes a group. Readers see it once this returns.
    pub fn write(&self, batch: Batch) -> Result<(), fjall::Error> {
        self.condition().writing_since = Some(Instant::now());
        let written = match &*self.engine() {
            Some(engine) => engine.write(batch),
            None => Err(fjall::Error::Poisoned),
        };
        self.condition().writing_since = None;
        if written.is_ok() {
            self.groups.fetch_add(1, Ordering::Release);
        }
        written
    }

    /// Reopens the engine after a write failed for lack of space.
    pub fn reopen(&self) -> Result<(), OpenError> {
        // Fails for as long as there is no space.
        let journal = rescue::copy_journal(&self.directory)?;
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        journal.put_in_place()?;
        *engine = Some(directory::open(&self.directory, &self.settings)?);
        // A commit that ended as unknown may have been written: it counts as a group.
        self.groups.fetch_add(1, Ordering::Release);
        self.condition().failure = None;
        tracing::info!("commits are possible again");
        Ok(())
    }

    pub fn fail(&self, failure: StoreError) {
        let mut condition = self.condition();
        if condition.failure.as_ref() != Some(&failure) {
            tracing::error!(%failure, "commits fail");
            condition.failure = Some(failure);
        }
    }

    pub fn health(&self) -> Result<(), StoreError> {
        let condition = self.condition();
        if let Some(failure) = &condition.failure {
            return Err(failure.clone());
        }
        match condition.writing_since.map(|since| since.elapsed()) {
            Some(elapsed) if elapsed > SLOW => {
                Err(StoreError::Unavailable(format!("writing has taken {} s so far", elapsed.as_secs())))
            }
            _ => Ok(()),
        }
    }

    fn with_engine<T>(&self, read: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match &*self.engine() {
            Some(engine) => read(engine),
            None => Err(StoreError::Unavailable("it is being reopened".to_owned())),
        }
    }

    fn engine(&self) -> RwLockReadGuard<'_, Option<Engine>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
