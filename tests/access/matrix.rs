//! The whole table of who may do what, asked for by real processes of real users; and every refusal is on record.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use hallpass_client::admin::{AdminClient, AuditEntry, AuditTail};
use hallpass_client::{
    ChangePassword, Client, Context, Error, GrantedTokens, ListSessions, Login, Needs, OpenSession, Password,
    Reauthenticate, RedeemCode, Revoke, SessionKind, Token, UserRef, VerifierReport, Verify,
};

use crate::errand::{Errand, Program, Shown, Task, open_the_way_to, own, say};
use crate::support::dice::report;
use crate::support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, login, own_uid, refresh};

const NEW_PASSWORD: &str = "another horse, another staple";
/// The audience that every app may ask for.
const SHARED: &str = "shared";
/// Rights as the configuration names them, each with the operations that need it.
const RIGHTS: [(&str, &[&str]); 7] = [
    ("login", &["login", "reauthenticate", "change_password", "redeem_code"]),
    ("verify", &["verify", "verify_many", "report"]),
    ("refresh", &["refresh"]),
    ("revoke", &["revoke"]),
    ("list", &["sessions"]),
    ("vouch", &["open_session"]),
    ("service_token", &["service_token", "service_token_elsewhere"]),
];
/// The first of the users who call; the others follow.
const FIRST: u32 = 61_000;
/// The group that the sockets belong to.
const GROUP: u32 = 0;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Caller {
    /// An app with every right, which has opened the sessions.
    Owner,
    /// Another one with every right.
    Foreign,
    /// An app without rights.
    Bare,
    /// An app with this right alone.
    Only(usize),
    /// A user who is no app, in the group of the sockets.
    Nobody,
}

const CALLERS: [Caller; 11] = [
    Caller::Foreign,
    Caller::Bare,
    Caller::Only(0),
    Caller::Only(1),
    Caller::Only(2),
    Caller::Only(3),
    Caller::Only(4),
    Caller::Only(5),
    Caller::Only(6),
    Caller::Nobody,
    Caller::Owner,
];

impl Caller {
    fn uid(self) -> u32 {
        FIRST
            + match self {
                Self::Owner => 1,
                Self::Foreign => 2,
                Self::Bare => 3,
                Self::Nobody => 4,
                Self::Only(right) => 10 + u32::try_from(right).expect("one of seven"),
            }
    }

    fn name(self) -> String {
        match self {
            Self::Owner => "owner".to_owned(),
            Self::Foreign => "foreign".to_owned(),
            Self::Bare => "bare".to_owned(),
            Self::Nobody => String::new(),
            Self::Only(right) => format!("only-{}", RIGHTS[right].0.replace('_', "-")),
        }
    }

    fn has(self, right: usize) -> bool {
        match self {
            Self::Owner | Self::Foreign => true,
            Self::Bare | Self::Nobody => false,
            Self::Only(own) => own == right,
        }
    }

    /// How this operation must end, by what the documentation says.
    fn expected(self, operation: &str) -> &'static str {
        let needed = RIGHTS.iter().position(|(_, operations)| operations.contains(&operation));
        if self == Self::Nobody || operation == "administer" || needed.is_some_and(|right| !self.has(right)) {
            return "forbidden";
        }
        match operation {
            "service_token_elsewhere" => "audience_forbidden",
            _ if self == Self::Owner => "ok",
            "verify_many" | "reauthenticate" | "change_password" | "refresh" => "invalid_token",
            "revoke" => "not_found",
            "redeem_code" => "invalid_credentials",
            _ => "ok",
        }
    }

    /// The entry that a refusal must leave: its event, and what its detail begins with.
    fn on_record(self, operation: &str, outcome: &str) -> (&'static str, String) {
        let asked = match operation {
            "verify_many" => "verify",
            "service_token_elsewhere" => "service_token",
            _ if self == Self::Nobody && operation != "administer" => "connect",
            operation => operation,
        };
        match (operation, outcome) {
            (_, "forbidden") | ("verify_many" | "reauthenticate" | "change_password", _) => {
                ("call.refused", asked.to_owned())
            }
            ("service_token_elsewhere", _) => ("call.refused", asked.to_owned()),
            ("refresh", _) => ("refresh.other_app", String::new()),
            ("revoke", _) => ("session.revoke", String::new()),
            _ => ("code.redeem", String::new()),
        }
    }
}

fn config(administrator: u32) -> String {
    let admin = format!("[admin]\nuids = [{administrator}]\n");
    let apps = CALLERS.into_iter().filter(|caller| *caller != Caller::Nobody).map(|caller| {
        let rights = RIGHTS.iter().enumerate().filter(|(right, _)| caller.has(*right));
        let rights: Vec<_> = rights.map(|(_, (name, _))| *name).collect();
        let (name, uid) = (caller.name(), caller.uid());
        format!(
            "[[app]]\nname = \"{name}\"\nuids = [{uid}]\nrights = {rights:?}\naudiences = [\"{name}\", \"{SHARED}\"]\n"
        )
    });
    std::iter::once(admin).chain(apps).collect()
}

// What the processes do.

