//! Key files: a homeserver's keys, and its root key, each as one PEM block in a file that only its owner may
//! read.
//!
//! The root key signs intermediate credentials and nothing else. It is never in the file that the homeserver
//! reads: it belongs on an offline medium.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use pem::Pem;
use phoenix_core::{
    identifiers::Domain,
    keys::{self, RootKey, ServiceKeys},
};
use zeroize::Zeroizing;

use crate::private_file;

/// The most bytes of a key file: hundreds of keys fit.
const MAX_BYTES: u64 = 4 << 20;

/// Keys that have a file of their own.
pub trait Keys: Sized {
    /// The label of the PEM block.
    const LABEL: &'static str;

    /// Encodes the content of the PEM block: a secret.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>>;

    /// Decodes the content of the PEM block.
    ///
    /// # Errors
    /// [`keys::KeyFileError`] if the content is damaged or of a later release.
    fn from_bytes(bytes: &[u8]) -> Result<Self, keys::KeyFileError>;
}

impl Keys for ServiceKeys {
    const LABEL: &'static str = "PHOENIX SERVICE KEYS";

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, keys::KeyFileError> {
        Self::from_bytes(bytes)
    }
}

impl Keys for RootKey {
    const LABEL: &'static str = "PHOENIX ROOT KEY";

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, keys::KeyFileError> {
        Self::from_bytes(bytes)
    }
}

/// A key file that cannot be used. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("the key file {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Others than its owner may read or change the file.
    #[error(
        "the key file {} is open to others (mode {mode:03o}): remove their permissions with `chmod 600 {}`, and \
         replace the keys if others may have read them",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// The file contains something else.
    #[error("the key file {} does not contain {expected}", path.display())]
    OtherContent {
        /// The file.
        path: PathBuf,
        /// The expected PEM label.
        expected: &'static str,
    },
    /// The file is damaged, or of a later release.
    #[error("{}: {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: keys::KeyFileError,
    },
    /// The keys are those of another homeserver.
    #[error("the key file {} is of {found}, not of {domain}", path.display())]
    OtherDomain {
        /// The file.
        path: PathBuf,
        /// The domain in the file.
        found: Domain,
        /// The expected domain.
        domain: Domain,
    },
    /// The key file exists. Key files are never overwritten.
    #[error("the key file {} exists already; it is left as it is", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("the key file {} cannot be written: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// Reads keys.
///
/// # Errors
/// [`KeyFileError`] if the file cannot be read, is damaged, or is accessible to others than its owner.
pub fn read<K: Keys>(path: &Path) -> Result<K, KeyFileError> {
    let unreadable = |error| KeyFileError::Unreadable { path: path.to_owned(), error };
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file: the path may name another file by now.
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    // Large enough from the start: a growing buffer would leave copies in memory.
    let room = usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or_default();
    let mut text = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(unreadable)?;
    let block = pem::parse(&*text).ok().filter(|block| block.tag() == K::LABEL);
    let block =
        block.ok_or_else(|| KeyFileError::OtherContent { path: path.to_owned(), expected: K::LABEL })?;
    let content = Zeroizing::new(block.into_contents());
    K::from_bytes(&content).map_err(|error| KeyFileError::Damaged { path: path.to_owned(), error })
}

/// Reads the keys of the homeserver of `domain`.
///
/// # Errors
/// As [`read`], and [`KeyFileError::OtherDomain`] if the keys are another homeserver's.
pub fn read_for(path: &Path, domain: &Domain) -> Result<ServiceKeys, KeyFileError> {
    let keys: ServiceKeys = read(path)?;
    let other = keys.roots.iter().map(|root| &root.payload.domain).find(|found| *found != domain);
    match other.cloned() {
        None => Ok(keys),
        Some(found) => {
            Err(KeyFileError::OtherDomain { path: path.to_owned(), found, domain: domain.clone() })
        }
    }
}

