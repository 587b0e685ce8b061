//! The `Admin` service: what an administrator asks of the daemon. It has a socket of its own, so an app cannot even name one of these calls.
//!
//! Methods are only ever added at the end: their position is what crosses the wire.

mod audit;
mod copies;
mod keys;
mod sessions;
mod users;

pub use audit::{AuditEntry, AuditFrom, AuditStretch, AuditTail, FindAudit, FoundAudit, VerifyAudit};
pub use copies::{
    Backup, BackupPage, BackupPlace, BackupTable, ClockAccepted, Export, ExportPage, ExportPlace,
    ExportedUser,
};
pub use keys::{Code, KeyInfo, Reseal, RevocationEntry, RevocationKey, RevokeTarget, RotateKey};
pub use sessions::{SessionEnd, SessionShown};
pub use users::{AddUser, ImportReport, ImportUser, UserInfo, UserPage};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::auth::{Answer, Revoked, SessionPage};
use crate::id::SessionId;
use crate::metrics::Metrics;
use crate::secret::{NewMasterKey, Password};
use crate::time::{Millis, Stamp};

/// What an administrator asks of the daemon.
#[tarpc::service]
pub trait Admin {
    /// How the daemon is doing.
    async fn status() -> Answer<Status>;
    /// Adds a user.
    async fn user_add(request: AddUser) -> Answer<UserInfo>;
    /// Lists users by name, a page at a time, after the name given.
    async fn user_list(after: Option<String>) -> Answer<UserPage>;
    /// Shows one user.
    async fn user_show(name: String) -> Answer<UserInfo>;
    /// Lets a user log in again. Sessions that ended stay ended.
    async fn user_enable(name: String) -> Answer<UserInfo>;
    /// Ends a user's sessions and lets them log in no more.
    async fn user_disable(name: String) -> Answer<UserInfo>;
    /// Removes a user with all their sessions. The name is free at once; the identifier is never used again.
    async fn user_remove(name: String) -> Answer<UserInfo>;
    /// Sets a password and ends the user's sessions.
    async fn user_set_password(name: String, password: Password) -> Answer<UserInfo>;
    /// Replaces a user's roles; the next verification sees them.
    async fn user_set_roles(name: String, roles: Vec<String>) -> Answer<UserInfo>;
    /// Lists a user's living sessions, a page at a time, after the session given.
    async fn session_list(name: String, after: Option<SessionId>) -> Answer<SessionPage>;
    /// Ends sessions of any app.
    async fn revoke(target: RevokeTarget) -> Answer<Revoked>;
    /// The public keys that access tokens are signed with, as a JWK set (RFC 7517).
    async fn key_jwks() -> Answer<String>;
    /// The newest audit entries, or those after a number, oldest first.
    async fn audit_tail(request: AuditTail) -> Answer<Vec<AuditEntry>>;
    /// Gives a user another name. The old one is kept free for a while, so that nobody can step into it.
    async fn user_rename(name: String, new_name: String) -> Answer<UserInfo>;
    /// Replaces a user's attributes.
    async fn user_set_attributes(name: String, attributes: BTreeMap<String, String>) -> Answer<UserInfo>;
    /// Makes a code with which a user sets a password once. Only the newest code of a user counts.
    async fn user_code(name: String) -> Answer<Code>;
    /// What was taken back lately, oldest first, after an entry, a page at a time.
    async fn revocation_list(after: Option<RevocationKey>) -> Answer<Vec<RevocationEntry>>;
    /// The keys there are, without the keys themselves.
    async fn key_list() -> Answer<Vec<KeyInfo>>;
    /// Brings a new key in.
    async fn key_rotate(request: RotateKey) -> Answer<Vec<KeyInfo>>;
    /// Adds a user with a password hash that another program has made, or looks whether that could be done.
    async fn user_import(request: ImportUser) -> Answer<ImportReport>;
    /// Seals every key in the database under another master key: one that the daemon makes and puts in its place, or this one, which the caller
    /// puts there.
    async fn key_reseal(new_key: Option<NewMasterKey>) -> Answer<Reseal>;
    /// Takes back the signing key of this `kid`: the next verification refuses every access token that it signed. Another key signs from then on.
    async fn key_retire(kid: String) -> Answer<Vec<KeyInfo>>;
    /// Holds one consistent state of the database for a copy. There is one at a time, it is let go when nobody asks for a page for a while, and it
    /// never lasts long: what it holds cannot be written over.
    async fn backup_begin() -> Answer<Backup>;
    /// The next rows of a table in that state.
    async fn backup_page(request: BackupPlace) -> Answer<BackupPage>;
    /// Lets that state go.
    async fn backup_end(id: u64) -> Answer<()>;
    /// Holds one consistent state of all users for an export, with or without the hashes of their passwords. What is true of
    /// [`Admin::backup_begin`] is true of this.
    async fn export_begin(with_hashes: bool) -> Answer<Export>;
    /// The next users in that state, in the order of their identifiers.
    async fn export_page(request: ExportPlace) -> Answer<ExportPage>;
    /// Lets that state go.
    async fn export_end(id: u64) -> Answer<()>;
    /// Has the daemon's time follow the wall clock, however far that has jumped ahead.
    async fn clock_accept() -> Answer<ClockAccepted>;
    /// Audit entries that fit, among some that are looked at for each call.
    async fn audit_find(request: FindAudit) -> Answer<FoundAudit>;
    /// Verifies the audit chain, a stretch for each call.
    async fn audit_verify(request: VerifyAudit) -> Answer<AuditStretch>;
    /// What was counted since the daemon started.
    async fn metrics() -> Answer<Metrics>;
    /// Shows one session of any app, alive or not, for as long as its rows are kept.
    async fn session_show(session: SessionId) -> Answer<SessionShown>;
}

/// How the daemon is doing.
///
/// ```
/// # use hallpass_protocol::admin::Status;
/// fn alarm(status: &Status) -> Option<String> {
///     let mib = status.disk_available >> 20;
///     status.disk_full.then(|| format!("{}: {mib} MiB left, and no more logins", status.state_dir))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started to serve.
    pub started: Millis,
    /// Its state directory.
    pub state_dir: String,
    /// Identifies the database, as 32 hexadecimal digits.
    pub database_id: String,
    /// The `iss` of its access tokens.
    pub issuer: String,
    /// Size of the database file in bytes.
    pub database_bytes: u64,
    /// Users there are.
    pub users: u64,
    /// Sessions there are, ended ones that are not swept yet included.
    pub sessions: u64,
    /// Audit entries there are.
    pub audit_entries: u64,
    /// Open connections, this one included.
    pub connections: u32,
    /// Changes that wait for the writer.
    pub write_queue: u32,
    /// Password hashes that run or wait.
    pub hash_queue: u32,
    /// The newest change that is on disk.
    pub stamp: Stamp,
    /// Bytes that the disk of the database has left.
    pub disk_available: u64,
    /// Whether that is so little that nothing new is begun: `disk_full` is what is answered then.
    pub disk_full: bool,
}
