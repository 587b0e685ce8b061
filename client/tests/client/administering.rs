//! The administrator's client: the same connection with other calls.

use std::collections::BTreeMap;

use hallpass_client::admin::{
    AddUser, AdminClient, AuditEntry, AuditFrom, AuditStretch, AuditTail, Backup, BackupPage, BackupPlace,
    ClockAccepted, Code, Export, ExportPage, ExportPlace, FindAudit, FoundAudit, ImportReport, ImportUser,
    KeyInfo, Metrics, NewMasterKey, Reseal, RevocationEntry, RevocationKey, RevokeTarget, RotateKey,
    SessionShown, Status, UserInfo, UserPage, VerifyAudit,
};
use hallpass_client::{ErrorCode, Millis, Password, Refusal, Revoked, SessionId, SessionPage, Token, UserId};
use hallpass_protocol::admin::Admin;
use hallpass_protocol::auth::Answer;
use hallpass_protocol::hello::Service;
use tarpc::context::Context;

use crate::fake::{Act, Fake, Hand, converse};

fn start() -> Fake {
    let mut fake = Fake::absent();
    fake.listen(|stream, hand| {
        let administering = Administering(hand.clone());
        converse(stream, Service::Admin, 8, hand, administering.serve())
    });
    fake
}

#[tokio::test]
async fn reads_and_revocations_are_asked_again() {
    let fake = start();
    let client = AdminClient::connect(fake.socket()).await.unwrap();
    fake.will([Act::HangUp]);
    assert_eq!(client.user_show("alice").await.unwrap().name, "alice");
    fake.will([Act::HangUp]);
    assert_eq!(client.revoke(RevokeTarget::All).await.unwrap().sessions, 1);
    fake.will([Act::HangUp]);
    assert!(client.key_retire("kid").await.unwrap().is_empty());
    fake.will([Act::HangUp]);
    let shown = client.session_show(SessionId::from_bytes([2; 16])).await;
    assert_eq!(shown.unwrap_err().code(), ErrorCode::NotFound);
    let asked = ["user_show", "revoke", "key_retire", "session_show"];
    assert_eq!(fake.calls(), asked.map(|call| [call; 2]).concat());
    assert_eq!(fake.connections(), 5);
}

#[tokio::test]
async fn changes_are_never_sent_twice() {
    let fake = start();
    let client = AdminClient::connect(fake.socket()).await.unwrap();
    fake.will((0..7).map(|_| Act::HangUp));
    let password = || Password::new("secret".to_owned());
    let user = AddUser { name: "alice".to_owned(), password: Some(password()), roles: Vec::new() };
    let other = ImportUser { name: "bob".to_owned(), hash: Some(password()), ..ImportUser::default() };
    for outcome in [
        client.user_add(user).await,
        client.user_enable("alice").await,
        client.user_disable("alice").await,
        client.user_remove("alice").await,
        client.user_set_password("alice", password()).await,
        client.user_set_roles("alice", Vec::new()).await,
        client.user_import(other).await.map(|report| report.user.unwrap()),
    ] {
        assert_eq!(outcome.unwrap_err().code(), ErrorCode::Unknown);
    }
    fake.will([Act::HangUp]);
    assert_eq!(client.key_reseal(None).await.unwrap_err().code(), ErrorCode::Unknown);
    assert_eq!(
        fake.calls(),
        [
            "user_add",
            "user_enable",
            "user_disable",
            "user_remove",
            "user_set_password",
            "user_set_roles",
            "user_import",
            "key_reseal"
        ]
    );
}

