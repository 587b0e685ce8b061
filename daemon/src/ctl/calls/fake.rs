//! The admin side of a daemon that remembers what it was asked and knows three users, three sessions and 120 audit entries.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use hallpass_protocol::admin::{
    AddUser, Admin, AuditEntry, AuditFrom, AuditStretch, AuditTail, Backup, BackupPage, BackupPlace,
    ClockAccepted, Code, Export, ExportPage, ExportPlace, ExportedUser, FindAudit, FoundAudit, ImportReport,
    ImportUser, KeyInfo, Reseal, RevocationEntry, RevocationKey, RevokeTarget, RotateKey, SessionEnd,
    SessionShown, Status, UserInfo, UserPage, VerifyAudit,
};
use hallpass_protocol::auth::{Answer, Context, Revoked, SessionInfo, SessionKind, SessionPage};
use hallpass_protocol::codec::{End, WireCodec};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::hello::{Service, receive};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::limits::{ADMIN_FRAME, AUDIT_PER_PAGE, HELLO_DEADLINE};
use hallpass_protocol::metrics::Metrics;
use hallpass_protocol::paths::admin_socket_beside;
use hallpass_protocol::secret::{NewMasterKey, Password, Token};
use hallpass_protocol::time::{Millis, Stamp};
use tarpc::context::Context as Call;
use tarpc::server::{BaseChannel, Channel};
use tokio::net::UnixListener;
use tokio_util::codec::Framed;

use crate::ctl::metrics::sample::sample;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const ENTRIES: u64 = 120;
/// What somebody might have got into an entry to make its line look like another, or like two.
pub(in crate::ctl) const DETAIL: &str = "a\n{\"number\":1}\r\u{1b}[2J\u{202e}\u{2028}\"\\";

/// The daemon.
pub(in crate::ctl) struct Fake {
    dir: tempfile::TempDir,
    asked: Asked,
}

impl Fake {
    /// Serves for as long as the runtime lives.
    pub(in crate::ctl) fn start() -> Self {
        let fake = Self { dir: tempfile::tempdir().unwrap(), asked: Asked::default() };
        let listener = UnixListener::bind(admin_socket_beside(&fake.socket())).unwrap();
        let asked = fake.asked.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                receive(&mut stream, Service::Admin, HELLO_DEADLINE).await.unwrap();
                let channel = Framed::new(stream, WireCodec::new(End::Server, ADMIN_FRAME));
                let answers = BaseChannel::with_defaults(channel).execute(asked.clone().serve());
                tokio::spawn(answers.for_each(async |answer| answer.await));
            }
        });
        fake
    }

    /// The apps' socket, on which nobody listens: what goes there by mistake fails.
    pub(in crate::ctl) fn socket(&self) -> PathBuf {
        self.dir.path().join("hallpass.sock")
    }

    /// What was asked since this was last called.
    pub(in crate::ctl) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.0.lock().unwrap())
    }
}

/// What was asked, in order; it also answers.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn note(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }
}

fn user_id() -> UserId {
    UserId::new(Millis::from_u64(1_700_000_000_000), [1; 10])
}

pub(in crate::ctl) fn session_id(number: u8) -> SessionId {
    SessionId::new(Millis::from_u64(1_700_000_000_000), [number; 10])
}

