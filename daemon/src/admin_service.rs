//! The administrator's calls. One straight line for each.

mod audit;
mod counted;
mod importing;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use hallpass_protocol::admin::{
    AddUser, Admin, AuditEntry, AuditStretch, AuditTail, Backup, BackupPage, BackupPlace, ClockAccepted,
    Code, Export, ExportPage, ExportPlace, FindAudit, FoundAudit, ImportReport, ImportUser, KeyInfo, Reseal,
    RevocationEntry, RevocationKey, RevokeTarget, RotateKey, SessionShown, Status, UserInfo, UserPage,
    VerifyAudit,
};
use hallpass_protocol::auth::{Answer, ListSessions, Revoked, SessionPage};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::limits::{REVOCATIONS_PER_PAGE, USERS_PER_PAGE};
use hallpass_protocol::metrics::Metrics;
use hallpass_protocol::secret::{NewMasterKey, Password, Token};
use tarpc::context;
use tracing::Instrument;

use crate::auth_service::context::code_hash;
use crate::auth_service::pages::session_page;
use crate::clock::Stopwatch;
use crate::connection::guarded;
use crate::domain::account::{Attributes, Change, Name, NewUser, Roles, User, no_such_user};
use crate::domain::command::Command;
use crate::domain::effect::Outcome;
use crate::domain::keyset::{Key, KeyKind, KeyState};
use crate::domain::policy::{Operation, Permit, Principal};
use crate::followed;
use crate::keys::MasterKey;
use crate::metrics::OfApp;
use crate::password::Turn;
use crate::shared::{Shared, unreadable};
use crate::store::Listed;

/// The administrator's service, for one caller.
#[derive(Clone)]
pub(crate) struct AdminService {
    shared: Arc<Shared>,
    caller: Arc<Principal>,
    /// Where administrators' calls are counted.
    app: Arc<OfApp>,
}

impl Admin for AdminService {
    async fn status(self, call: context::Context) -> Answer<Status> {
        self.counted(&call, async { self.answer_status() }).await
    }

    async fn user_add(self, call: context::Context, request: AddUser) -> Answer<UserInfo> {
        self.counted(&call, self.add_user(request)).await
    }

    async fn user_list(self, call: context::Context, after: Option<String>) -> Answer<UserPage> {
        self.counted(&call, async { self.list_users(after.as_deref()) }).await
    }

    async fn user_show(self, call: context::Context, name: String) -> Answer<UserInfo> {
        self.counted(&call, async { self.user(&name).map(user_info) }).await
    }

    async fn user_enable(self, call: context::Context, name: String) -> Answer<UserInfo> {
        self.counted(&call, self.change(name, Change::Enable)).await
    }

    async fn user_disable(self, call: context::Context, name: String) -> Answer<UserInfo> {
        self.counted(&call, self.change(name, Change::Disable)).await
    }

    async fn user_remove(self, call: context::Context, name: String) -> Answer<UserInfo> {
        self.counted(&call, self.change(name, Change::Remove)).await
    }

    async fn user_set_password(
        self,
        call: context::Context,
        name: String,
        password: Password,
    ) -> Answer<UserInfo> {
        self.counted(&call, async {
            let permit = self.admit()?;
            let parsed = Name::parse(&name)?;
            let turn = Turn::usual(permit.app());
            let hash = self.shared.hasher.hash_new(&password, parsed.as_str(), turn).await?;
            self.change(name, Change::SetPassword(hash)).await
        })
        .await
    }

    async fn user_set_roles(
        self,
        call: context::Context,
        name: String,
        roles: Vec<String>,
    ) -> Answer<UserInfo> {
        self.counted(&call, async { self.change(name, Change::SetRoles(Roles::parse(roles)?)).await }).await
    }

    async fn session_list(
        self,
        call: context::Context,
        name: String,
        after: Option<SessionId>,
    ) -> Answer<SessionPage> {
        self.counted(&call, async {
            let permit = self.admit()?;
            let user = self.user(&name)?.id;
            session_page(&self.shared, &permit, &ListSessions { user, after }).await
        })
        .await
    }

    async fn revoke(self, call: context::Context, target: RevokeTarget) -> Answer<Revoked> {
        self.counted(&call, self.answer_revoke(target)).await
    }

    async fn key_jwks(self, call: context::Context) -> Answer<String> {
        self.counted(&call, async {
            let _permit = self.admit()?;
            Ok(self.shared.keys.ring().published().jwks.clone())
        })
        .await
    }

    async fn user_rename(self, call: context::Context, name: String, new_name: String) -> Answer<UserInfo> {
        self.counted(&call, async { self.change(name, Change::Rename(Name::parse(&new_name)?)).await }).await
    }

    async fn user_set_attributes(
        self,
        call: context::Context,
        name: String,
        attributes: BTreeMap<String, String>,
    ) -> Answer<UserInfo> {
        self.counted(&call, async {
            self.change(name, Change::SetAttributes(Attributes::parse(attributes)?)).await
        })
        .await
    }

    async fn user_code(self, call: context::Context, name: String) -> Answer<Code> {
        self.counted(&call, self.make_code(name)).await
    }

