//! Files that hold what nobody else may read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Refuses a file that others can read or write, that belongs to another user, or that has a second name somewhere.
///
/// The file is judged by its open descriptor, so it cannot be exchanged between the look and the use.
pub(crate) fn refuse_unless_private(file: &File, path: &Path) -> Result<(), String> {
    let found = file.metadata().map_err(|error| format!("cannot look at {}: {error}", path.display()))?;
    let fault = if !found.is_file() {
        "is not a regular file"
    } else if found.uid() != nix::unistd::geteuid().as_raw() {
        "belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "can be read or written by others"
    } else if found.nlink() != 1 {
        "has more than one name"
    } else {
        return Ok(());
    };
    Err(format!(
        "{} {fault}; it must be a plain file of the daemon's user with mode 0600 and one name; find out who changed it before you mend it",
        path.display()
    ))
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
    File::open(unfinished)?.sync_all()?;
    std::fs::rename(unfinished, path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
