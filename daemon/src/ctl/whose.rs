//! Whose database a command is about that asks no daemon.

use std::path::Path;

use super::failure::Failure;
use crate::daemon::Parts;
use crate::daemon_main::{SYSTEM_CONFIG, Where};
use crate::store;

/// Where everything lies that a daemon of these places would use.
///
/// Without a word about the places they are those of a daemon of the caller's own. On a host with the service, root or an operator who has none means
/// that of the service: a backup restored beside it would seem to have worked.
pub(super) fn parts(places: &Where) -> Result<Parts, Failure> {
    let parts = places.parts()?;
    if !places.are_told() && std::env::var_os("STATE_DIRECTORY").is_none() {
        is_meant(&store::database_in(&parts.state_dir), Path::new(SYSTEM_CONFIG))?;
    }
    Ok(parts)
}

fn is_meant(database: &Path, of_the_service: &Path) -> Result<(), Failure> {
    // What may not be looked at is there.
    let is_there = |path: &Path| path.try_exists().unwrap_or(true);
    if is_there(database) || !is_there(of_the_service) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "you have no database of your own ({}), and this host is set up for a service: for its database, run this as the service's user and with --config {}, as \
         in `sudo -u hallpass hallpass ... --config {}`; for one elsewhere, name its directory with --state-dir",
        database.display(),
        of_the_service.display(),
        of_the_service.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_ones_own_or_no_service_is_needed() {
        let dir = tempfile::TempDir::new().unwrap();
        let (database, service) = (dir.path().join("hallpass.redb"), dir.path().join("hallpass.toml"));
        assert!(is_meant(&database, &service).is_ok(), "a host without the service");
        std::fs::write(&service, "").unwrap();
        let refused = is_meant(&database, &service).unwrap_err();
        assert!(matches!(refused, Failure::Usage(_)), "{refused:?}");
        let told = refused.to_string();
        assert!(told.contains(&format!("--config {}", service.display())), "{told}");
        assert!(told.contains("--state-dir"), "{told}");
        std::fs::write(&database, "").unwrap();
        assert!(is_meant(&database, &service).is_ok(), "their own");
    }
}
