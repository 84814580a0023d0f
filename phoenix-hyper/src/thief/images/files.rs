//! The files of a store, and copies of them.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Copies the files below `store` to `folder`, with their times. What was there before goes.
///
/// # Errors
/// The system's error if a file cannot be copied. One that the engine removes meanwhile is left out.
pub fn steal(store: &Path, folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for path in files(store)? {
        let name = path.strip_prefix(store).map_err(io::Error::other)?;
        let copy = folder.join(name);
        fs::create_dir_all(copy.parent().unwrap_or(folder))?;
        match copy_file(&path, &copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let changed = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    fs::File::options().write(true).open(to)?.set_modified(changed)
}

/// Returns all files below `folder`, in the order of their names.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths: BTreeSet<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    for path in paths {
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}
