//! A copy of the journal after a failed write, so that the engine can be reopened within the process.
//!
//! The failed engine may still hold bytes for its journal, and its threads release it a little after it is
//! dropped; the operating system may hold bytes that it failed to write and takes for written. So the new
//! engine gets a fresh copy of the journal: what the old engine writes goes to a file that has no name any
//! more, and what the new one reads was written. The copy needs space too, and so shows whether there is any.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    error::{OpenError, at},
    files::sync_directory,
};

/// Bytes copied at a time.
const PIECE: usize = 64 << 10;

/// The extension of a copy's name until it replaces the journal.
const COPY: &str = "copy";

/// A durable copy of the current journal.
pub(super) struct JournalCopy {
    records: PathBuf,
    journal: PathBuf,
    copy: PathBuf,
}

/// Copies the journal of the store in `directory`.
pub(super) fn copy_journal(directory: &Path) -> Result<JournalCopy, OpenError> {
    let records = directory.join("records");
    let journal = current(&records)?;
    let copy = journal.with_extension(COPY);
    if let Err(error) = copy_file(&journal, &copy) {
        // A partial copy only takes space.
        let _ = fs::remove_file(&copy);
        return Err(at(&copy)(error));
    }
    Ok(JournalCopy { records, journal, copy })
}

impl JournalCopy {
    /// Replaces the journal by the copy. The engine must be closed.
    pub fn put_in_place(self) -> Result<(), OpenError> {
        if current(&self.records)? != self.journal {
            // The engine began another journal in the meantime: the next attempt copies that one.
            let error = io::Error::other("the engine began another journal meanwhile");
            return Err(at(&self.journal)(error));
        }
        fs::rename(&self.copy, &self.journal).map_err(at(&self.copy))?;
        sync_directory(&self.records).map_err(at(&self.records))
    }
}

/// Removes copies that never replaced a journal because the process ended. A copy that stays does no harm.
pub(super) fn clear(records: &Path) {
    for entry in fs::read_dir(records).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == COPY) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Returns the current journal: the one with the highest number.
fn current(records: &Path) -> Result<PathBuf, OpenError> {
    let mut last = None;
    for entry in fs::read_dir(records).map_err(at(records))? {
        let path = entry.map_err(at(records))?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            last = last.max(number.map(|number| (number, path)));
        }
    }
    last.map(|(_, path)| path).ok_or_else(|| at(records)(io::ErrorKind::NotFound.into()))
}

/// Copies all but the zeros at the end, which are preallocated space.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut piece = vec![0; PIECE];
    let mut zeros = 0;
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return to.sync_all();
        }
        let read = &piece[..length];
        let Some(last) = read.iter().rposition(|byte| *byte != 0) else {
            zeros += length as u64;
            continue;
        };
        io::copy(&mut io::repeat(0).take(zeros), &mut to)?;
        to.write_all(&read[..=last])?;
        zeros = (length - last - 1) as u64;
    }
}
