//! The keys that tokens rest on.

use hallpass_protocol::admin::{AdminRequest, AdminResponse, KeyInfo, Reseal, RotateKey};
use hallpass_protocol::secret::NewMasterKey;

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// The public keys that access tokens are signed with, as a JWK set (RFC 7517).
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let keys = admin.key_jwks().await?;
    /// assert!(keys.starts_with(r#"{"keys":["#));
    /// # Ok(()) }
    /// ```
    pub async fn key_jwks(&self) -> Result<String, Error> {
        self.link
            .call(self.manner, Repeat::Harmless, || AdminRequest::KeyJwks {}, answer!(AdminResponse::KeyJwks))
            .await
    }

    /// The keys there are, without the keys themselves.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// for key in admin.key_list().await? {
    ///     println!("{} {} {} {}", key.kind, key.number, key.state, key.kid);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn key_list(&self) -> Result<Vec<KeyInfo>, Error> {
        let request = || AdminRequest::KeyList {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::KeyList)).await
    }

    /// Brings a new key in, and lists the keys there are then. A signing key is published for a while before it signs (`keys.lead`), unless it is an
    /// emergency.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::admin::RotateKey;
    ///
    /// let keys = admin.key_rotate(RotateKey { mac: false, emergency: false }).await?;
    /// assert!(keys.iter().any(|key| key.kind == "signing" && key.state == "next"));
    /// # Ok(()) }
    /// ```
    pub async fn key_rotate(&self, rotate: RotateKey) -> Result<Vec<KeyInfo>, Error> {
        let request = || AdminRequest::KeyRotate { request: rotate };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::KeyRotate)).await
    }

    /// Seals every key in the database under another master key: one that the daemon makes and puts in its place, or `new_key`, which the caller
    /// keeps durably already and puts in its place afterwards.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let reseal = admin.key_reseal(None).await?;
    /// println!("{} is new; copy it to where it is kept apart from backups", reseal.master_key);
    /// # assert!(reseal.done);
    /// # Ok(()) }
    /// ```
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
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let keys = admin.key_list().await?;
    /// let leaked = keys.iter().find(|key| key.kind == "signing" && key.state == "active");
    /// # let leaked = Some(leaked.ok_or("there is one")?);
    /// if let Some(key) = leaked {
    ///     let keys = admin.key_retire(&key.kid).await?; // another one signs from now on
    /// #   assert!(keys.iter().any(|other| other.kid == key.kid && other.state == "revoked"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a key that is not known, or no longer.
    pub async fn key_retire(&self, kid: impl Into<String>) -> Result<Vec<KeyInfo>, Error> {
        let kid = kid.into();
        let request = || AdminRequest::KeyRetire { kid: kid.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::KeyRetire)).await
    }
}