#[tokio::test]
async fn every_call_has_its_own_answer() {
    let fake = start();
    let client = AdminClient::connect(fake.socket()).await.unwrap();
    assert_eq!(client.status().await.unwrap_err().code(), ErrorCode::Unavailable);
    assert_eq!(client.user_list(None).await.unwrap().next.unwrap(), "zoe");
    assert_eq!(client.user_enable("bob").await.unwrap().name, "bob");
    assert_eq!(client.session_list("bob", None).await.unwrap().next, None);
    assert_eq!(client.key_jwks().await.unwrap(), "{}");
    assert_eq!(client.user_rename("bob", "rob").await.unwrap().name, "rob");
    assert_eq!(client.user_code("bob").await.unwrap().code.expose(), "hpc_fake");
    assert!(client.revocation_list(None).await.unwrap().is_empty());
    assert!(client.audit_tail(AuditTail { after: None, count: 1 }).await.unwrap().is_empty());
    let all =
        FindAudit { from: AuditFrom::Newest, count: 1, user: None, app: None, event: None, since: None };
    assert_eq!(client.audit_find(all).await.unwrap().next, None);
    let verify = VerifyAudit { place: Vec::new(), checkpoints: Vec::new() };
    assert_eq!(client.audit_verify(verify).await.unwrap().place, [7]);
    assert_eq!(
        fake.calls(),
        [
            "status",
            "user_list",
            "user_enable",
            "session_list",
            "key_jwks",
            "user_rename",
            "user_code",
            "revocation_list",
            "audit_tail",
            "audit_find",
            "audit_verify"
        ]
    );
}

/// The administrator's half of the fake.
#[derive(Clone)]
struct Administering(Hand);

impl Administering {
    async fn user(self, call: &'static str, name: String) -> Answer<UserInfo> {
        self.0.play(call).await?;
        Ok(UserInfo {
            user_id: UserId::from_bytes([1; 16]),
            name,
            roles: Vec::new(),
            attributes: BTreeMap::new(),
            disabled: false,
            has_password: true,
            created: Millis::from_u64(0),
        })
    }
}

impl Admin for Administering {
    async fn metrics(self, _: Context) -> Answer<Metrics> {
        self.0.play("metrics").await?;
        Ok(Metrics::default())
    }

    async fn status(self, _: Context) -> Answer<Status> {
        self.0.play("status").await?;
        Err(Refusal::new(ErrorCode::Unavailable))
    }

    async fn user_add(self, _: Context, request: AddUser) -> Answer<UserInfo> {
        self.user("user_add", request.name).await
    }

    async fn user_import(self, _: Context, request: ImportUser) -> Answer<ImportReport> {
        let user = self.user("user_import", request.name).await?;
        Ok(ImportReport { user: Some(user), format: "bcrypt".to_owned() })
    }

    async fn user_list(self, _: Context, _: Option<String>) -> Answer<UserPage> {
        self.0.play("user_list").await?;
        Ok(UserPage { users: Vec::new(), next: Some("zoe".to_owned()) })
    }

    async fn user_show(self, _: Context, name: String) -> Answer<UserInfo> {
        self.user("user_show", name).await
    }

    async fn user_enable(self, _: Context, name: String) -> Answer<UserInfo> {
        self.user("user_enable", name).await
    }

    async fn user_disable(self, _: Context, name: String) -> Answer<UserInfo> {
        self.user("user_disable", name).await
    }

    async fn user_remove(self, _: Context, name: String) -> Answer<UserInfo> {
        self.user("user_remove", name).await
    }

    async fn user_set_password(self, _: Context, name: String, _: Password) -> Answer<UserInfo> {
        self.user("user_set_password", name).await
    }

    async fn user_set_roles(self, _: Context, name: String, _: Vec<String>) -> Answer<UserInfo> {
        self.user("user_set_roles", name).await
    }

    async fn user_rename(self, _: Context, _: String, new_name: String) -> Answer<UserInfo> {
        self.user("user_rename", new_name).await
    }

    async fn user_set_attributes(
        self,
        _: Context,
        name: String,
        _: BTreeMap<String, String>,
    ) -> Answer<UserInfo> {
        self.user("user_set_attributes", name).await
    }

