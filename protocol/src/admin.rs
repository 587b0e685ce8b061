//! The `Admin` service: what an administrator asks of the daemon. It has a socket of its own, so an app cannot even name one of these calls.
//!
//! Methods are only ever added at the end: their position is what crosses the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::auth::{Answer, Revoked, SessionPage};
use crate::id::{SessionId, UserId};
use crate::metrics::Metrics;
use crate::secret::{NewMasterKey, Password, Token};
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
}

/// How the daemon is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// A user to add.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddUser {
    /// The name to log in with.
    pub name: String,
    /// The password, if it is to be usable at once.
    pub password: Option<Password>,
    /// Roles.
    pub roles: Vec<String>,
}

/// A user of another program or daemon, to be added with the password they have there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportUser {
    /// The name to log in with.
    pub name: String,
    /// The hash of their password: Argon2, bcrypt, scrypt or PBKDF2. It is as little anybody's to see as a password. Without one they have none.
    pub hash: Option<Password>,
    /// Roles.
    pub roles: Vec<String>,
    /// What else is kept of them.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are kept from logging in.
    pub disabled: bool,
    /// Who they were in another daemon, and are to be here. Without it they are somebody new.
    pub user_id: Option<UserId>,
    /// Whether nothing is to be changed.
    pub check_only: bool,
}

/// What became of a user to import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The user that was added; none where that was only looked at.
    pub user: Option<UserInfo>,
    /// The format of the hash, as a stable word such as `bcrypt`; `none` without one. The first login replaces all but today's.
    pub format: String,
}

/// A user as an administrator sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The user, for ever.
    pub user_id: UserId,
    /// The name they log in with.
    pub name: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// What else is kept of them.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are kept from logging in.
    pub disabled: bool,
    /// Whether they have a password.
    pub has_password: bool,
    /// When they were added.
    pub created: Millis,
}

/// One page of users, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPage {
    /// The users.
    pub users: Vec<UserInfo>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// Which sessions to end, of any app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevokeTarget {
    /// This one.
    Session(SessionId),
    /// All of the user with this name.
    User(String),
    /// All that this app opened.
    App(String),
    /// Every session there is.
    All,
}

/// A code with which a user sets a password once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Code {
    /// The code, to be handed to the user and nobody else.
    pub code: Token,
    /// When it ends.
    pub expires: Millis,
}

/// Which key to rotate, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateKey {
    /// The root of session, refresh and device tokens instead of the key that signs access tokens.
    pub mac: bool,
    /// The old keys are gone at once: every access token ends or, with `mac`, every session.
    pub emergency: bool,
}

/// What became of a change of the master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reseal {
    /// Where the daemon reads its master key.
    pub master_key: String,
    /// Whether the new key is in force. Otherwise it is from the next start on that finds it in its place, and until then the old one is.
    pub done: bool,
}

/// A key as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// `signing` or `mac`.
    pub kind: String,
    /// Which of its kind.
    pub number: u16,
    /// The `kid` of a signing key.
    pub kid: String,
    /// `next`, `active`, `retired` or `revoked`.
    pub state: String,
    /// When it was made.
    pub created: Millis,
    /// When it becomes active, verifies no more, or is no longer listed.
    pub until: Option<Millis>,
}

/// Where an entry stands in the revocation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationKey {
    /// When it was taken back, in the order of all changes.
    pub stamp: Stamp,
    /// Its place among what was taken back at that stamp.
    pub place: u16,
}

/// Something that was taken back: access tokens that it concerns, with a stamp not above its own, are dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationEntry {
    /// Where it stands.
    pub key: RevocationKey,
    /// What: `session`, `user`, `app`, `key` or `everything`.
    pub kind: String,
    /// Which: its identifier or name, as tokens carry it; empty for everything.
    pub id: String,
}

/// Which audit entries to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTail {
    /// Only entries after this number; without it, the newest.
    pub after: Option<u64>,
    /// At most this many, and never more than a page.
    pub count: u32,
}

