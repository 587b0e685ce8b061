//! Every operation there is, with secrets of its own: none of them is left in anything that the daemon or the control command writes or shows.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use hallpass_client::admin::{AdminClient, ImportUser, NewMasterKey, RotateKey};
use hallpass_client::{
    ChangePassword, Client, Context, ListSessions, Needs, OpenSession, Password, Reauthenticate, RedeemCode,
    Revoke, SessionKind, Token, UserRef, VerifierReport, Verify,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Secrets;
use crate::support::{Daemon, add_user, clear_environment, login, refresh};

/// Passwords that stand in nothing else.
const PASSWORDS: [&str; 6] = [
    "canary one under a yellow moon",
    "canary two under a yellow moon",
    "canary three under a yellow moon",
    "canary four under a yellow moon",
    "canary five under a yellow moon",
    "canary six under a yellow moon",
];
/// Made with Python's bcrypt: `bcrypt.hashpw("a long enough password".encode(), bcrypt.gensalt(4))`.
const BCRYPT: &str = "$2b$04$pVMdBUkeBsJvMEvLzV/diOaI9CMgHeO6xICRkON2YBuu6R/kYh3ya";
const IMPORTED: &str = "a long enough password";

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

/// The token that a session is shown by, of either kind; all of a grant's are to be found nowhere.
fn shown(grant: &hallpass_client::Grant, secrets: &mut Secrets) -> Token {
    secrets.grant(grant);
    match &grant.tokens {
        hallpass_client::GrantedTokens::Cookie { session_token } => session_token.clone(),
        hallpass_client::GrantedTokens::Token { access_token, .. } => access_token.clone(),
    }
}

fn proof(token: &Token, text: &str) -> Reauthenticate {
    let (token, password) = (token.clone(), password(text));
    Reauthenticate { token, password, audience: None, context: Context::default() }
}

/// What apps call.
async fn call_as_an_app(client: &Client, admin: &AdminClient, secrets: &mut Secrets) {
    client.hello().await.expect("an app");
    let grant = client.login(login("alice", PASSWORDS[0], SessionKind::Token)).await.expect("her password");
    let access = shown(&grant, secrets);
    if let hallpass_client::GrantedTokens::Token { refresh_token, .. } = &grant.tokens {
        let next = client.refresh(refresh(refresh_token)).await.expect("it is the current one");
        shown(&next, secrets);
    }
    client.verify(access.clone(), Needs::default()).await.expect("it stands");
    let verify = Verify { token: access.clone(), needs: Needs::default(), context: None };
    client.verify_many(vec![verify]).await.expect("an app that verifies");
    client.report(VerifierReport::default()).await.expect("an app that verifies");
    client.sessions(ListSessions { user: grant.user_id, after: None }).await.expect("an app that lists");
    let again = client.reauthenticate(proof(&access, PASSWORDS[0])).await.expect("her password");
    let again = shown(&again, secrets);
    client.reauthenticate(proof(&again, PASSWORDS[1])).await.expect_err("not her password");
    let change = ChangePassword { proof: proof(&again, PASSWORDS[0]), new_password: password(PASSWORDS[2]) };
    let changed = shown(&client.change_password(change).await.expect("her password"), secrets);
    client.revoke(Revoke::Token(changed)).await.expect("it is hers");
    let open = OpenSession {
        user: UserRef::Name("alice".into()),
        kind: SessionKind::Cookie,
        audience: None,
        amr: vec!["hwk".into()],
        context: Context::default(),
    };
    shown(&client.open_session(open).await.expect("an app that vouches"), secrets);
    secrets.access_token(&client.service_token(None).await.expect("a token of its own").token);
    let code = admin.user_code("alice").await.expect("a code").code;
    secrets.text("a code", code.expose());
    let redeem = |code: Token, new: &str| RedeemCode {
        name: "alice".into(),
        code,
        new_password: password(new),
        kind: SessionKind::Token,
        audience: None,
        context: Context::default(),
    };
    let wrong = Token::new("hpc_canary-under-a-yellow-moon".into());
    secrets.text("a wrong code", wrong.expose());
    client.redeem_code(redeem(wrong, PASSWORDS[3])).await.expect_err("no code of hers");
    shown(&client.redeem_code(redeem(code, PASSWORDS[4])).await.expect("her code"), secrets);
}

/// What administrators call.
async fn call_as_an_administrator(admin: &AdminClient, client: &Client, secrets: &mut Secrets) {
    let import = |check_only| ImportUser {
        name: "bob".into(),
        hash: Some(password(BCRYPT)),
        check_only,
        ..ImportUser::default()
    };
    for check_only in [true, false] {
        admin.user_import(import(check_only)).await.expect("a hash that can be checked");
    }
    shown(&client.login(login("bob", IMPORTED, SessionKind::Cookie)).await.expect("his password"), secrets);
    admin.user_set_password("bob", password(PASSWORDS[5])).await.expect("a good password");
    admin.user_disable("bob").await.expect("he is there");
    admin.status().await.expect("an administrator");
    for mac in [false, true] {
        admin.key_rotate(RotateKey { mac, emergency: true }).await.expect("a new key");
    }
    let master: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7 % 251).expect("a byte"));
    secrets.bytes("a new master key", &master);
    admin.key_reseal(Some(NewMasterKey::from_bytes(master))).await.expect("the key is the daemon's own");
}