    async fn user_code(self, _: Context, _: String) -> Answer<Code> {
        self.0.play("user_code").await?;
        Ok(Code { code: Token::new("hpc_fake".to_owned()), expires: Millis::MAX })
    }

    async fn key_list(self, _: Context) -> Answer<Vec<KeyInfo>> {
        self.0.play("key_list").await?;
        Ok(Vec::new())
    }

    async fn key_rotate(self, _: Context, _: RotateKey) -> Answer<Vec<KeyInfo>> {
        self.0.play("key_rotate").await?;
        Ok(Vec::new())
    }

    async fn key_reseal(self, _: Context, _: Option<NewMasterKey>) -> Answer<Reseal> {
        self.0.play("key_reseal").await?;
        Ok(Reseal { master_key: "/master.key".to_owned(), done: true })
    }

    async fn key_retire(self, _: Context, _: String) -> Answer<Vec<KeyInfo>> {
        self.0.play("key_retire").await?;
        Ok(Vec::new())
    }

    async fn backup_begin(self, _: Context) -> Answer<Backup> {
        self.0.play("backup_begin").await?;
        Ok(Backup { id: 1, tables: Vec::new() })
    }

    async fn backup_page(self, _: Context, _: BackupPlace) -> Answer<BackupPage> {
        self.0.play("backup_page").await?;
        Ok(BackupPage { rows: Vec::new(), last: true })
    }

    async fn backup_end(self, _: Context, _: u64) -> Answer<()> {
        self.0.play("backup_end").await
    }

    async fn clock_accept(self, _: Context) -> Answer<ClockAccepted> {
        self.0.play("clock_accept").await?;
        Ok(ClockAccepted { before: Millis::default(), now: Millis::default() })
    }

    async fn export_begin(self, _: Context, _: bool) -> Answer<Export> {
        self.0.play("export_begin").await?;
        Ok(Export { id: 1, users: 0 })
    }

    async fn export_page(self, _: Context, _: ExportPlace) -> Answer<ExportPage> {
        self.0.play("export_page").await?;
        Ok(ExportPage { users: Vec::new(), last: true })
    }

    async fn export_end(self, _: Context, _: u64) -> Answer<()> {
        self.0.play("export_end").await
    }

    async fn revocation_list(self, _: Context, _: Option<RevocationKey>) -> Answer<Vec<RevocationEntry>> {
        self.0.play("revocation_list").await?;
        Ok(Vec::new())
    }

    async fn session_list(self, _: Context, _: String, _: Option<SessionId>) -> Answer<SessionPage> {
        self.0.play("session_list").await?;
        Ok(SessionPage { sessions: Vec::new(), next: None })
    }

    async fn session_show(self, _: Context, _: SessionId) -> Answer<SessionShown> {
        self.0.play("session_show").await?;
        Err(Refusal::new(ErrorCode::NotFound))
    }

    async fn revoke(self, _: Context, _: RevokeTarget) -> Answer<Revoked> {
        self.0.play("revoke").await?;
        Ok(Revoked { sessions: 1 })
    }

    async fn key_jwks(self, _: Context) -> Answer<String> {
        self.0.play("key_jwks").await?;
        Ok("{}".to_owned())
    }

    async fn audit_find(self, _: Context, _: FindAudit) -> Answer<FoundAudit> {
        self.0.play("audit_find").await?;
        Ok(FoundAudit { entries: Vec::new(), next: None })
    }

    async fn audit_verify(self, _: Context, _: VerifyAudit) -> Answer<AuditStretch> {
        self.0.play("audit_verify").await?;
        let (faults, doubts, notes) = (Vec::new(), Vec::new(), Vec::new());
        Ok(AuditStretch { place: vec![7], entries: 0, faults, doubts, notes, done: true })
    }

    async fn audit_tail(self, _: Context, _: AuditTail) -> Answer<Vec<AuditEntry>> {
        self.0.play("audit_tail").await?;
        Ok(Vec::new())
    }
}
