//! Directories of a store: private, and durable in their names.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// The format that this code writes. A change that older code would misread increments it.
pub(super) const FORMAT: u32 = 1;

/// Creates a directory that only its owner may enter, with all directories above it.
pub(super) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(directory)?.sync_all() }
}
