//! The directory of a store: who uses it, which format it has, and how it comes to be.
//!
//! | name | what |
//! | --- | --- |
//! | `lock` | held for as long as a process uses the directory, and naming it |
//! | `records` | the engine's files, and `format` |
//! | `records.new` | a store that is being made; of no worth if found at opening |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use super::{
    EmbeddedSettings,
    engine::{Engine, io_error},
    rescue,
};

/// The format that this code writes. A change that older code would misread makes it the next.
pub(super) const FORMAT: u32 = 1;

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open, or this one has.
    #[error("the store in {} is in use by {}", .directory.display(), describe(*.process))]
    InUse {
        /// Where the store is.
        directory: PathBuf,
        /// Which process it is, if it could be told.
        process: Option<u32>,
    },
    /// What is stored there cannot be made sense of: restore a backup.
    #[error("the store in {} is damaged: {reason}", .directory.display())]
    Damaged {
        /// Where the store is.
        directory: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A newer version of this software has written it: use that.
    #[error("the store in {} has format {found}; this version reads format {FORMAT} and older", .directory.display())]
    Newer {
        /// Where the store is.
        directory: PathBuf,
        /// The format found.
        found: u32,
    },
    /// The file system refuses.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// How.
        #[source]
        error: io::Error,
    },
}

fn describe(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |error| OpenError::Io { path: path.to_owned(), error }
}

/// Holds a directory for this process.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes `directory`, which is made if it is not there.
    pub fn take(directory: &Path) -> Result<Self, OpenError> {
        create_private(directory).map_err(at(directory))?;
        let path = directory.join("lock");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let process = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::InUse { directory: directory.to_owned(), process });
            }
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        let name = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        name.map_err(at(&path))?;
        Ok(Self { _file: file })
    }
}

/// What is stored is nobody else's business.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Opens the engine in a directory that this process holds.
pub(super) fn open(directory: &Path, settings: &EmbeddedSettings) -> Result<Engine, OpenError> {
    let records = directory.join("records");
    if !records.try_exists().map_err(at(&records))? {
        create(directory, &records, settings)?;
    }
    check_format(directory, &records)?;
    rescue::clear(&records);
    open_engine(directory, &records, settings)
}

fn open_engine(directory: &Path, records: &Path, settings: &EmbeddedSettings) -> Result<Engine, OpenError> {
    // Some damage the engine takes for a bug of its own.
    match panic::catch_unwind(AssertUnwindSafe(|| Engine::open(records, settings))) {
        Ok(opened) => opened.map_err(|error| refused(directory, records, error)),
        Err(_) => {
            let reason = "the engine cannot make sense of its files".to_owned();
            Err(OpenError::Damaged { directory: directory.to_owned(), reason })
        }
    }
}

/// A store is made aside and put in place when it is whole, so that no crash leaves half a store.
fn create(directory: &Path, records: &Path, settings: &EmbeddedSettings) -> Result<(), OpenError> {
    let new = directory.join("records.new");
    if new.try_exists().map_err(at(&new))? {
        fs::remove_dir_all(&new).map_err(at(&new))?;
    }
    create_private(&new).map_err(at(&new))?;
    drop(open_engine(directory, &new, settings)?);
    let format = new.join("format");
    let write = File::create(&format).and_then(|mut file| {
        writeln!(file, "{FORMAT}")?;
        file.sync_all()
    });
    write.map_err(at(&format))?;
    sync_directory(&new).and_then(|()| fs::rename(&new, records)).map_err(at(&new))?;
    sync_directory(directory).map_err(at(directory))
}

fn check_format(directory: &Path, records: &Path) -> Result<(), OpenError> {
    let path = records.join("format");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(at(&path)(error)),
    };
    let format = str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
    match format {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => Err(OpenError::Newer { directory: directory.to_owned(), found }),
        _ => {
            let reason = "it does not say which format it has".to_owned();
            Err(OpenError::Damaged { directory: directory.to_owned(), reason })
        }
    }
}

fn refused(directory: &Path, records: &Path, error: fjall::Error) -> OpenError {
    match (io_error(&error).is_some(), error) {
        (true, fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) => {
            at(records)(error)
        }
        (_, error) => OpenError::Damaged { directory: directory.to_owned(), reason: error.to_string() },
    }
}

/// Makes names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(directory)?.sync_all() }
}