    async fn key_list(self, call: context::Context) -> Answer<Vec<KeyInfo>> {
        self.counted(&call, async { self.list_keys() }).await
    }

    async fn key_rotate(self, call: context::Context, request: RotateKey) -> Answer<Vec<KeyInfo>> {
        self.counted(&call, async {
            let kind = if request.mac { KeyKind::Mac } else { KeyKind::Signing };
            self.shared.rotate(self.admit()?, kind, request.emergency).await?;
            self.list_keys()
        })
        .await
    }

    async fn revocation_list(
        self,
        call: context::Context,
        after: Option<RevocationKey>,
    ) -> Answer<Vec<RevocationEntry>> {
        self.counted(&call, async { self.list_revocations(after) }).await
    }

    async fn audit_tail(self, call: context::Context, request: AuditTail) -> Answer<Vec<AuditEntry>> {
        self.counted(&call, async { audit::tail(&self.shared, &self.admit()?, &request) }).await
    }

    async fn user_import(self, call: context::Context, request: ImportUser) -> Answer<ImportReport> {
        self.counted(&call, self.import_user(request)).await
    }

    async fn key_retire(self, call: context::Context, kid: String) -> Answer<Vec<KeyInfo>> {
        self.counted(&call, async {
            self.shared.retire(self.admit()?, kid).await?;
            self.list_keys()
        })
        .await
    }

    async fn key_reseal(self, call: context::Context, new_key: Option<NewMasterKey>) -> Answer<Reseal> {
        self.counted(&call, async {
            let given = new_key.map(|key| MasterKey::from_bytes(key.expose()));
            self.shared.reseal(self.admit()?, given).await
        })
        .await
    }

    async fn backup_begin(self, call: context::Context) -> Answer<Backup> {
        self.counted(&call, async { self.shared.backup_begin(self.admit()?).await }).await
    }

    async fn backup_page(self, call: context::Context, request: BackupPlace) -> Answer<BackupPage> {
        self.counted(&call, async { self.shared.backup_page(&self.admit()?, &request) }).await
    }

    async fn backup_end(self, call: context::Context, id: u64) -> Answer<()> {
        self.counted(&call, async {
            self.shared.backup_end(&self.admit()?, id);
            Ok(())
        })
        .await
    }

    async fn clock_accept(self, call: context::Context) -> Answer<ClockAccepted> {
        self.counted(&call, async { self.shared.clock_accept(self.admit()?).await }).await
    }

    async fn export_begin(self, call: context::Context, with_hashes: bool) -> Answer<Export> {
        self.counted(&call, async { self.shared.export_begin(self.admit()?, with_hashes).await }).await
    }

    async fn export_page(self, call: context::Context, request: ExportPlace) -> Answer<ExportPage> {
        self.counted(&call, async { self.shared.export_page(&self.admit()?, request) }).await
    }

    async fn export_end(self, call: context::Context, id: u64) -> Answer<()> {
        self.counted(&call, async {
            self.shared.export_end(&self.admit()?, id);
            Ok(())
        })
        .await
    }

    async fn audit_find(self, call: context::Context, request: FindAudit) -> Answer<FoundAudit> {
        self.counted(&call, async { audit::find(&self.shared, &self.admit()?, request) }).await
    }

    async fn audit_verify(self, call: context::Context, request: VerifyAudit) -> Answer<AuditStretch> {
        self.counted(&call, async { audit::verify(Arc::clone(&self.shared), &self.admit()?, request).await })
            .await
    }

    async fn metrics(self, call: context::Context) -> Answer<Metrics> {
        self.counted(&call, async { counted::metrics(&self.shared, &self.admit()?) }).await
    }

    async fn session_show(self, call: context::Context, session: SessionId) -> Answer<SessionShown> {
        self.counted(&call, async { self.show_session(session) }).await
    }
}

impl AdminService {
    /// The service for this caller.
    pub(crate) fn new(shared: Arc<Shared>, caller: Arc<Principal>) -> Self {
        let app = shared.requests.of_app(caller.known_as());
        Self { shared, caller, app }
    }

    /// Answers and counts a call, whatever comes of it.
    async fn counted<T>(
        &self,
        context: &context::Context,
        call: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let operation = Operation::Administer;
        let span = followed::span(context, operation, self.caller.known_as(), self.shared.started);
        self.app.begins();
        let begun = Stopwatch::start();
        let answer = guarded(call).instrument(span.clone()).await;
        let (refused, nanos) = (answer.as_ref().err().map(|refusal| refusal.code), begun.nanos());
        self.shared.requests.answered(&self.app, operation, refused, Some(nanos));
        followed::answered(&span, refused, nanos);
        answer
    }

    fn admit(&self) -> Answer<Permit> {
        self.shared.admit(&self.caller, Operation::Administer)
    }

