//! A homeserver with its keys and its store in a folder.

use std::path::{Path, PathBuf};

use phoenix_core::{
    Config, Homeserver, Random, ServiceKeys, Timestamp, identifiers::Domain, store::RecordKind,
};

use crate::{
    data_directory::DataDirectory,
    key_file,
    local::Failure,
    store::{EmbeddedStore, embedded::EmbeddedSettings},
};

/// A homeserver of the world, on the store that a homeserver has on disk.
pub struct Site {
    /// The homeserver, with the settings that it has by default.
    pub homeserver: Homeserver,
    /// Its store.
    pub store: EmbeddedStore,
    /// Where its files are.
    pub data: DataDirectory,
    folder: PathBuf,
}

impl Site {
    /// Creates a homeserver in a folder of its own below `folder`.
    pub fn create(
        folder: &Path,
        domain: &Domain,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let failed = Failure::of("preparing a homeserver");
        let folder = folder.join(domain.as_str());
        let data = DataDirectory::open(&folder.join("data")).map_err(|error| failed(&error))?;
        let keys = ServiceKeys::generate(domain, random, now);
        key_file::create(&data.keys(), &keys).map_err(|error| failed(&error))?;
        let store = EmbeddedStore::open(data.store(), EmbeddedSettings::default());
        let store = store.map_err(|error| failed(&error))?;
        let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
        Ok(Self { homeserver, store, data, folder })
    }

    /// The homeserver's domain.
    pub fn domain(&self) -> &Domain {
        self.homeserver.domain()
    }

    /// Where the image of this name is kept.
    pub fn image(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A row that a homeserver wrote for the first time while it served somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The homeserver, by its number.
    pub site: usize,
    /// The user whose request it served.
    pub user: usize,
    /// The kind of the record.
    pub kind: RecordKind,
    /// The row's key, with the kind.
    pub key: Vec<u8>,
}
