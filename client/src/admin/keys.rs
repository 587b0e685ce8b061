//! The keys that tokens rest on.

use hallpass_protocol::admin::{AdminRequest, AdminResponse, KeyInfo, Reseal, RotateKey};
use hallpass_protocol::secret::NewMasterKey;

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// The public keys that access tokens are signed with, as a JWK set (RFC 7517).
    pub async fn key_jwks(&self) -> Result<String, Error> {
        self.link
            .call(self.manner, Repeat::Harmless, || AdminRequest::KeyJwks {}, answer!(AdminResponse::KeyJwks))
            .await
    }

    /// The keys there are, without the keys themselves.
    pub async fn key_list(&self) -> Result<Vec<KeyInfo>, Error> {
        let request = || AdminRequest::KeyList {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::KeyList)).await
    }

    /// Brings a new key in, and lists the keys there are then.
    pub async fn key_rotate(&self, rotate: RotateKey) -> Result<Vec<KeyInfo>, Error> {
        let request = || AdminRequest::KeyRotate { request: rotate };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::KeyRotate)).await
    }

    /// Seals every key in the database under another master key: one that the daemon makes and puts in its place, or `new_key`, which the caller
    /// keeps durably already and puts in its place afterwards.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) where none was given and the master key is not the
    /// daemon's to replace. Whatever else fails, the old or the new key opens the database, whichever lies in its place.
    pub async fn key_reseal(&self, new_key: Option<NewMasterKey>) -> Result<Reseal, Error> {
        let request = || AdminRequest::KeyReseal { new_key: new_key.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::KeyReseal)).await
    }

    /// Takes back the signing key of this `kid`, and lists the keys there are then. When this returns, no verification accepts a token that it signed.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a key that is not known, or no longer.
    pub async fn key_retire(&self, kid: impl Into<String>) -> Result<Vec<KeyInfo>, Error> {
        let kid = kid.into();
        let request = || AdminRequest::KeyRetire { kid: kid.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::KeyRetire)).await
    }
}