    fn answer_status(&self) -> Answer<Status> {
        let _permit = self.admit()?;
        let shared = &self.shared;
        let counts = shared.snapshot()?.counts().map_err(unreadable)?;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: shared.started,
            state_dir: shared.state_dir.display().to_string(),
            database_id: crate::hex::encode(shared.store.database_id()),
            issuer: shared.issuer.clone(),
            database_bytes: shared.store.bytes().map_err(unreadable)?,
            disk_available: shared.store.disk().map_err(unreadable)?.0,
            disk_full: shared.writer.room_is_little(),
            users: counts.users,
            sessions: counts.sessions,
            audit_entries: counts.audit_entries,
            connections: number(shared.places.taken()),
            write_queue: number(shared.writer.waiting()),
            hash_queue: number(shared.hasher.queued()),
            stamp: shared.writer.visible(),
        })
    }

    async fn add_user(&self, request: AddUser) -> Answer<UserInfo> {
        let permit = self.admit()?;
        let (name, roles) = (Name::parse(&request.name)?, Roles::parse(request.roles)?);
        let password = match &request.password {
            Some(password) => {
                let turn = Turn::usual(permit.app());
                Some(self.shared.hasher.hash_new(password, name.as_str(), turn).await?)
            }
            None => None,
        };
        let new = NewUser { password, roles, ..NewUser::named(name) };
        changed(self.shared.write(permit, Command::AddUser(Box::new(new))).await?)
    }

    fn list_users(&self, after: Option<&str>) -> Answer<UserPage> {
        let _permit = self.admit()?;
        let users = self.shared.snapshot()?.users_after(after, USERS_PER_PAGE).map_err(unreadable)?;
        let next = if users.len() == USERS_PER_PAGE {
            users.last().map(|user| user.name.as_str().to_owned())
        } else {
            None
        };
        Ok(UserPage { users: users.into_iter().map(user_info).collect(), next })
    }

    fn user(&self, name: &str) -> Answer<User> {
        let _permit = self.admit()?;
        let name = Name::parse(name)?;
        let user = self.shared.snapshot()?.user_named(name.as_str()).map_err(unreadable)?;
        user.ok_or_else(no_such_user)
    }

    async fn change(&self, name: String, change: Change) -> Answer<UserInfo> {
        let permit = self.admit()?;
        let name = Name::parse(&name)?;
        changed(self.shared.write(permit, Command::ChangeUser(name, change)).await?)
    }

    /// Makes a code of 128 random bits. It is shown here and never again; the store keeps a hash of it.
    async fn make_code(&self, name: String) -> Answer<Code> {
        let permit = self.admit()?;
        let name = Name::parse(&name)?;
        let random: [u8; 16] =
            self.shared.entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        let code = Token::new(format!("hpc_{}", Base64UrlUnpadded::encode_string(&random)));
        let change = Change::SetCode(code_hash(&code));
        match self.shared.write(permit, Command::ChangeUser(name, change)).await? {
            Outcome::User(User { code: Some(made), .. }) => Ok(Code { code, expires: made.expires }),
            _ => Err(Refusal::new(ErrorCode::Internal)),
        }
    }

    fn list_keys(&self) -> Answer<Vec<KeyInfo>> {
        let _permit = self.admit()?;
        let keys = self.shared.snapshot()?.keys().map_err(unreadable)?;
        Ok(keys.into_iter().map(key_info).collect())
    }

    fn list_revocations(&self, after: Option<RevocationKey>) -> Answer<Vec<RevocationEntry>> {
        let _permit = self.admit()?;
        let after = after.map(|key| (key.stamp, key.place));
        let listed =
            self.shared.snapshot()?.revocations_after(after, REVOCATIONS_PER_PAGE).map_err(unreadable)?;
        Ok(listed
            .into_iter()
            .map(|((stamp, place), what)| revocation(RevocationKey { stamp, place }, what))
            .collect())
    }
}

fn changed(outcome: Outcome) -> Answer<UserInfo> {
    match outcome {
        Outcome::User(user) => Ok(user_info(user)),
        _ => Err(Refusal::new(ErrorCode::Internal)),
    }
}

fn user_info(user: User) -> UserInfo {
    UserInfo {
        user_id: user.id,
        name: user.name.as_str().to_owned(),
        roles: user.roles.as_slice().to_vec(),
        attributes: user.attributes.as_map().clone(),
        disabled: user.disabled,
        has_password: user.password.is_some(),
        created: user.id.created(),
    }
}

fn key_info(key: Key) -> KeyInfo {
    let (state, until) = match key.state {
        KeyState::Next(at) => ("next", Some(at)),
        KeyState::Active => ("active", None),
        KeyState::Retired(until) => ("retired", Some(until)),
        KeyState::Revoked(until) => ("revoked", Some(until)),
    };
    let kind = key.kind.as_str().to_owned();
    KeyInfo { kind, number: key.number, kid: key.kid, state: state.to_owned(), created: key.created, until }
}

fn revocation(key: RevocationKey, what: Listed) -> RevocationEntry {
    let (kind, id) = match what {
        Listed::Session(session) => ("session", session.to_string()),
        Listed::User(user) => ("user", user.to_string()),
        Listed::App(app) => ("app", app),
        Listed::Key(kid) => ("key", kid),
        Listed::Everything => ("everything", String::new()),
    };
    RevocationEntry { key, kind: kind.to_owned(), id }
}