/// Writes keys to a new file.
///
/// # Errors
/// [`KeyFileError::Exists`] if the file exists, [`KeyFileError::Unwritable`] if it cannot be written.
pub fn create<K: Keys>(path: &Path, keys: &K) -> Result<(), KeyFileError> {
    private_file::create(path, &encode(keys)).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Unwritable { path: path.to_owned(), error },
    })
}

/// Replaces the keys in a file.
///
/// # Errors
/// [`KeyFileError::Unwritable`]; the file is unchanged then.
pub fn replace<K: Keys>(path: &Path, keys: &K) -> Result<(), KeyFileError> {
    private_file::replace(path, &encode(keys))
        .map_err(|error| KeyFileError::Unwritable { path: path.to_owned(), error })
}

fn encode<K: Keys>(keys: &K) -> Zeroizing<Vec<u8>> {
    let block = Pem::new(K::LABEL, keys.to_bytes().to_vec());
    let text = Zeroizing::new(pem::encode(&block).into_bytes());
    drop(Zeroizing::new(block.into_contents()));
    text
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use phoenix_core::{rng::Random, time::Timestamp};

    use super::*;

    const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

    fn domain() -> Domain {
        "example.com".parse().unwrap()
    }

    fn generated() -> (ServiceKeys, RootKey) {
        ServiceKeys::generate_with_root(&domain(), &mut Random::from_seed([1; 32]), NOW)
    }

    /// A key file with the keys that were written to it.
    struct KeyFile {
        directory: tempfile::TempDir,
        path: PathBuf,
        keys: ServiceKeys,
        root: RootKey,
    }

    fn key_file() -> KeyFile {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.pem");
        let (keys, root) = generated();
        create(&path, &keys).unwrap();
        KeyFile { directory, path, keys, root }
    }

    #[test]
    fn keys_survive_their_file() {
        let KeyFile { directory, path, mut keys, root } = key_file();
        assert_eq!(read_for(&path, &domain()).unwrap().to_bytes(), keys.to_bytes());
        keys.add_intermediate(&root, &mut Random::from_seed([2; 32]), NOW).unwrap();
        replace(&path, &keys).unwrap();
        assert_eq!(read::<ServiceKeys>(&path).unwrap().to_bytes(), keys.to_bytes());
        let root_path = directory.path().join("root.pem");
        create(&root_path, &root).unwrap();
        assert_eq!(read::<RootKey>(&root_path).unwrap().to_bytes(), root.to_bytes());
        for path in [path, root_path] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn no_key_file_is_overwritten() {
        let KeyFile { directory: _directory, path, root, .. } = key_file();
        let before = fs::read(&path).unwrap();
        assert!(matches!(create(&path, &root), Err(KeyFileError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused_with_what_to_do() {
        let KeyFile { directory: _directory, path, .. } = key_file();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read::<ServiceKeys>(&path).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(read::<ServiceKeys>(&path).is_ok());
    }

    #[test]
    fn other_files_are_no_keys() {
        let KeyFile { directory: _directory, path, .. } = key_file();
        assert!(matches!(read::<RootKey>(&path), Err(KeyFileError::OtherContent { .. })));
        let other: Domain = "example.org".parse().unwrap();
        assert!(matches!(read_for(&path, &other), Err(KeyFileError::OtherDomain { .. })));
        let text = fs::read_to_string(&path).unwrap();
        // Changes one letter of the content to another of the alphabet.
        let position = text.find('\n').unwrap() + 20;
        let letter = if text.as_bytes()[position] == b'A' { "B" } else { "A" };
        let mut changed = text.clone();
        changed.replace_range(position..=position, letter);
        for (content, damaged) in
            [(&*changed, true), ("", false), ("keys", false), (&text[..text.len() / 2], false)]
        {
            fs::write(&path, content).unwrap();
            match read::<ServiceKeys>(&path).map(|_| ()).unwrap_err() {
                KeyFileError::Damaged { .. } => assert!(damaged),
                KeyFileError::OtherContent { .. } => assert!(!damaged),
                other => panic!("{other}"),
            }
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read::<ServiceKeys>(&path), Err(KeyFileError::Unreadable { .. })));
    }
}
