//! The client of administrators, for the control command and its like. It needs the feature `admin` and the right to open `admin.sock`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use hallpass_protocol::admin::{
    AddUser, AuditEntry, AuditFrom, AuditStretch, AuditTail, Backup, BackupPage, BackupPlace, BackupTable,
    ClockAccepted, Code, Export, ExportPage, ExportPlace, ExportedUser, FindAudit, FoundAudit, ImportReport,
    ImportUser, KeyInfo, Reseal, RevocationEntry, RevocationKey, RevokeTarget, RotateKey, Status, UserInfo,
    UserPage, VerifyAudit,
};
use hallpass_protocol::admin::{AdminRequest, AdminResponse};
use hallpass_protocol::auth::{Revoked, SessionPage};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::limits::REQUEST_DEADLINE;
pub use hallpass_protocol::metrics::Metrics;
use hallpass_protocol::paths;
use hallpass_protocol::request_id::RequestId;
pub use hallpass_protocol::secret::NewMasterKey;
use hallpass_protocol::secret::Password;

use crate::calls::{AdminCalls, answer};
use crate::error::Error;
use crate::link::{Link, Manner, Repeat};

/// An administrator's way to the daemon. Its connection behaves like that of a [`Client`](crate::Client).
///
/// What only reads, [`AdminClient::revoke`] and [`AdminClient::key_retire`] are asked once more when the connection breaks; other changes are not.
#[derive(Clone)]
pub struct AdminClient {
    link: Arc<Link<AdminCalls>>,
    manner: Manner,
}

impl fmt::Debug for AdminClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminClient").field("socket", &self.socket()).finish_non_exhaustive()
    }
}

