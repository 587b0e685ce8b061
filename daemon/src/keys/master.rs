//! The master key: it lies in a file outside the database, and what is sealed under it opens with nothing else.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyError};
use crate::domain::keyset::{self, KeyKind};
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
        let failed =
            |error| KeyError::File(format!("cannot make the master key {}: {error}", path.display()));
        if Self::is_made(path) {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let key = Zeroizing::new(entropy.bytes()?);
        let unfinished = path.with_added_extension("new");
        let mut file = files::create_anew(&unfinished).map_err(failed)?;
        file.write_all(key.as_ref()).map_err(failed)?;
        files::finish(&unfinished, path).map_err(failed)?;
        Ok(Self(key))
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
pub(super) struct Place<'a> {
    pub(super) database: &'a [u8; 16],
    pub(super) kind: KeyKind,
    pub(super) number: u16,
}

impl Place<'_> {
    fn associated(&self) -> Vec<u8> {
        [&b"hallpass key v1"[..], self.database, &[self.kind as u8], &self.number.to_be_bytes()].concat()
    }
}
