//! The directory of a store: its lock, its format, and its creation.
//!
//! | name | what |
//! | --- | --- |
//! | `lock` | held for as long as a process uses the directory; contains the number of the process |
//! | `records` | the engine's files, and `format` |
//! | `records.new` | a store being created; worthless if found at opening |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use super::{
    engine::{Engine, io_error},
    error::{OpenError, at},
    files::{FORMAT, create_private, sync_directory},
    rescue,
    settings::EmbeddedSettings,
};

/// The lock that holds a directory for this process.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks `directory`, and creates it if it does not exist.
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

/// Opens the engine in a directory that this process holds, and creates it in a new one.
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
    // The engine panics on some damage.
    match panic::catch_unwind(AssertUnwindSafe(|| Engine::open(records, settings))) {
        Ok(opened) => opened.map_err(|error| refused(directory, records, error)),
        Err(_) => {
            let reason = "the engine cannot read its files".to_owned();
            Err(OpenError::Damaged { directory: directory.to_owned(), reason })
        }
    }
}

/// Creates the store aside and renames it once it is complete, so that no crash leaves half a store.
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
            let reason = "its format file is missing or unreadable".to_owned();
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