/// Does nothing in an ordinary run: it is what the processes of other users do.
#[tokio::test(flavor = "current_thread")]
async fn runs_its_errand() {
    let Some(errand) = own() else { return };
    match errand.task {
        Task::Open => open_sessions(&errand).await,
        Task::CallEverything => call_everything(&errand).await,
        Task::DoItsWorst => crate::fairness::do_its_worst(&errand),
    }
}

async fn open_sessions(errand: &Errand) {
    let client = Client::connect(&errand.socket).await.expect("the daemon serves this user");
    for kind in [SessionKind::Cookie, SessionKind::Token] {
        let login = Login { audience: Some(SHARED.into()), ..login(&errand.user, PASSWORD, kind) };
        let grant = client.login(login).await.expect("the password is right");
        match grant.tokens {
            GrantedTokens::Cookie { session_token } => say("session_token", session_token.expose()),
            GrantedTokens::Token { access_token, refresh_token, .. } => {
                say("access_token", access_token.expose());
                say("refresh_token", refresh_token.expose());
                say("session_id", &grant.session_id.to_string());
                say("user_id", &grant.user_id.to_string());
            }
        }
    }
}

fn outcome<T>(operation: &str, result: &Result<T, Error>) {
    say(operation, result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok"));
}

async fn call_everything(errand: &Errand) {
    outcome("administer", &AdminClient::connect(&errand.admin_socket).await);
    match Client::connect(&errand.socket).await {
        Ok(client) => {
            say("connect", "ok");
            call_what_reads(&client, errand).await;
            call_what_changes(&client, errand).await;
        }
        Err(error) => say("connect", error.code().as_str()),
    }
}

async fn call_what_reads(client: &Client, errand: &Errand) {
    let shown = &errand.shown;
    let token = |text: &str| Token::new(text.to_owned());
    outcome("hello", &client.hello().await);
    outcome("jwks", &client.jwks().await);
    let needs = Needs { audience: Some(SHARED.into()), ..Needs::default() };
    outcome("verify", &client.verify(token(&shown.access_token), needs).await);
    let cookie = Verify { token: token(&shown.session_token), needs: Needs::default(), context: None };
    match client.verify_many(vec![cookie]).await {
        Ok(outcomes) => outcome("verify_many", &outcomes[0]),
        Err(error) => outcome::<()>("verify_many", &Err(error)),
    }
    outcome("report", &client.report(VerifierReport::default()).await);
    let list = ListSessions { user: shown.user_id.parse().expect("a user id"), after: None };
    let page = client.sessions(list).await;
    outcome("sessions", &page);
    if let Ok(page) = page {
        say("listed", &page.sessions.len().to_string());
    }
    outcome("service_token", &client.service_token(None).await);
    outcome("service_token_elsewhere", &client.service_token(Some("elsewhere".into())).await);
}

async fn call_what_changes(client: &Client, errand: &Errand) {
    let (shown, user) = (&errand.shown, &errand.user);
    let token = |text: &str| Token::new(text.to_owned());
    let password = |text: &str| Password::new(text.to_owned());
    outcome("refresh", &client.refresh(refresh(&token(&shown.refresh_token))).await);
    outcome("login", &client.login(login(user, PASSWORD, SessionKind::Token)).await);
    let open = OpenSession {
        user: UserRef::Name(user.clone()),
        kind: SessionKind::Token,
        audience: None,
        amr: vec!["hwk".into()],
        context: Context::default(),
    };
    outcome("open_session", &client.open_session(open).await);
    let proof = |text: &str, audience: Option<&str>| Reauthenticate {
        token: token(text),
        password: password(PASSWORD),
        audience: audience.map(str::to_owned),
        context: Context::default(),
    };
    outcome("reauthenticate", &client.reauthenticate(proof(&shown.session_token, None)).await);
    let proof = proof(&shown.access_token, Some(SHARED));
    let change = ChangePassword { proof, new_password: password(NEW_PASSWORD) };
    outcome("change_password", &client.change_password(change).await);
    let session = shown.session_id.parse().expect("a session id");
    outcome("revoke", &client.revoke(Revoke::Session(session)).await);
    let redeem = RedeemCode {
        name: "dave".into(),
        code: token(&shown.code),
        new_password: password(NEW_PASSWORD),
        kind: SessionKind::Token,
        audience: None,
        context: Context::default(),
    };
    outcome("redeem_code", &client.redeem_code(redeem).await);
}

// What the test does.

/// The daemon, where other users can come as far as its sockets, and who they are is for it to find out.
async fn house(administrator: u32) -> Daemon {
    let daemon = Daemon::for_others(&config(administrator)).await;
    for dir in [daemon.dir().to_owned(), daemon.runtime_dir()] {
        open_the_way_to(&dir);
    }
    daemon
}

fn errand(daemon: &Daemon, task: Task, user: &str, shown: Shown) -> Errand {
    let (socket, admin_socket) = (daemon.socket(), daemon.admin_socket());
    Errand { task, socket, admin_socket, user: user.to_owned(), shown }
}

/// Sessions that the owner opens.
fn opened(program: &Program, daemon: &Daemon, user: &str, code: &str) -> Shown {
    let open = errand(daemon, Task::Open, user, Shown::default());
    let mut said: BTreeMap<_, _> = program.run(Caller::Owner.uid(), GROUP, &open).into_iter().collect();
    said.insert("code".to_owned(), code.to_owned());
    serde_json::from_value(serde_json::to_value(said).expect("words")).expect("everything was opened")
}

async fn chain(admin: &AdminClient) -> Vec<AuditEntry> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    loop {
        let after = Some(entries.last().map_or(0, |entry| entry.number));
        let page =
            admin.audit_tail(AuditTail { after, count: 50 }).await.expect("the administrator may look");
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

/// Waits until a refusal of this kind is on record.
async fn is_on_record(admin: &AdminClient, caller: Caller, operation: &str, outcome: &str) {
    let (event, detail) = caller.on_record(operation, outcome);
    let give_up = Instant::now() + PATIENCE;
    loop {
        let entries = chain(admin).await;
        let fits = |entry: &&AuditEntry| {
            entry.event == event
                && entry.outcome == outcome
                && entry.caller_uid == caller.uid()
                && entry.app == caller.name()
                && (detail.is_empty() || entry.detail == detail)
        };
        if entries.iter().any(|entry| fits(&entry)) {
            return;
        }
        assert!(Instant::now() < give_up, "{caller:?}: {operation} left no {event} in {entries:#?}");
        tokio::time::sleep(POLL * 10).await;
    }
}

#[tokio::test]
async fn e1_e2_every_operation_by_every_kind_of_caller() {
    if own_uid() != 0 {
        return report("skipped: callers of other users can be started by root only");
    }
    let (daemon, program) = (house(0).await, Program::new());
    let admin = daemon.admin().await;
    for name in ["alice", "carol", "dave"] {
        add_user(&admin, name, PASSWORD, &[]).await;
    }
    let code = admin.user_code("dave").await.expect("a code").code;
    // By itself the administrator's socket lets nobody come near; here the daemon has to see to it.
    assert_eq!(fs::metadata(daemon.admin_socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(daemon.socket()).unwrap().permissions().mode() & 0o777, 0o660);
    fs::set_permissions(daemon.admin_socket(), Permissions::from_mode(0o666)).unwrap();
    for caller in CALLERS {
        // Whoever shows another app's refresh token ends its session, so everybody is given one of their own.
        let (user, code) =
            if caller == Caller::Owner { ("carol", code.expose()) } else { ("alice", "hpc_none") };
        let shown = opened(&program, &daemon, user, code);
        let call = errand(&daemon, Task::CallEverything, user, shown);
        let said = program.run(caller.uid(), GROUP, &call);
        let mut asked = 0;
        for (operation, outcome) in &said {
            if operation == "listed" {
                assert_eq!(outcome == "0", caller != Caller::Owner, "{caller:?} lists {outcome} sessions");
                continue;
            }
            asked += 1;
            assert_eq!(outcome, caller.expected(operation), "{operation} by {caller:?}");
            if outcome != "ok" {
                is_on_record(&admin, caller, operation, outcome).await;
            }
        }
        assert_eq!(asked, if caller == Caller::Nobody { 2 } else { 17 }, "{said:?}");
    }
    assert!(
        daemon.client_error().await.contains("belongs to no app"),
        "root is no app unless it is configured"
    );
}

#[tokio::test]
async fn e4_root_is_nobody_unless_the_configuration_says_so() {
    if own_uid() != 0 {
        return report("skipped: only root can be refused although it is root");
    }
    let daemon = house(Caller::Owner.uid()).await;
    let refused = AdminClient::connect(daemon.admin_socket()).await.unwrap_err().to_string();
    assert!(refused.contains("user id 0 is not an administrator"), "{refused}");
    let refused = daemon.client_error().await;
    assert!(refused.contains("user id 0 belongs to no app"), "{refused}");
}

#[tokio::test]
async fn e12_a_descriptor_that_is_handed_on_speaks_for_who_connected_it() {
    if own_uid() != 0 {
        return report("skipped: a process of another user can be started by root only");
    }
    let daemon = house(0).await;
    // The process that connects is root's, which is an administrator and no app; what it hands on stays that.
    let stream = std::os::unix::net::UnixStream::connect(daemon.admin_socket()).unwrap();
    let mut handed_on = std::process::Command::new("cat");
    std::os::unix::process::CommandExt::uid(&mut handed_on, Caller::Nobody.uid());
    let hello = [&hallpass_protocol::hello::MAGIC[..], &[2, 0, 1]].concat();
    std::io::Write::write_all(&mut &stream, &hello).unwrap();
    let cat =
        handed_on.stdin(std::os::fd::OwnedFd::from(stream)).stdout(std::process::Stdio::piped()).spawn();
    let mut cat = cat.unwrap();
    let mut answer = [0; 13];
    std::io::Read::read_exact(cat.stdout.as_mut().unwrap(), &mut answer).unwrap();
    cat.kill().unwrap();
    cat.wait().unwrap();
    assert_eq!(answer[10], 0, "the administrator's connection is served, whoever holds it");
}
