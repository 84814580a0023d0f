//! Settings files.

use std::{fs, path::Path};

use super::{checks, error::SettingsError, sections::Settings};

/// The settings file with all defaults, and an explanation of each setting.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

impl Settings {
    /// Reads a settings file. Relative paths in it start at the directory of the file.
    ///
    /// # Errors
    /// [`SettingsError`] says what to change.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |error| SettingsError::Unreadable { path: path.to_owned(), error };
        let mut settings = Self::parse(&fs::read_to_string(path).map_err(unreadable)?)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for file in settings.files() {
            *file = directory.join(&*file);
        }
        Ok(settings)
    }

    /// Parses the text of a settings file.
    ///
    /// # Errors
    /// [`SettingsError`] says what to change.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = toml::from_str(text)?;
        checks::check(&settings)?;
        Ok(settings)
    }
}
