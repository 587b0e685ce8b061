//! The master key: it lies in a file outside the database, and what is sealed under it opens with nothing else.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use nix::fcntl::OFlag;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyError};
use crate::domain::keyset::{self, KeyKind};
use crate::domain::reseal::MasterId;
use crate::entropy::Entropy;
use crate::files;

/// The key that seals the others.
pub(crate) struct MasterKey(pub(super) Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// Reads the master key from a file that only this user can read.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let open = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
        let mut file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(KeyError::Missing(path.to_owned()));
            }
            Err(error) => {
                return Err(KeyError::File(format!(
                    "cannot open the master key {}: {error}",
                    path.display()
                )));
            }
        };
        files::refuse_unless_private(&file, path).map_err(KeyError::File)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let whole = file.read_exact(key.as_mut()).is_ok() && file.read(&mut [0]).is_ok_and(|more| more == 0);
        if whole {
            Ok(Self(key))
        } else {
            Err(KeyError::File(format!(
                "the master key {} is not 32 bytes long; put the one back that the database was made with, or if there is no database yet, make it anew",
                path.display()
            )))
        }
    }

    /// Whether a file could hold a master key. An empty one was never written.
    pub(crate) fn is_made(path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|found| !found.is_file() || found.len() > 0)
    }

    /// Makes a new master key in a file that holds none yet; key and name are durable before anything is sealed under it. The caller holds the lock
    /// of its directory.
    pub(crate) fn create(path: &Path, entropy: &Entropy) -> Result<Self, KeyError> {
        if Self::is_made(path) {
            return Err(unmade(path, &std::io::ErrorKind::AlreadyExists.into()));
        }
        let key = Self::draw(entropy)?;
        key.put_at(path)?;
        Ok(key)
    }

    /// A new master key, which lies nowhere yet.
    pub(crate) fn draw(entropy: &Entropy) -> Result<Self, KeyError> {
        Ok(Self(Zeroizing::new(entropy.bytes()?)))
    }

    /// The master key of these bytes.
    pub(crate) fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// Puts this key in its file, whole and durably, over one that lies there. The caller holds the lock of the directory.
    ///
    /// # Errors
    /// A disk that fails. The file then holds what it held before or, where only the name could not be made durable, this key.
    pub(crate) fn put_at(&self, path: &Path) -> Result<(), KeyError> {
        let unfinished = unfinished(path);
        let written = files::create_anew(&unfinished)
            .and_then(|mut file| file.write_all(self.0.as_ref()))
            .and_then(|()| files::finish(&unfinished, path));
        written.map_err(|error| unmade(path, &error))
    }

    /// Removes what a change of the key that was killed has left beside its file, and says whether there was any.
    pub(crate) fn clear_unfinished(path: &Path) -> bool {
        std::fs::remove_file(unfinished(path)).is_ok()
    }

    /// Tells this key apart from others. It leads back to nothing, so it may be stored and shown.
    pub(crate) fn id(&self) -> MasterId {
        let mut id = MasterId([0; 8]);
        // The only length that HKDF refuses is one of more than 255 hashes.
        let _ =
            Hkdf::<Sha256>::new(Some(b"hallpass master key v1"), self.0.as_ref()).expand(b"id", &mut id.0);
        id
    }

    /// Another master key of the same database, under the seal of this one.
    pub(super) fn seal_master(
        &self,
        other: &Self,
        database: &[u8; 16],
        entropy: &Entropy,
    ) -> Result<keyset::Sealed, KeyError> {
        self.seal(&Place::Master { database }, other.0.as_ref(), entropy)
    }

    /// The master key that lies under this seal.
    pub(super) fn unseal_master(
        &self,
        sealed: &keyset::Sealed,
        database: &[u8; 16],
    ) -> Result<Self, KeyError> {
        self.unseal(&Place::Master { database }, sealed).map(Self)
    }

    pub(super) fn seal(
        &self,
        place: &Place<'_>,
        secret: &[u8],
        entropy: &Entropy,
    ) -> Result<keyset::Sealed, KeyError> {
        let nonce: [u8; 24] = entropy.bytes()?;
        let payload = Payload { msg: secret, aad: &place.associated() };
        // Encryption fails only for messages of many gigabytes; a key that could not be sealed must not be used.
        let bytes = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| KeyError::Unseal)?;
        Ok(keyset::Sealed { nonce, bytes })
    }

    pub(super) fn unseal(
        &self,
        place: &Place<'_>,
        sealed: &keyset::Sealed,
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
        let payload = Payload { msg: &sealed.bytes, aad: &place.associated() };
        let opened =
            self.cipher().decrypt(&XNonce::from(sealed.nonce), payload).map_err(|_| KeyError::Unseal)?;
        let opened = Zeroizing::new(opened);
        <[u8; KEY_BYTES]>::try_from(opened.as_slice()).map(Zeroizing::new).map_err(|_| KeyError::Unseal)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// Where a sealed key belongs. It opens nowhere else, so rows cannot be exchanged.
pub(super) enum Place<'a> {
    /// Among the keys of a database.
    Key { database: &'a [u8; 16], kind: KeyKind, number: u16 },
    /// At the other end of a bridge between two of its master keys.
    Master { database: &'a [u8; 16] },
}

impl Place<'_> {
    fn associated(&self) -> Vec<u8> {
        match self {
            Self::Key { database, kind, number } => {
                [&b"hallpass key v1"[..], *database, &[*kind as u8], &number.to_be_bytes()].concat()
            }
            Self::Master { database } => [&b"hallpass master key v1"[..], *database].concat(),
        }
    }
}

/// The name under which a master key is made. It gets its own when it is whole.
fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

fn unmade(path: &Path, error: &std::io::Error) -> KeyError {
    KeyError::File(format!("cannot make the master key {}: {error}", path.display()))
}
