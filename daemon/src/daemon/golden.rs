//! A golden database for each schema that was ever released: it opens, holds every row that it held, and its users log in.
//!
//! They lie under `tests/golden/`, compressed, each with what a test has to know of it. The one of the present schema is made by
//! `HALLPASS_GOLDEN=write cargo test -p hallpassd --lib golden`, once, where there is none; none is ever changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command as Process;

use hallpass_client::admin::{AddUser, AdminClient, ImportUser, RevokeTarget, RotateKey};
use hallpass_client::{
    Client, Context, ErrorClass, Grant, GrantedTokens, Login, Needs, Password, RedeemCode, Refresh,
    SessionKind, Token,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::clock::Manual;
use crate::entropy::SystemRandom;
use crate::store::dump::dump;

/// When they were made.
const MADE: Millis = Millis::from_u64(1_795_000_000_000);
const PASSWORD: &str = "correct horse battery staple";
/// A hash of it by bcrypt.
const BCRYPT: &str = "$2b$08$x/VA0WJpuNYpqP5U1SjAz.IF/m6UAbaNP/S93wkERbJShFnAyc5Si";
/// Schemas that were released.
const SCHEMAS: [u32; 1] = [1];

/// What is to be known of a golden database. Nothing of it opens anything else.
#[derive(Serialize, Deserialize)]
struct Known {
    /// How many rows there are.
    rows: usize,
    /// SHA-256 over all of them.
    digest: String,
    master_key: String,
    /// Tokens of sessions that were alive then, and of one that was not.
    refresh: String,
    session: String,
    ended: String,
    /// A code of the user frank.
    code: String,
}

fn place(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/schema-{schema}"))
}

/// What `gzip` makes of a file.
fn gzip(options: &str, file: &Path) -> Vec<u8> {
    let output = Process::new("gzip").arg(options).arg(file).output().expect("gzip, which every system has");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn parts(dir: &TempDir, clock: &Arc<Manual>) -> Parts {
    Parts {
        config: Config::per_user(nix::unistd::geteuid().as_raw()),
        state_dir: dir.path().join("state"),
        runtime_dir: dir.path().join("run"),
        master_key: None,
        auth_mode: 0o600,
        time: Arc::clone(clock) as Arc<dyn TimeSource>,
        random: Arc::new(SystemRandom),
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

async fn log_in(client: &Client, name: &str, kind: SessionKind) -> Result<Grant, hallpass_client::Error> {
    let (name, password) = (name.to_owned(), password(PASSWORD));
    let context = Context { device_label: Some("laptop".into()), ..Context::default() };
    client.login(Login { name, password, kind, audience: None, device_token: None, context }).await
}

/// The token that a session is kept by.
fn token(grant: Grant) -> Token {
    match grant.tokens {
        GrantedTokens::Cookie { session_token } => session_token,
        GrantedTokens::Token { refresh_token, .. } => refresh_token,
    }
}

async fn refresh(client: &Client, token: Token) -> Result<Grant, hallpass_client::Error> {
    client.refresh(Refresh { token, attempt: None, audience: None, context: Context::default() }).await
}

/// Does one of everything that leaves a row, and gives the tokens.
async fn live(admin: &AdminClient, client: &Client) -> Known {
    let bare = |name: &str| AddUser { name: name.into(), password: None, roles: Vec::new() };
    for name in ["alice", "bob", "frank"] {
        let roles = vec!["admin".to_owned(), "editor".to_owned()];
        let user = AddUser { name: name.into(), password: Some(password(PASSWORD)), roles };
        admin.user_add(user).await.unwrap();
    }
    admin.user_set_attributes("alice", [("team".to_owned(), "red".to_owned())].into()).await.unwrap();
    admin.user_add(bare("carol")).await.unwrap();
    admin.user_add(bare("gone")).await.unwrap();
    admin.user_add(bare("eric")).await.unwrap();
    admin.user_rename("eric", "erin").await.unwrap();
    let hash = Some(password(BCRYPT));
    admin.user_import(ImportUser { name: "dave".into(), hash, ..ImportUser::default() }).await.unwrap();
    log_in(client, "bob", SessionKind::Cookie).await.unwrap();
    admin.revoke(RevokeTarget::App("local".into())).await.unwrap();
    admin.user_disable("bob").await.unwrap();
    admin.user_remove("gone").await.unwrap();
    log_in(client, "nobody", SessionKind::Cookie).await.unwrap_err();
    let first = token(log_in(client, "alice", SessionKind::Token).await.unwrap());
    let session = token(log_in(client, "alice", SessionKind::Cookie).await.unwrap());
    let ended = log_in(client, "alice", SessionKind::Cookie).await.unwrap();
    admin.revoke(RevokeTarget::Session(ended.session_id)).await.unwrap();
    let second = token(refresh(client, first).await.unwrap());
    for mac in [false, true] {
        admin.key_rotate(RotateKey { mac, emergency: false }).await.unwrap();
    }
    admin.key_reseal(None).await.unwrap();
    let code = admin.user_code("frank").await.unwrap().code;
    let text = |token: &Token| token.expose().to_owned();
    let (rows, digest, master_key) = (0, String::new(), String::new());
    let (refresh, session, ended) = (text(&second), text(&session), text(&token(ended)));
    Known { rows, digest, master_key, refresh, session, ended, code: text(&code) }
}

async fn make(place: &Path) {
    let (dir, clock) = (TempDir::new().unwrap(), Arc::new(Manual::at(MADE)));
    let daemon = Daemon::start(parts(&dir, &clock), Passed::default()).await.unwrap();
    let admin = AdminClient::connect(daemon.admin_socket()).await.unwrap();
    let client = Client::connect(daemon.auth_socket()).await.unwrap();
    let mut known = live(&admin, &client).await;
    daemon.stop().await.unwrap();
    let path = dir.path().join("state/hallpass.redb");
    known.master_key = crate::hex::encode(&fs::read(dir.path().join("state").join(MASTER_KEY)).unwrap());
    (known.rows, known.digest) = digest(&path);
    fs::create_dir_all(place).unwrap();
    fs::write(place.join("hallpass.redb.gz"), gzip("-9nc", &path)).unwrap();
    fs::write(place.join("known.json"), serde_json::to_vec_pretty(&known).unwrap()).unwrap();
}

/// How many rows a database has, and SHA-256 over all of them.
fn digest(path: &Path) -> (usize, String) {
    let (rows, mut over) = (dump(path), Sha256::new());
    for ((table, key), value) in &rows {
        for part in [table.as_bytes(), key, value] {
            over.update((part.len() as u64).to_be_bytes());
            over.update(part);
        }
    }
    (rows.len(), crate::hex::encode(&over.finalize()))
}

/// A state directory with the golden database in it.
fn unpack(place: &Path) -> (TempDir, Known) {
    let known: Known = serde_json::from_slice(&fs::read(place.join("known.json")).unwrap()).unwrap();
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let bytes = |hex: &str| -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    };
    for (name, bytes) in [
        ("hallpass.redb", gzip("-dc", &place.join("hallpass.redb.gz"))),
        (MASTER_KEY, bytes(&known.master_key)),
    ] {
        fs::write(state.join(name), bytes).unwrap();
        fs::set_permissions(state.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    (dir, known)
}

/// Everything that was there is there, and does what it did.
async fn goes_on(admin: &AdminClient, client: &Client, known: &Known) {
    let users = admin.user_list(None).await.unwrap().users;
    let users: Vec<_> = users.iter().map(|user| (&*user.name, user.disabled, user.has_password)).collect();
    let (yes, no) = (true, false);
    let wanted = [
        ("alice", no, yes),
        ("bob", yes, yes),
        ("carol", no, no),
        ("dave", no, yes),
        ("erin", no, no),
        ("frank", no, yes),
    ];
    assert_eq!(users, wanted);
    for (name, wanted) in
        [("alice", yes), ("bob", no), ("carol", no), ("dave", yes), ("eric", no), ("frank", yes)]
    {
        assert_eq!(log_in(client, name, SessionKind::Cookie).await.is_ok(), wanted, "{name}");
    }
    let shown = |text: &str| Token::new(text.to_owned());
    let identity = client.verify(shown(&known.session), Needs::default()).await.unwrap();
    assert_eq!((identity.name.as_str(), identity.attributes["team"].as_str()), ("alice", "red"));
    assert_eq!(identity.roles, ["admin", "editor"]);
    refresh(client, shown(&known.refresh)).await.unwrap();
    let refused = client.verify(shown(&known.ended), Needs::default()).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Login);
    assert!(
        admin.user_add(AddUser { name: "eric".into(), password: None, roles: Vec::new() }).await.is_err(),
        "the name is kept"
    );
    let redeem = RedeemCode {
        name: "frank".into(),
        code: shown(&known.code),
        new_password: password("another horse, another battery"),
        kind: SessionKind::Cookie,
        audience: None,
        context: Context::default(),
    };
    client.redeem_code(redeem).await.unwrap();
    assert_eq!(admin.key_list().await.unwrap().len(), 4);
    let listed = admin.revocation_list(None).await.unwrap();
    assert!(["app", "session", "user"].iter().all(|kind| listed.iter().any(|entry| entry.kind == *kind)));
}

#[tokio::test(flavor = "current_thread")]
async fn g3_a_database_of_every_schema_that_was_released_opens_and_its_users_log_in() {
    for schema in SCHEMAS {
        let place = place(schema);
        if !place.exists() && std::env::var_os("HALLPASS_GOLDEN").is_some_and(|what| what == "write") {
            make(&place).await;
        }
        let (dir, known) = unpack(&place);
        let path = dir.path().join("state/hallpass.redb");
        assert_eq!(digest(&path), (known.rows, known.digest.clone()), "it is not what was put there");
        let sound = |path: &Path| {
            let report = crate::store::check(path, &mut |_, _| ()).unwrap();
            assert!(report.is_sound(), "{:?}", report.faults);
        };
        sound(&path);
        let clock = Arc::new(Manual::at(MADE.plus(Duration::from_mins(5))));
        let daemon = Daemon::start(parts(&dir, &clock), Passed::default()).await.unwrap();
        let admin = AdminClient::connect(daemon.admin_socket()).await.unwrap();
        let client = Client::connect(daemon.auth_socket()).await.unwrap();
        goes_on(&admin, &client, &known).await;
        drop((admin, client));
        daemon.stop().await.unwrap();
        sound(&path);
    }
}