impl AdminClient {
    /// Connects to the daemon behind this administrator's socket.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if nobody answers there, [`Error::SentAway`] if whoever does will not serve this caller.
    pub async fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let link = Link::open(path.into()).await?;
        Ok(Self { link: Arc::new(link), manner: Manner::default() })
    }

    /// Connects to the administrator's socket beside each place where [`Client::connect_default`](crate::Client::connect_default) looks.
    ///
    /// # Errors
    /// As for [`AdminClient::connect`]; the error names every place that was tried.
    pub async fn connect_default() -> Result<Self, Error> {
        let beside = paths::auth_sockets().iter().map(|path| paths::admin_socket_beside(path)).collect();
        let link = Link::open_first(beside).await?;
        Ok(Self { link: Arc::new(link), manner: Manner::default() })
    }

    /// The same connection, with this much time for each call in all, connecting anew included: 10 s by default, 60 s at most.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        let deadline = deadline.min(REQUEST_DEADLINE);
        Self { manner: Manner { deadline, ..self.manner }, ..self }
    }

    /// The same connection, with this name for each call in the daemon's log, from its being read to its being on disk. See `log.level`: the lines are
    /// written from `debug` on.
    #[must_use]
    pub fn with_request_id(self, id: RequestId) -> Self {
        Self { manner: Manner { request_id: Some(id), ..self.manner }, ..self }
    }

    /// The socket that this client speaks to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.link.path()
    }

    /// How the daemon is doing.
    pub async fn status(&self) -> Result<Status, Error> {
        self.link
            .call(self.manner, Repeat::Harmless, || AdminRequest::Status {}, answer!(AdminResponse::Status))
            .await
    }

    /// What the daemon has counted since it started.
    pub async fn metrics(&self) -> Result<Metrics, Error> {
        let request = || AdminRequest::Metrics {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::Metrics)).await
    }

    /// Adds a user.
    pub async fn user_add(&self, user: AddUser) -> Result<UserInfo, Error> {
        let request = || AdminRequest::UserAdd { request: user.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserAdd)).await
    }

    /// Lists users by name, a page at a time, after the name given.
    pub async fn user_list(&self, after: Option<String>) -> Result<UserPage, Error> {
        let request = || AdminRequest::UserList { after: after.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::UserList)).await
    }

    /// Shows one user.
    pub async fn user_show(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserShow { name: name.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::UserShow)).await
    }

    /// Lets a user log in again. Sessions that ended stay ended.
    pub async fn user_enable(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserEnable { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserEnable)).await
    }

    /// Ends a user's sessions and lets them log in no more.
    pub async fn user_disable(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserDisable { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserDisable)).await
    }

    /// Removes a user with all their sessions. The name is free at once; the identifier is never used again.
    pub async fn user_remove(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserRemove { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserRemove)).await
    }

    /// Sets a password and ends the user's sessions.
    pub async fn user_set_password(
        &self,
        name: impl Into<String>,
        password: Password,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserSetPassword { name: name.clone(), password: password.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetPassword)).await
    }

    /// Replaces a user's roles; the next verification sees them.
    pub async fn user_set_roles(
        &self,
        name: impl Into<String>,
        roles: Vec<String>,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserSetRoles { name: name.clone(), roles: roles.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetRoles)).await
    }

    /// Lists a user's living sessions, a page at a time, after the session given.
    pub async fn session_list(
        &self,
        name: impl Into<String>,
        after: Option<SessionId>,
    ) -> Result<SessionPage, Error> {
        let name = name.into();
        let request = || AdminRequest::SessionList { name: name.clone(), after };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::SessionList)).await
    }

    /// Ends sessions of any app. When this returns, no verification accepts them any more.
    ///
    /// The count is of sessions that this asking ended: zero where an answer was lost and the call was made again.
    pub async fn revoke(&self, target: RevokeTarget) -> Result<Revoked, Error> {
        let request = || AdminRequest::Revoke { target: target.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::Revoke)).await
    }

    /// The public keys that access tokens are signed with, as a JWK set (RFC 7517).
    pub async fn key_jwks(&self) -> Result<String, Error> {
        self.link
            .call(self.manner, Repeat::Harmless, || AdminRequest::KeyJwks {}, answer!(AdminResponse::KeyJwks))
            .await
    }

    /// Gives a user another name. The old one is kept free for a while, so that nobody can step into it.
    pub async fn user_rename(
        &self,
        name: impl Into<String>,
        new_name: impl Into<String>,
    ) -> Result<UserInfo, Error> {
        let (name, new_name) = (name.into(), new_name.into());
        let request = || AdminRequest::UserRename { name: name.clone(), new_name: new_name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserRename)).await
    }

    /// Replaces a user's attributes; the next verification shows them.
    pub async fn user_set_attributes(
        &self,
        name: impl Into<String>,
        attributes: BTreeMap<String, String>,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request =
            || AdminRequest::UserSetAttributes { name: name.clone(), attributes: attributes.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetAttributes)).await
    }

    /// Makes a code with which a user sets a password once. Only the newest code of a user counts.
    pub async fn user_code(&self, name: impl Into<String>) -> Result<Code, Error> {
        let name = name.into();
        let request = || AdminRequest::UserCode { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserCode)).await
    }

    /// What was taken back lately, oldest first, a page at a time, after the entry given.
    pub async fn revocation_list(&self, after: Option<RevocationKey>) -> Result<Vec<RevocationEntry>, Error> {
        let request = || AdminRequest::RevocationList { after };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::RevocationList)).await
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

    /// The newest audit entries, or those after a number, oldest first.
    pub async fn audit_tail(&self, tail: AuditTail) -> Result<Vec<AuditEntry>, Error> {
        let request = || AdminRequest::AuditTail { request: tail };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditTail)).await
    }

    /// Audit entries that fit, among some that are looked at for each call. An answer can hold none and have more behind.
    pub async fn audit_find(&self, find: FindAudit) -> Result<FoundAudit, Error> {
        let request = || AdminRequest::AuditFind { request: find.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditFind)).await
    }

    /// Verifies the audit chain, a stretch for each call: ask again with the place that was answered, until it is done.
    pub async fn audit_verify(&self, verify: VerifyAudit) -> Result<AuditStretch, Error> {
        let request = || AdminRequest::AuditVerify { request: verify.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditVerify)).await
    }

    /// Adds a user with the password hash that another program has made, or looks whether that could be done.
    pub async fn user_import(&self, user: ImportUser) -> Result<ImportReport, Error> {
        let request = || AdminRequest::UserImport { request: user.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserImport)).await
    }

    /// Holds one consistent state of the database for a copy of it, until [`AdminClient::backup_end`].
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) while another is held.
    pub async fn backup_begin(&self) -> Result<Backup, Error> {
        let request = || AdminRequest::BackupBegin {};
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::BackupBegin)).await
    }

    /// The next rows of a table in the state that is held.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a state that is held no more.
    pub async fn backup_page(&self, place: BackupPlace) -> Result<BackupPage, Error> {
        let request = || AdminRequest::BackupPage { request: place.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::BackupPage)).await
    }

    /// Lets the state go. One that is held no more is no error.
    pub async fn backup_end(&self, id: u64) -> Result<(), Error> {
        let request = || AdminRequest::BackupEnd { id };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::BackupEnd)).await
    }

    /// Holds one consistent state of all users for an export of them, until [`AdminClient::export_end`]. It is written down in the audit chain.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) while another is held.
    pub async fn export_begin(&self, with_hashes: bool) -> Result<Export, Error> {
        let request = || AdminRequest::ExportBegin { with_hashes };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::ExportBegin)).await
    }

    /// The next users in the state that is held.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a state that is held no more.
    pub async fn export_page(&self, place: ExportPlace) -> Result<ExportPage, Error> {
        let request = || AdminRequest::ExportPage { request: place };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::ExportPage)).await
    }

    /// Lets the state go. One that is held no more is no error.
    pub async fn export_end(&self, id: u64) -> Result<(), Error> {
        let request = || AdminRequest::ExportEnd { id };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::ExportEnd)).await
    }

    /// Has the daemon's time follow the wall clock, however far that has jumped ahead. What is over by then ends.
    pub async fn clock_accept(&self) -> Result<ClockAccepted, Error> {
        let request = || AdminRequest::ClockAccept {};
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::ClockAccept)).await
    }
}
