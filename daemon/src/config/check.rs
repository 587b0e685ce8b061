//! Settings that are well formed and could not work.

use super::{AppConfig, Config, ConfigError};

impl Config {
    /// Refuses what nobody could use, and says what to do about it.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, dir) in [("state_dir", &self.state_dir), ("runtime_dir", &self.runtime_dir)] {
            if let Some(dir) = dir.as_ref().filter(|dir| !dir.is_absolute()) {
                return Err(ConfigError::new(format!(
                    "{key} is \"{}\", and where that is depends on where the daemon is started; write a path that begins with /",
                    dir.display()
                )));
            }
        }
        self.app.iter().try_for_each(AppConfig::check)
    }

    /// Refuses a file that lets nobody in: a daemon for the whole host takes nobody for granted.
    pub(super) fn for_somebody(self) -> Result<Self, ConfigError> {
        if self.app.is_empty() && self.admin.uids.is_empty() {
            return Err(ConfigError::new(
                "nobody could call: there is no app and no administrator; add an [[app]], or uids under [admin]".into(),
            ));
        }
        Ok(self)
    }
}
