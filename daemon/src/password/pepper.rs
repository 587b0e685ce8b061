//! The pepper: a secret that goes into every hash and lies outside the database, so that a stolen database alone cannot be guessed against.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use argon2::{KeyId, Params};
use zeroize::Zeroizing;

use crate::files::refuse_unless_private;

/// Bytes of a pepper.
const PEPPER_BYTES: usize = 32;

/// A pepper and the id that hashes made with it carry.
#[derive(Clone)]
pub(crate) struct Pepper {
    pub(super) id: KeyId,
    pub(super) secret: Arc<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pepper({})", self.id.as_bytes().escape_ascii())
    }
}

impl Pepper {
    /// Reads the pepper of this id from a file that nobody else can read.
    pub(crate) fn read(id: &str, path: &Path) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let id = KeyId::new(id.as_bytes())
            .ok()
            .filter(|_| !id.is_empty() && id.bytes().all(plain))
            .ok_or_else(|| {
                format!(
                    "the pepper's id {id:?} is none: 1 to {} of a-z 0-9 are wanted",
                    Params::MAX_KEYID_LEN
                )
            })?;
        let name = path.display();
        if !path.is_absolute() {
            return Err(format!("the pepper's file {name} is not an absolute path; write it out in full"));
        }
        let unreadable = |error| {
            format!("cannot read the pepper {name}: {error}; without it nobody who has a password can log in")
        };
        let file = File::open(path).map_err(unreadable)?;
        refuse_unless_private(&file, path)?;
        let mut secret = Zeroizing::new(Vec::with_capacity(PEPPER_BYTES + 1));
        file.take(PEPPER_BYTES as u64 + 1).read_to_end(&mut secret).map_err(unreadable)?;
        if secret.len() != PEPPER_BYTES {
            return Err(format!(
                "the pepper {name} does not hold {PEPPER_BYTES} bytes; make one with: head -c {PEPPER_BYTES} /dev/urandom"
            ));
        }
        Ok(Self { id, secret: Arc::new(secret) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_pepper_is_32_private_bytes_with_an_id() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        file.write_all(&[7; 31]).unwrap();
        assert!(Pepper::read("p1", &path).unwrap_err().contains("does not hold 32"));
        file.write_all(&[7; 1]).unwrap();
        let pepper = Pepper::read("p1", &path).unwrap();
        assert_eq!(pepper.secret.as_slice(), [7; 32]);
        assert_eq!(format!("{pepper:?}"), "Pepper(p1)");
        for id in ["", "P1", "p-1", "123456789", "p\n"] {
            assert!(Pepper::read(id, &path).unwrap_err().contains("1 to 8 of a-z 0-9"), "{id}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Pepper::read("p1", &path).unwrap_err().contains("by others"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        file.write_all(&[7; 1]).unwrap();
        assert!(Pepper::read("p1", &path).unwrap_err().contains("does not hold 32"));
        assert!(Pepper::read("p1", Path::new("pepper")).unwrap_err().contains("absolute"));
        let missing = Pepper::read("p1", Path::new("/nowhere/pepper")).unwrap_err();
        assert!(missing.contains("/nowhere/pepper"), "{missing}");
    }
}
