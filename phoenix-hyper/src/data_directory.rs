//! The data directory of a homeserver.
//!
//! | name | what |
//! | --- | --- |
//! | `keys.pem` | the homeserver's keys; without them the store is worthless |
//! | `root-key.pem` | the root key, until the operator moves it to a safe place |
//! | `store` | the store |
//! | `node` | the node's id, in hexadecimal digits |
//! | `certificate.pem`, `certificate-key.pem` | a self-signed certificate and its key, for development |

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use phoenix_core::{
    identifiers::{Domain, NodeId},
    rng::Random,
};

use crate::{
    environment::seed,
    private_file,
    tls::{Identity, TlsError},
};

/// The directory of everything that outlives a homeserver's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory(PathBuf);

/// A file of the data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refuses an operation.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file with the node's id is invalid.
    #[error("{} does not contain 32 hexadecimal digits: remove it, and it is created again", path.display())]
    NodeId {
        /// The file.
        path: PathBuf,
    },
    /// The certificate cannot be used.
    #[error("{}: {error}; remove certificate and key, and they are created again", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: TlsError,
    },
}

fn at(path: &Path) -> impl Fn(io::Error) -> DataError {
    move |error| DataError::Io { path: path.to_owned(), error }
}

impl DataDirectory {
    /// Opens the directory, and creates it for its owner alone if it does not exist.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be created.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        private_file::create_directory(path).map_err(at(path))?;
        Ok(Self(path.to_owned()))
    }

    /// The path of the homeserver's key file.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys.pem")
    }

    /// The path of the root key's file.
    pub fn root_key(&self) -> PathBuf {
        self.0.join("root-key.pem")
    }

    /// The path of the store.
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The path of the self-signed certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    /// Returns the node's id: random, and the same for ever once it is created.
    ///
    /// # Errors
    /// [`DataError::NodeId`] if the file is damaged, [`DataError::Io`] if it cannot be read or written.
    pub fn node_id(&self) -> Result<NodeId, DataError> {
        let path = self.0.join("node");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| DataError::NodeId { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = NodeId::random(&mut Random::from_seed(seed()));
                private_file::create(&path, id.to_string().as_bytes()).map_err(at(&path))?;
                Ok(id)
            }
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Returns the self-signed certificate, and whether it was created just now.
    ///
    /// # Errors
    /// [`DataError::Certificate`] if it cannot be used, [`DataError::Io`] if a file cannot be read or
    /// written.
    pub fn self_signed(&self, domain: &Domain) -> Result<(Identity, bool), DataError> {
        let (path, key_path) = (self.certificate(), self.0.join("certificate-key.pem"));
        let failed = |error| DataError::Certificate { path: path.clone(), error };
        if path.exists() && key_path.exists() {
            let chain = fs::read(&path).map_err(at(&path))?;
            let key = fs::read(&key_path).map_err(at(&key_path))?;
            return Ok((Identity::from_pem(&chain, &key).map_err(failed)?, false));
        }
        let identity = Identity::self_signed(domain).map_err(failed)?;
        // The certificate last: if it exists, so does its key.
        private_file::replace(&key_path, identity.key_pem().as_bytes()).map_err(at(&key_path))?;
        private_file::replace(&path, identity.certificate_pem().as_bytes()).map_err(at(&path))?;
        Ok((identity, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::server_config;

    #[test]
    fn the_id_of_the_node_stays() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&directory.path().join("data")).unwrap();
        let id = data.node_id().unwrap();
        assert_eq!(data.node_id().unwrap(), id);
        let other = DataDirectory::open(&directory.path().join("other")).unwrap();
        assert_ne!(other.node_id().unwrap(), id);
        for damaged in ["", "00", "+0112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeffz"] {
            fs::write(directory.path().join("data/node"), damaged).unwrap();
            assert!(matches!(data.node_id(), Err(DataError::NodeId { .. })), "{damaged}");
        }
    }

    #[test]
    fn the_certificate_stays() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(directory.path()).unwrap();
        let domain: Domain = "a.localhost".parse().unwrap();
        let (made, new) = data.self_signed(&domain).unwrap();
        assert!(new);
        let (kept, new) = data.self_signed(&domain).unwrap();
        assert!(!new && kept.certificates() == made.certificates());
        server_config(&kept).unwrap();
        // As after a crash between the two files.
        fs::remove_file(data.certificate()).unwrap();
        let (again, new) = data.self_signed(&domain).unwrap();
        assert!(new && again.certificates() != made.certificates());
        server_config(&data.self_signed(&domain).unwrap().0).unwrap();
    }
}
