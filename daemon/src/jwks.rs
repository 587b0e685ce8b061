//! The public keys as a file beside the board, for verifiers in other languages. It is exchanged whole, so whoever reads it reads one set.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::files;

/// Its name in the runtime directory.
const NAME: &str = "jwks.json";
/// The name under which it is made.
const UNFINISHED: &str = "jwks.json.new";

/// Where the file is, and whether it says what it should.
#[derive(Debug)]
pub(crate) struct JwksFile {
    dir: PathBuf,
    is_old: AtomicBool,
}

impl JwksFile {
    /// A file in the runtime directory, which is the daemon's own.
    pub(crate) fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), is_old: AtomicBool::new(true) }
    }

    /// Has it say this. What fails is tried again from time to time; the daemon itself needs no file.
    pub(crate) fn put(&self, jwks: &str) {
        let written = self.write(jwks);
        self.is_old.store(written.is_err(), Ordering::Relaxed);
        if let Err(error) = written {
            let path = self.dir.join(NAME);
            tracing::warn!(%error, path = %path.display(), "the public keys could not be written; trying again");
        }
    }

    /// The same, if it does not say so already as far as is known.
    pub(crate) fn keep(&self, jwks: &str) {
        let is_there = self.dir.join(NAME).symlink_metadata().is_ok_and(|found| found.is_file());
        if !is_there || self.is_old.load(Ordering::Relaxed) {
            self.put(jwks);
        }
    }

    fn write(&self, jwks: &str) -> io::Result<()> {
        let unfinished = self.dir.join(UNFINISHED);
        let mut file = files::create_anew(&unfinished)?;
        file.write_all(jwks.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        // It need not outlive a crash of the machine: the next start writes it.
        std::fs::rename(unfinished, self.dir.join(NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_find_one_whole_set_and_a_lost_file_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (JwksFile::in_dir(dir.path()), dir.path().join(NAME));
        let read = || std::fs::read_to_string(&path).unwrap();
        file.keep("first");
        let open = std::fs::File::open(&path).unwrap();
        file.put("second");
        assert_eq!((read(), io::read_to_string(open).unwrap()), ("second".into(), "first".into()));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        file.keep("third");
        assert_eq!(read(), "second", "nothing was wrong");
        std::fs::remove_file(&path).unwrap();
        file.keep("third");
        assert_eq!(read(), "third");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        file.put("fourth");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "foreign").unwrap();
        file.keep("fourth");
        assert_eq!(read(), "fourth", "the failure was remembered");
    }
}
