//! Files that hold what nobody else may read.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

/// Refuses a file that others can read or write, that belongs to another user, or that has a second name somewhere.
///
/// The file is judged by its open descriptor, so it cannot be exchanged between the look and the use.
pub(crate) fn refuse_unless_private(file: &File, path: &Path) -> Result<(), String> {
    let found = file.metadata().map_err(|error| format!("cannot look at {}: {error}", path.display()))?;
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
        .is_some_and(|dir| !dir.is_empty() && path.parent() == Some(Path::new(&dir)));
    let Some(fault) = fault(&found, nix::unistd::geteuid().as_raw(), credential) else { return Ok(()) };
    Err(format!(
        "{} {fault}; it must be a plain file of the daemon's user with mode 0600 and one name; find out who changed it before you mend it",
        path.display()
    ))
}

/// What is wrong with a file that should be private to a user.
///
/// systemd keeps credentials as root's and lets the service's user in by an access list, which shows as a right of the group to read.
fn fault(found: &Metadata, user: u32, credential: bool) -> Option<&'static str> {
    let (owned, open_to_others) = if credential {
        (found.uid() == user || found.uid() == 0, found.mode() & 0o037)
    } else {
        (found.uid() == user, found.mode() & 0o077)
    };
    if !found.is_file() {
        Some("is not a regular file")
    } else if !owned {
        Some("belongs to another user")
    } else if open_to_others != 0 {
        Some("can be read or written by others")
    } else if found.nlink() != 1 {
        Some("has more than one name")
    } else {
        None
    }
}

/// Makes an empty private file under a name that is only ever used for what is not finished: what lies there is of a start that was killed.
pub(crate) fn create_anew(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a finished file its name. Afterwards the file and its name are on disk.
pub(crate) fn finish(unfinished: &Path, path: &Path) -> io::Result<()> {
    sync(unfinished)?;
    std::fs::rename(unfinished, path)?;
    sync_directory_of(path)
}

/// Has what is in a file written to disk.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Has the name of a file written to disk.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// A private file that lies under another name until it is whole, and goes if it never is.
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    /// The name under which a file of this name is made. Nothing lies there yet.
    pub(crate) fn of(path: &Path) -> Self {
        Self(path.with_added_extension(format!("{}.part", std::process::id())))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it this name, which must be free. Afterwards the name is on disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if something has the name by now.
    pub(crate) fn finish(self, path: &Path) -> io::Result<()> {
        renameat2(AT_FDCWD, &self.0, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE)?;
        sync_directory_of(path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing lies here once it has its name.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_credential_may_be_roots_and_nobody_elses() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        for (mode, plain, credential) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o440, false, true),
            (0o460, false, false),
            (0o444, false, false),
        ] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            let found = file.as_file().metadata().unwrap();
            assert_eq!(fault(&found, own, false).is_none(), plain, "{mode:o}");
            assert_eq!(fault(&found, own, true).is_none(), credential, "{mode:o} as a credential");
            let theirs = fault(&found, own + 1, true).is_none();
            assert_eq!(theirs, credential && own == 0, "{mode:o} as a credential, of another user");
        }
    }
}