fn user(name: &str) -> Answer<UserInfo> {
    if !NAMES.contains(&name) {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(UserInfo {
        user_id: user_id(),
        name: name.into(),
        roles: vec!["editor".into()],
        attributes: BTreeMap::new(),
        disabled: false,
        has_password: false,
        created: Millis::default(),
    })
}

fn session(number: u8) -> SessionInfo {
    SessionInfo {
        session_id: session_id(number),
        user_id: user_id(),
        app: "web".into(),
        kind: SessionKind::Cookie,
        created: Millis::default(),
        last_seen: Millis::default(),
        idle_deadline: Millis::MAX,
        absolute_deadline: Millis::MAX,
        auth_time: Millis::default(),
        refreshes: 0,
        context: Context::default(),
    }
}

fn entry(number: u64) -> AuditEntry {
    AuditEntry {
        number,
        stamp: Stamp(number),
        event: "user.add".into(),
        outcome: "ok".into(),
        caller_uid: 0,
        caller_pid: 1,
        app: "admin".into(),
        user_id: None,
        session_id: None,
        detail: DETAIL.into(),
        hash: "00".into(),
    }
}

impl Admin for Asked {
    async fn metrics(self, _: Call) -> Answer<Metrics> {
        self.note("metrics");
        Ok(sample(1))
    }

    async fn status(self, _: Call) -> Answer<Status> {
        self.note("status");
        Err(Refusal::new(ErrorCode::Busy))
    }

    async fn user_add(self, _: Call, request: AddUser) -> Answer<UserInfo> {
        let password = request.password.as_ref().map(|password| password.expose().to_owned());
        self.note(format!("user_add {} {:?} {password:?}", request.name, request.roles));
        Ok(UserInfo { has_password: password.is_some(), ..user("alice")? })
    }

    async fn user_import(self, _: Call, request: ImportUser) -> Answer<ImportReport> {
        let ImportUser { name, hash, roles, attributes, disabled, user_id, check_only } = request;
        let hash = hash.as_ref().map_or("-", |hash| hash.expose());
        let who = user_id.map_or_else(String::new, |id| format!(" {id} {attributes:?}"));
        self.note(format!("user_import {name} {hash} {roles:?} {disabled} {check_only}{who}"));
        match hash {
            _ if name == "bob" => Err(Refusal::new(ErrorCode::AlreadyExists)),
            "busy" => Err(Refusal::new(ErrorCode::Busy)),
            "$2b$bad" => Err(Refusal::because(ErrorCode::InvalidRequest, "the hash is none")),
            _ => {
                let added = UserInfo { has_password: hash != "-", disabled, ..user("alice")? };
                let format = if hash == "-" { "none" } else { "bcrypt" };
                Ok(ImportReport { user: (!check_only).then_some(added), format: format.into() })
            }
        }
    }

    async fn user_list(self, _: Call, after: Option<String>) -> Answer<UserPage> {
        self.note(format!("user_list {after:?}"));
        let next = after.map_or(0, |name| NAMES.iter().position(|known| *known == name).unwrap() + 1);
        let more = next + 1 < NAMES.len();
        Ok(UserPage { users: vec![user(NAMES[next])?], next: more.then(|| NAMES[next].into()) })
    }

    async fn user_show(self, _: Call, name: String) -> Answer<UserInfo> {
        self.note(format!("user_show {name}"));
        user(&name)
    }

    async fn user_enable(self, _: Call, name: String) -> Answer<UserInfo> {
        self.note(format!("user_enable {name}"));
        user(&name)
    }

    async fn user_disable(self, _: Call, name: String) -> Answer<UserInfo> {
        self.note(format!("user_disable {name}"));
        user(&name)
    }

    async fn user_remove(self, _: Call, name: String) -> Answer<UserInfo> {
        self.note(format!("user_remove {name}"));
        user(&name)
    }

    async fn user_set_password(self, _: Call, name: String, password: Password) -> Answer<UserInfo> {
        self.note(format!("user_set_password {name} {}", password.expose()));
        user(&name)
    }

    async fn user_set_roles(self, _: Call, name: String, roles: Vec<String>) -> Answer<UserInfo> {
        self.note(format!("user_set_roles {name} {roles:?}"));
        Ok(UserInfo { roles, ..user(&name)? })
    }

    async fn user_rename(self, _: Call, name: String, new_name: String) -> Answer<UserInfo> {
        self.note(format!("user_rename {name} {new_name}"));
        Ok(UserInfo { name: new_name, ..user(&name)? })
    }

    async fn user_set_attributes(
        self,
        _: Call,
        name: String,
        attributes: BTreeMap<String, String>,
    ) -> Answer<UserInfo> {
        self.note(format!("user_set_attributes {name} {attributes:?}"));
        Ok(UserInfo { attributes, ..user(&name)? })
    }

    async fn user_code(self, _: Call, name: String) -> Answer<Code> {
        self.note(format!("user_code {name}"));
        Ok(Code { code: Token::new("hpc_secret".into()), expires: Millis::default() })
    }

    async fn key_list(self, _: Call) -> Answer<Vec<KeyInfo>> {
        self.note("key_list");
        Ok(Vec::new())
    }

    async fn key_rotate(self, _: Call, request: RotateKey) -> Answer<Vec<KeyInfo>> {
        self.note(format!("key_rotate {request:?}"));
        Ok(Vec::new())
    }

    async fn key_retire(self, _: Call, kid: String) -> Answer<Vec<KeyInfo>> {
        self.note(format!("key_retire {kid}"));
        Ok(Vec::new())
    }

    async fn key_reseal(self, _: Call, new_key: Option<NewMasterKey>) -> Answer<Reseal> {
        let given = new_key.map(|key| key.expose()[0]);
        self.note(format!("key_reseal {given:?}"));
        Ok(Reseal { master_key: "/somewhere/master.key".into(), done: given.is_none() })
    }

    async fn backup_begin(self, _: Call) -> Answer<Backup> {
        self.note("backup_begin");
        Ok(Backup { id: 7, tables: Vec::new() })
    }

    async fn backup_page(self, _: Call, request: BackupPlace) -> Answer<BackupPage> {
        self.note(format!("backup_page {}", request.table));
        Ok(BackupPage { rows: Vec::new(), last: true })
    }

    async fn backup_end(self, _: Call, id: u64) -> Answer<()> {
        self.note(format!("backup_end {id}"));
        Ok(())
    }

    async fn clock_accept(self, _: Call) -> Answer<ClockAccepted> {
        self.note("clock_accept");
        Ok(ClockAccepted { before: Millis::default(), now: Millis::from_u64(1_700_000_000_000) })
    }

    async fn export_begin(self, _: Call, with_hashes: bool) -> Answer<Export> {
        self.note(format!("export_begin {with_hashes}"));
        Ok(Export { id: if with_hashes { 9 } else { 8 }, users: 3 })
    }

    /// A user a page; of the second the password was never set.
    async fn export_page(self, _: Call, request: ExportPlace) -> Answer<ExportPage> {
        let place = request.after.map_or(0, |after| usize::from(after.as_bytes()[15]));
        self.note(format!("export_page {} after {place}", request.id));
        let hash = (request.id == 9 && place != 1).then(|| Password::new("$2b$secret".into()));
        let user = ExportedUser {
            user_id: UserId::new(
                Millis::default(),
                [0, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(place + 1).unwrap()],
            ),
            name: NAMES[place].into(),
            hash,
            roles: vec!["editor".into()],
            attributes: BTreeMap::from([("team".into(), "red \"1\"".into())]),
            disabled: place == 2,
        };
        Ok(ExportPage { users: vec![user], last: place + 1 == NAMES.len() })
    }

    async fn export_end(self, _: Call, id: u64) -> Answer<()> {
        self.note(format!("export_end {id}"));
        Ok(())
    }

    async fn revocation_list(self, _: Call, after: Option<RevocationKey>) -> Answer<Vec<RevocationEntry>> {
        self.note(format!("revocation_list {after:?}"));
        let key = RevocationKey { stamp: Stamp(7), place: 0 };
        Ok(vec![RevocationEntry { key, kind: "user".into(), id: user_id().to_string() }])
    }

    async fn session_list(self, _: Call, name: String, after: Option<SessionId>) -> Answer<SessionPage> {
        let number = (1..=3).find(|&number| after == Some(session_id(number))).unwrap_or(0) + 1;
        self.note(format!("session_list {name} page {number}"));
        let next = (number < 3).then(|| session_id(number));
        Ok(SessionPage { sessions: vec![session(number)], next })
    }

    /// The first is alive, the second over, and the others are gone.
    async fn session_show(self, _: Call, session: SessionId) -> Answer<SessionShown> {
        self.note(format!("session_show {session}"));
        let number = (1..=2).find(|&number| session == session_id(number)).ok_or(ErrorCode::NotFound)?;
        let ended =
            (number == 2).then(|| SessionEnd { reason: "revoked".into(), at: Some(Millis::default()) });
        let (name, amr) = (Some("alice".into()), vec!["pwd".into()]);
        Ok(SessionShown { session: self::session(number), name, amr, level: 1, level_until: None, ended })
    }

    async fn revoke(self, _: Call, target: RevokeTarget) -> Answer<Revoked> {
        self.note(format!("admin revoke {target:?}"));
        match target {
            RevokeTarget::User(name) => user(&name).map(|_| Revoked { sessions: 2 }),
            _ => Ok(Revoked { sessions: 2 }),
        }
    }

    async fn key_jwks(self, _: Call) -> Answer<String> {
        self.note("key_jwks");
        Ok(r#"{"keys":[]}"#.into())
    }

    async fn audit_find(self, _: Call, request: FindAudit) -> Answer<FoundAudit> {
        let FindAudit { from, count, user, app, event, since } = request;
        self.note(format!("audit_find {from:?} {count} {user:?} {app:?} {event:?} {since:?}"));
        let count = u64::from(count).min(AUDIT_PER_PAGE as u64);
        let taken = |numbers: Vec<u64>| numbers.into_iter().take(usize::try_from(count).unwrap());
        let (entries, next): (Vec<_>, _) = match from {
            AuditFrom::After(after) => {
                let entries: Vec<_> = taken((after + 1..=ENTRIES).collect()).map(entry).collect();
                let next = entries.last().map(|entry| entry.number).filter(|last| *last < ENTRIES);
                (entries, next)
            }
            AuditFrom::Before(_) | AuditFrom::Newest => {
                let before = if let AuditFrom::Before(before) = from { before } else { ENTRIES + 1 };
                let entries: Vec<_> = taken((1..before).rev().collect()).map(entry).collect();
                let next = entries.last().map(|entry| entry.number).filter(|last| *last > 1);
                (entries, next)
            }
        };
        Ok(FoundAudit { entries, next })
    }

    async fn audit_verify(self, _: Call, request: VerifyAudit) -> Answer<AuditStretch> {
        let VerifyAudit { place, checkpoints } = request;
        self.note(format!("audit_verify {place:?} {}", checkpoints.len()));
        let done = place == [1];
        let fault = checkpoints.first().map(|_| "entry 7 is not the one: the chain was replaced".to_owned());
        let faults = fault.into_iter().collect();
        let (doubts, notes) = (Vec::new(), vec!["a note".into()]);
        Ok(AuditStretch { place: vec![1], entries: ENTRIES, faults, doubts, notes, done })
    }

    async fn audit_tail(self, _: Call, request: AuditTail) -> Answer<Vec<AuditEntry>> {
        self.note(format!("audit_tail {:?} {}", request.after, request.count));
        let count = u64::from(request.count).min(AUDIT_PER_PAGE as u64);
        let after = request.after.unwrap_or(ENTRIES - count);
        Ok((after + 1..=ENTRIES).take(usize::try_from(count).unwrap()).map(entry).collect())
    }
}
