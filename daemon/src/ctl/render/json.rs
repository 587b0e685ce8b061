//! The answers as JSON. The field names are a promise: one may be added, none may change. Moments are whole seconds since 1970.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hallpass_protocol::admin::{
    AuditEntry, ClockAccepted, Code, KeyInfo, Reseal, RevocationEntry, SessionShown, Status, UserInfo,
};
use hallpass_protocol::auth::{Grant, GrantedTokens, Identity, Revoked, SessionInfo};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::Millis;
use serde::Serialize;

use crate::ctl::failure::Fault;

/// `{"error": ...}`
#[derive(Serialize)]
pub(super) struct ErrorView<'a> {
    pub(super) error: &'a Fault,
}

#[derive(Serialize)]
pub(super) struct StatusView<'a> {
    version: &'a str,
    pid: u32,
    started: u64,
    state_dir: &'a str,
    database_id: &'a str,
    issuer: &'a str,
    database_bytes: u64,
    users: u64,
    sessions: u64,
    audit_entries: u64,
    connections: u32,
    write_queue: u32,
    hash_queue: u32,
    /// In microseconds.
    stamp: u64,
    disk_available: u64,
    disk_full: bool,
}

impl<'a> From<&'a Status> for StatusView<'a> {
    fn from(status: &'a Status) -> Self {
        Self {
            version: &status.version,
            pid: status.pid,
            started: status.started.as_secs(),
            state_dir: &status.state_dir,
            database_id: &status.database_id,
            issuer: &status.issuer,
            database_bytes: status.database_bytes,
            users: status.users,
            sessions: status.sessions,
            audit_entries: status.audit_entries,
            connections: status.connections,
            write_queue: status.write_queue,
            hash_queue: status.hash_queue,
            stamp: status.stamp.0,
            disk_available: status.disk_available,
            disk_full: status.disk_full,
        }
    }
}

#[derive(Serialize)]
pub(super) struct UserView<'a> {
    user_id: UserId,
    name: &'a str,
    roles: &'a [String],
    attributes: &'a BTreeMap<String, String>,
    disabled: bool,
    has_password: bool,
    created: u64,
}

impl<'a> From<&'a UserInfo> for UserView<'a> {
    fn from(user: &'a UserInfo) -> Self {
        Self {
            user_id: user.user_id,
            name: &user.name,
            roles: &user.roles,
            attributes: &user.attributes,
            disabled: user.disabled,
            has_password: user.has_password,
            created: user.created.as_secs(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ClockView {
    before: u64,
    now: u64,
}

impl From<&ClockAccepted> for ClockView {
    fn from(accepted: &ClockAccepted) -> Self {
        Self { before: accepted.before.as_secs(), now: accepted.now.as_secs() }
    }
}

#[derive(Serialize)]
pub(super) struct CodeView<'a> {
    code: &'a str,
    expires_at: u64,
}

impl<'a> From<&'a Code> for CodeView<'a> {
    fn from(code: &'a Code) -> Self {
        Self { code: code.code.expose(), expires_at: code.expires.as_secs() }
    }
}

#[derive(Serialize)]
pub(super) struct KeyView<'a> {
    kind: &'a str,
    number: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    kid: &'a str,
    state: &'a str,
    created: u64,
    /// When it becomes active, or verifies no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl<'a> From<&'a KeyInfo> for KeyView<'a> {
    fn from(key: &'a KeyInfo) -> Self {
        Self {
            kind: &key.kind,
            number: key.number,
            kid: &key.kid,
            state: &key.state,
            created: key.created.as_secs(),
            until: key.until.map(Millis::as_secs),
        }
    }
}

#[derive(Serialize)]
pub(super) struct RevocationView<'a> {
    /// In microseconds.
    stamp: u64,
    kind: &'a str,
    id: &'a str,
}

impl<'a> From<&'a RevocationEntry> for RevocationView<'a> {
    fn from(entry: &'a RevocationEntry) -> Self {
        Self { stamp: entry.key.stamp.0, kind: &entry.kind, id: &entry.id }
    }
}

/// A grant, with the tokens of its kind and none of the other.
#[derive(Serialize)]
pub(super) struct GrantView<'a> {
    user_id: UserId,
    session_id: SessionId,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
    /// Seconds that the access token has left or, of a cookie session, the session if it is not used.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    idle_deadline: u64,
    absolute_deadline: u64,
}

