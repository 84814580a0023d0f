//! The files of a store, read.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{files::files, journal, row::Written, table};

/// The files of a store at one time.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// When each file was changed last, in milliseconds.
    pub changed: Vec<u64>,
    /// All rows, by sequence number.
    pub rows: Vec<Written>,
}

impl Image {
    /// Reads the stolen files in `folder`.
    ///
    /// # Errors
    /// The system's error if a file cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut image = Self::default();
        for path in files(folder)? {
            let bytes = fs::read(&path)?;
            let number = image.changed.len();
            let is_journal = path.extension().is_some_and(|extension| extension == "jnl");
            let rows = if is_journal { journal::rows(&bytes, number) } else { table::rows(&bytes, number) };
            image.rows.extend(rows);
            image.changed.push(milliseconds(fs::metadata(&path)?.modified()?));
        }
        image.sort();
        Ok(image)
    }

    /// Adds what another image has besides.
    pub fn add(&mut self, other: &Self) {
        let files = self.changed.len();
        self.changed.extend_from_slice(&other.changed);
        let rows = other.rows.iter().cloned();
        self.rows.extend(rows.map(|row| Written { file: row.file + files, ..row }));
        self.sort();
    }

    /// Sorts the rows by sequence number. A row that is in two files is kept once.
    fn sort(&mut self) {
        self.rows.sort_by(|one, other| (one.sequence, &one.key).cmp(&(other.sequence, &other.key)));
        self.rows.dedup_by(|one, other| (one.sequence, &one.key) == (other.sequence, &other.key));
    }

    /// The last sequence number of the image.
    pub fn end(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.sequence)
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