/// Has the control command do something with a secret on stdin, and looks at its process while it waits for that.
fn control(daemon: &Daemon, arguments: &[&str], line: &str, secrets: &mut Secrets) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(arguments).env("RUST_LOG", "trace");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let shown: Vec<Vec<u8>> = ["cmdline", "environ"]
        .into_iter()
        .map(|name| fs::read(format!("/proc/{}/{name}", child.id())).unwrap_or_default())
        .collect();
    writeln!(child.stdin.take().expect("its stdin"), "{line}").expect("it reads");
    let output = child.wait_with_output().expect("it is our child");
    for shown in shown.iter().chain([&output.stderr]) {
        secrets.assert_absent(shown, &arguments.join(" "));
    }
}

fn leaves_no_core_file(daemon: &mut Daemon) {
    let of = |name: &str| format!("/proc/{}/{name}", daemon.pid());
    let limits = fs::read_to_string(of("limits")).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    assert_eq!(
        fs::metadata(of("environ")).expect("it runs").uid(),
        0,
        "its memory is not its user's to read"
    );
    kill(Pid::from_raw(daemon.pid().try_into().expect("a process id")), Signal::SIGABRT).expect("it is ours");
    daemon.wait_for_its_end();
    for dir in [".", "/tmp"] {
        let new = fs::read_dir(dir).expect("a directory").flatten();
        let cores: Vec<_> = new.filter(|entry| entry.file_name().to_string_lossy() == "core").collect();
        assert!(cores.is_empty(), "{cores:?}");
    }
}

#[tokio::test]
async fn c18_f1_f2_no_operation_leaves_a_secret_behind() {
    let mut daemon = Daemon::with_log_level("trace,tarpc=trace").await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    let mut secrets = Secrets::default();
    for text in PASSWORDS.into_iter().chain([IMPORTED]) {
        secrets.text(text, text);
        secrets.bytes(text, text.as_bytes());
    }
    let old_master = fs::read(daemon.state_dir().join("master.key")).expect("the daemon's own key");
    secrets.bytes("the old master key", &old_master);
    add_user(&admin, "alice", PASSWORDS[0], &["editor"]).await;
    call_as_an_app(&client, &admin, &mut secrets).await;
    call_as_an_administrator(&admin, &client, &mut secrets).await;
    control(&daemon, &["login", "alice", "--password-stdin"], PASSWORDS[4], &mut secrets);
    control(&daemon, &["login", "alice", "--password-stdin"], PASSWORDS[1], &mut secrets);
    control(&daemon, &["verify", "-"], "hps_canary-under-a-yellow-moon", &mut secrets);
    let backup = daemon.dir().join("backup.redb");
    control(&daemon, &["backup", backup.to_str().expect("a plain name")], "", &mut secrets);
    secrets.assert_absent(&fs::read(&backup).expect("a backup"), "the backup");
    let entries =
        admin.audit_tail(hallpass_client::admin::AuditTail { after: None, count: 50 }).await.unwrap();
    assert!(entries.len() > 10, "what was done is on record");
    secrets.assert_absent(format!("{entries:?}").as_bytes(), "the audit chain");
    for name in ["cmdline", "environ"] {
        let found = fs::read(format!("/proc/{}/{name}", daemon.pid())).unwrap_or_default();
        secrets.assert_absent(&found, name);
    }
    drop((client, admin));
    leaves_no_core_file(&mut daemon);
    for name in ["stdout", "stderr"] {
        secrets.assert_absent(&fs::read(daemon.dir().join(name)).expect("a log"), name);
    }
    for entry in fs::read_dir(daemon.state_dir()).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_none_or(|name| name != "master.key") {
            secrets.assert_absent(&fs::read(&path).expect("a file"), &path.display().to_string());
        }
    }
}