impl<'a> GrantView<'a> {
    pub(super) fn new(grant: &'a Grant, now: Millis) -> Self {
        let view = Self {
            user_id: grant.user_id,
            session_id: grant.session_id,
            kind: "cookie",
            access_token: None,
            refresh_token: None,
            session_token: None,
            device_token: grant.device_token.as_ref().map(Token::expose),
            expires_in: grant.idle_deadline.since(now).as_secs(),
            generation: None,
            idle_deadline: grant.idle_deadline.as_secs(),
            absolute_deadline: grant.absolute_deadline.as_secs(),
        };
        match &grant.tokens {
            GrantedTokens::Cookie { session_token } => {
                Self { session_token: Some(session_token.expose()), ..view }
            }
            GrantedTokens::Token { access_token, access_expires, refresh_token, generation } => Self {
                kind: "token",
                access_token: Some(access_token.expose()),
                refresh_token: Some(refresh_token.expose()),
                expires_in: access_expires.since(now).as_secs(),
                generation: Some(*generation),
                ..view
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct IdentityView<'a> {
    user_id: UserId,
    name: &'a str,
    roles: &'a [String],
    attributes: &'a BTreeMap<String, String>,
    session_id: SessionId,
    app: &'a str,
    kind: &'static str,
    auth_time: u64,
    level: u8,
    amr: &'a [String],
    expires_at: u64,
}

impl<'a> From<&'a Identity> for IdentityView<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            user_id: identity.user_id,
            name: &identity.name,
            roles: &identity.roles,
            attributes: &identity.attributes,
            session_id: identity.session_id,
            app: &identity.app,
            kind: identity.kind.as_str(),
            auth_time: identity.auth_time.as_secs(),
            level: identity.level,
            amr: &identity.amr,
            expires_at: identity.expires_at.as_secs(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct RevokedView {
    sessions: u64,
}

impl From<Revoked> for RevokedView {
    fn from(revoked: Revoked) -> Self {
        Self { sessions: revoked.sessions }
    }
}

#[derive(Serialize)]
pub(super) struct ResealView<'a> {
    master_key: &'a str,
    done: bool,
}

impl<'a> From<&'a Reseal> for ResealView<'a> {
    fn from(reseal: &'a Reseal) -> Self {
        Self { master_key: &reseal.master_key, done: reseal.done }
    }
}

#[derive(Serialize)]
pub(super) struct SessionView<'a> {
    session_id: SessionId,
    user_id: UserId,
    app: &'a str,
    kind: &'static str,
    created: u64,
    last_seen: u64,
    idle_deadline: u64,
    absolute_deadline: u64,
    auth_time: u64,
    refreshes: u32,
    ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    device_label: Option<&'a str>,
}

impl<'a> From<&'a SessionInfo> for SessionView<'a> {
    fn from(session: &'a SessionInfo) -> Self {
        Self {
            session_id: session.session_id,
            user_id: session.user_id,
            app: &session.app,
            kind: session.kind.as_str(),
            created: session.created.as_secs(),
            last_seen: session.last_seen.as_secs(),
            idle_deadline: session.idle_deadline.as_secs(),
            absolute_deadline: session.absolute_deadline.as_secs(),
            auth_time: session.auth_time.as_secs(),
            refreshes: session.refreshes,
            ip: session.context.ip,
            user_agent: session.context.user_agent.as_deref(),
            device_label: session.context.device_label.as_deref(),
        }
    }
}

/// A session as a list has it, and what only a look at one of them tells.
#[derive(Serialize)]
pub(super) struct SessionShownView<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    /// Nothing where its user is gone.
    name: Option<&'a str>,
    amr: &'a [String],
    level: u8,
    level_until: Option<u64>,
    alive: bool,
    /// Why it is over.
    ended: Option<&'a str>,
    ended_at: Option<u64>,
}

impl<'a> From<&'a SessionShown> for SessionShownView<'a> {
    fn from(shown: &'a SessionShown) -> Self {
        Self {
            session: SessionView::from(&shown.session),
            name: shown.name.as_deref(),
            amr: &shown.amr,
            level: shown.level,
            level_until: shown.level_until.map(Millis::as_secs),
            alive: shown.ended.is_none(),
            ended: shown.ended.as_ref().map(|ended| ended.reason.as_str()),
            ended_at: shown.ended.as_ref().and_then(|ended| ended.at).map(Millis::as_secs),
        }
    }
}

#[derive(Serialize)]
pub(super) struct AuditView<'a> {
    number: u64,
    /// In microseconds.
    stamp: u64,
    event: &'a str,
    outcome: &'a str,
    caller_uid: u32,
    caller_pid: i32,
    app: &'a str,
    user_id: Option<UserId>,
    session_id: Option<SessionId>,
    detail: &'a str,
    hash: &'a str,
}

impl<'a> From<&'a AuditEntry> for AuditView<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        Self {
            number: entry.number,
            stamp: entry.stamp.0,
            event: &entry.event,
            outcome: &entry.outcome,
            caller_uid: entry.caller_uid,
            caller_pid: entry.caller_pid,
            app: &entry.app,
            user_id: entry.user_id,
            session_id: entry.session_id,
            detail: &entry.detail,
            hash: &entry.hash,
        }
    }
}
