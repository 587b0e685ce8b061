//! Nothing that opens a door can be read from what the daemon leaves behind: neither from a copy of its database, nor from its log, nor
//! from what the system shows of its process.

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

#[path = "secrets/control.rs"]
mod control;
#[path = "secrets/every.rs"]
mod every;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;
use hallpass_client::admin::AdminClient;
use hallpass_client::{Client, Context, Grant, GrantedTokens, Password, SessionKind, Token, new_attempt};
use hallpass_protocol::codec::decode;
use redb::{ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Deserialize;
use support::{Daemon, add_user, login, refresh};

const FIRST_PASSWORD: &str = "seven yellow submarines";
const SECOND_PASSWORD: &str = "nine violet locomotives";
const WRONG_PASSWORD: &str = "eight yellow submarines";
const TYPED_AS_NAME: &str = "hunter2-in-the-wrong-field";
const FINGERPRINT: &str = "fingerprint of one device";

// What must not be found.

/// Secrets under their names, in every form that somebody might have written them.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn text(&mut self, name: &str, text: &str) {
        self.0.push((format!("{name} as text"), text.as_bytes().to_vec()));
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let hex = hex(bytes);
        // However long it is, half of it would be too much.
        let numbers = format!("{:?}", &bytes[..bytes.len() / 2]);
        self.text(&format!("{name} in hexadecimal digits"), &hex);
        self.text(&format!("{name} in capital hexadecimal digits"), &hex.to_uppercase());
        self.text(&format!("{name} in base64url"), &Base64UrlUnpadded::encode_string(bytes));
        self.text(&format!("{name} in base64"), &Base64Unpadded::encode_string(bytes));
        self.text(&format!("{name} in numbers"), numbers.trim_end_matches(']'));
        let (begin, end) = bytes.split_at(bytes.len() / 2);
        for half in [begin, end] {
            self.0.push((format!("{name}, a half"), half.to_vec()));
        }
    }

    /// A session, refresh or device token. What it says is no secret, its MAC is.
    fn token(&mut self, name: &str, token: &Token) {
        let text = token.expose();
        let fields = Base64UrlUnpadded::decode_vec(&text[4..]).expect("a token of ours");
        self.text(name, text);
        self.text(&format!("the end of {name}"), &text[text.len() - 32..]);
        self.bytes(&format!("the MAC of {name}"), &fields[fields.len() - 32..]);
    }

    /// An access token. What it says is no secret, its signature is.
    fn access_token(&mut self, token: &Token) {
        let text = token.expose();
        let signature = text.rsplit('.').next().expect("three parts");
        self.text("an access token", text);
        self.text("an access token's claims and signature", text.split_once('.').expect("three parts").1);
        let signature = Base64UrlUnpadded::decode_vec(signature).expect("a signature");
        self.bytes("the signature of an access token", &signature);
    }

    fn grant(&mut self, grant: &Grant) {
        match &grant.tokens {
            GrantedTokens::Cookie { session_token } => self.token("a session token", session_token),
            GrantedTokens::Token { access_token, refresh_token, .. } => {
                self.access_token(access_token);
                self.token("a refresh token", refresh_token);
            }
        }
        if let Some(device_token) = &grant.device_token {
            self.token("a device token", device_token);
        }
    }

    /// Which of them are in there.
    fn found_in(&self, hay: &[u8]) -> Vec<&str> {
        let mut by_start: HashMap<[u8; 4], Vec<&(String, Vec<u8>)>> = HashMap::new();
        // Most places can be passed over at a look.
        let mut begins = vec![false; 1 << 16];
        let two = |start: &[u8]| usize::from(u16::from_be_bytes([start[0], start[1]]));
        for secret in &self.0 {
            let start = *secret.1.first_chunk().expect("a secret is longer than that");
            by_start.entry(start).or_default().push(secret);
            begins[two(&start)] = true;
        }
        let mut found = Vec::new();
        for at in (0..hay.len().saturating_sub(3)).filter(|at| begins[two(&hay[*at..])]) {
            let start: &[u8; 4] = hay[at..].first_chunk().expect("four bytes");
            let here = by_start.get(start).into_iter().flatten();
            found.extend(
                here.filter(|(_, secret)| hay[at..].starts_with(secret)).map(|(name, _)| name.as_str()),
            );
        }
        found
    }

    fn assert_absent(&self, hay: &[u8], place: &str) {
        let found = self.found_in(hay);
        assert!(found.is_empty(), "{place} holds {found:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

// A run in which every secret is handed out.

/// Logs in by both kinds, refreshes, and comes back with the device token.
async fn use_the_daemon(client: &Client, password: &str, secrets: &mut Secrets) {
    let mut device = None;
    for kind in [SessionKind::Cookie, SessionKind::Token] {
        for _ in 0..2 {
            let mut request = login("alice", password, kind);
            request.device_token.clone_from(&device);
            request.context.device_fingerprint = Some(FINGERPRINT.to_owned());
            let grant = client.login(request).await.expect("the password is right");
            secrets.grant(&grant);
            device.clone_from(&grant.device_token);
            if let GrantedTokens::Token { refresh_token, .. } = grant.tokens {
                exchange(client, refresh_token, secrets).await;
            }
        }
    }
}

async fn exchange(client: &Client, mut token: Token, secrets: &mut Secrets) {
    for _ in 0..3 {
        let attempt = new_attempt().expect("randomness");
        secrets.bytes("an attempt id", attempt.expose());
        let mut request = refresh(&token);
        request.attempt = Some(attempt);
        request.context = Context { device_fingerprint: Some(FINGERPRINT.to_owned()), ..Context::default() };
        let grant = client.refresh(request).await.expect("the token is current");
        secrets.grant(&grant);
        let GrantedTokens::Token { refresh_token, .. } = grant.tokens else { return };
        token = refresh_token;
    }
}

async fn be_refused(client: &Client) {
    client.login(login("alice", WRONG_PASSWORD, SessionKind::Token)).await.expect_err("a wrong password");
    client.login(login(TYPED_AS_NAME, WRONG_PASSWORD, SessionKind::Token)).await.expect_err("nobody's name");
}

async fn change_password(admin: &AdminClient) {
    admin
        .user_set_password("alice", Password::new(SECOND_PASSWORD.to_owned()))
        .await
        .expect("a good password");
}

/// The private keys in a copy of the database, opened as only its master key can.
fn private_keys(copy: &Path, master: &[u8; 32], database_id: &str) -> Vec<(u8, Vec<u8>)> {
    #[derive(Deserialize)]
    struct SealedKey {
        kind: u8,
        number: u16,
        _state: u8,
        _moment: u64,
        _created: u64,
        _kid: String,
        nonce: [u8; 24],
        sealed: Vec<u8>,
    }
    const VERSION: usize = 1;
    const CHECKSUM: usize = 8;
    let database = ReadOnlyDatabase::open(copy).expect("a cleanly closed database");
    let keys = database.begin_read().expect("a snapshot");
    let keys = keys.open_table(TableDefinition::<&[u8], &[u8]>::new("keys")).expect("a table of keys");
    let id: Vec<u8> =
        (0..32).step_by(2).map(|at| u8::from_str_radix(&database_id[at..at + 2], 16).expect("hex")).collect();
    let open = |row: &[u8]| {
        let key: SealedKey = decode(&row[VERSION..row.len() - CHECKSUM]).expect("a sealed key");
        let place = [b"hallpass key v1", &id[..], &[key.kind], &key.number.to_be_bytes()].concat();
        let payload = Payload { msg: &key.sealed, aad: &place };
        let cipher = XChaCha20Poly1305::new(master.into());
        (key.kind, cipher.decrypt(&XNonce::from(key.nonce), payload).expect("the master key opens it"))
    };
    keys.iter().expect("rows").map(|row| open(row.expect("a row").1.value())).collect()
}

#[tokio::test]
async fn c18_f1_f2_no_secret_can_be_read_from_what_the_daemon_leaves_behind() {
    let mut daemon = Daemon::with_log_level("trace,tarpc=trace").await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    let database = daemon.state_dir().join("hallpass.redb");
    let mut copies = Vec::new();
    let mut secrets = Secrets::default();
    for text in [FIRST_PASSWORD, SECOND_PASSWORD, WRONG_PASSWORD, TYPED_AS_NAME, FINGERPRINT] {
        secrets.text(text, text);
        secrets.bytes(text, text.as_bytes());
    }

    add_user(&admin, "alice", FIRST_PASSWORD, &["editor"]).await;
    use_the_daemon(&client, FIRST_PASSWORD, &mut secrets).await;
    copies.push(fs::read(&database).unwrap());
    be_refused(&client).await;
    change_password(&admin).await;
    use_the_daemon(&client, SECOND_PASSWORD, &mut secrets).await;
    copies.push(fs::read(&database).unwrap());
    let process = |name: &str| fs::read(format!("/proc/{}/{name}", daemon.pid()));
    let cmdline = process("cmdline").unwrap();
    // Only root can see the environment of a process that hides its memory.
    let environ = process("environ").unwrap_or_default();
    let (jwks, id) = (admin.key_jwks().await.unwrap(), client.hello().await.unwrap().database_id);
    drop((client, admin));
    daemon.stop().await;
    copies.push(fs::read(&database).unwrap());

    let master = fs::read(daemon.state_dir().join("master.key")).unwrap();
    secrets.bytes("the master key", &master);
    let keys = private_keys(&database, master[..].try_into().unwrap(), &id);
    assert_eq!(
        keys.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [0, 1],
        "a MAC root and a signing key"
    );
    for (_, key) in &keys {
        secrets.bytes("a private key", key);
    }
    let public = SigningKey::from_bytes(keys[1].1[..].try_into().unwrap()).verifying_key();
    let public = Base64UrlUnpadded::encode_string(public.as_bytes());
    assert!(jwks.contains(&public), "the private key that was searched for is the one that signs");

    for (number, copy) in copies.iter().enumerate() {
        secrets.assert_absent(copy, &format!("copy {number} of the database"));
    }
    for name in ["stdout", "stderr"] {
        secrets.assert_absent(&fs::read(daemon.dir().join(name)).unwrap(), name);
    }
    secrets.assert_absent(&cmdline, "the command line");
    secrets.assert_absent(&environ, "the environment");
    for entry in fs::read_dir(daemon.state_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_none_or(|name| name != "master.key") {
            secrets.assert_absent(&fs::read(&path).unwrap(), &path.display().to_string());
        }
    }

    // All this means something only if what is no secret is found.
    let mut seen = Secrets::default();
    seen.text("alice", "alice");
    assert!(copies.iter().all(|copy| !seen.found_in(copy).is_empty()), "rows lie in the file as they are");
    assert!(!seen.found_in(&[copies[0].clone(), b"..alice".to_vec()].concat()).is_empty());
    let log = fs::read_to_string(daemon.dir().join("stderr")).unwrap();
    assert!(log.contains("TRACE") && log.contains("serving"), "the log tells everything");
    assert!(String::from_utf8_lossy(&cmdline).contains("--state-dir"));
}

#[test]
fn what_is_searched_for_is_found_in_every_form() {
    let secret: Vec<u8> = (100..132).collect();
    let mut secrets = Secrets::default();
    secrets.bytes("it", &secret);
    let text = |found: String| [b"before", found.as_bytes(), b"behind"].concat();
    for hay in [
        [b"before", &secret[..], b"behind"].concat(),
        [b"before", &secret[16..]].concat(),
        text(format!("{secret:?}")),
        text(Base64UrlUnpadded::encode_string(&secret)),
        text(hex(&secret)),
        text(hex(&secret).to_uppercase()),
    ] {
        assert!(!secrets.found_in(&hay).is_empty(), "{hay:?}");
    }
    assert!(secrets.found_in(&secret[1..16]).is_empty());
    let mut token = Secrets::default();
    let fields = [vec![0; 18], secret.clone()].concat();
    token.token("a token", &Token::new(format!("hps_{}", Base64UrlUnpadded::encode_string(&fields))));
    assert!(token.found_in(&[0; 40]).is_empty(), "what a token says is no secret");
    assert_eq!(token.found_in(&secret), ["the MAC of a token, a half"; 2]);
}