/// One entry of the audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, counted from 1.
    pub number: u64,
    /// When it happened, in microseconds since 1970, and in which order.
    pub stamp: Stamp,
    /// What happened, as a stable word such as `session.revoke`.
    pub event: String,
    /// How it ended: `ok` or the code of the refusal.
    pub outcome: String,
    /// The user of the calling process.
    pub caller_uid: u32,
    /// The calling process as it was at connect; it proves nothing.
    pub caller_pid: i32,
    /// What the caller is known as.
    pub app: String,
    /// The user it was about.
    pub user_id: Option<UserId>,
    /// The session it was about.
    pub session_id: Option<SessionId>,
    /// What else there is to know, in words.
    pub detail: String,
    /// SHA-256 over this entry and the hash of the one before, as 64 hexadecimal digits.
    pub hash: String,
}

/// Where to look for audit entries, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditFrom {
    /// From the newest back.
    Newest,
    /// From the one before this number back.
    Before(u64),
    /// From the one after this number on.
    After(u64),
}

/// Which audit entries to find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindAudit {
    /// Where to look.
    pub from: AuditFrom,
    /// At most this many, and never more than a page.
    pub count: u32,
    /// Only about this user.
    pub user: Option<UserId>,
    /// Only by this app.
    pub app: Option<String>,
    /// Only this event, or all whose names go on behind it with a dot.
    pub event: Option<String>,
    /// Only since this moment.
    pub since: Option<Millis>,
}

/// Audit entries that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundAudit {
    /// In the direction that was looked in. There can be none, and more behind.
    pub entries: Vec<AuditEntry>,
    /// Where to go on looking, in the same direction; none at the end.
    pub next: Option<u64>,
}

/// How far the audit chain was verified, and against what to hold its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyAudit {
    /// What the call before has answered; empty for the first.
    pub place: Vec<u8>,
    /// Checkpoints as the daemon's log has them, which are looked at once the end is reached.
    pub checkpoints: Vec<String>,
}

/// What was found on a stretch of the audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStretch {
    /// What to ask with for the next stretch.
    pub place: Vec<u8>,
    /// Entries that were looked at so far.
    pub entries: u64,
    /// What is wrong, in words.
    pub faults: Vec<String>,
    /// What the daemon found at a start and could not believe, which it wrote down.
    pub doubts: Vec<String>,
    /// What nobody can tell, or what somebody should know.
    pub notes: Vec<String>,
    /// Whether the end was reached.
    pub done: bool,
}

/// One state of the database that is held for a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Names it in the calls that follow.
    pub id: u64,
    /// Every table there is, in the order in which [`BackupPlace::table`] counts them.
    pub tables: Vec<BackupTable>,
}

/// A table to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

/// One state of all users that is held for an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Names it in the calls that follow.
    pub id: u64,
    /// How many users there are.
    pub users: u64,
}

/// Which users to export next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPlace {
    /// The state that is held.
    pub id: u64,
    /// Users after this one; without it, from the first.
    pub after: Option<UserId>,
}

/// Users of an export, in the order of their identifiers, which is the order in which they were added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportPage {
    /// The users.
    pub users: Vec<ExportedUser>,
    /// Whether there are no more.
    pub last: bool,
}

/// A user with all that an import takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportedUser {
    /// The user, for ever.
    pub user_id: UserId,
    /// The name they log in with.
    pub name: String,
    /// The hash of their password in PHC form, if it was asked for and they have one.
    pub hash: Option<Password>,
    /// Their roles.
    pub roles: Vec<String>,
    /// What else is kept of them.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are kept from logging in.
    pub disabled: bool,
}

/// What became of a jump of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockAccepted {
    /// The daemon's time before.
    pub before: Millis,
    /// Its time from then on; the same where there was nothing to accept.
    pub now: Millis,
}

/// Which rows to copy next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPlace {
    /// The state that is held.
    pub id: u64,
    /// The table, counted from 0.
    pub table: u32,
    /// Rows after this key; without it, from the first.
    pub after: Option<Vec<u8>>,
}

/// Rows of one table, by key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPage {
    /// Keys and values as they are stored.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the table has no more.
    pub last: bool,
}

impl std::fmt::Debug for BackupPage {
    /// Rows hold hashes of passwords, so they are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupPage").field("rows", &self.rows.len()).field("last", &self.last).finish()
    }
}
