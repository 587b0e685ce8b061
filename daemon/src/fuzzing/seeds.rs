//! Where the fuzzer begins: what our own code writes. And everything that it has ever found is tried again here.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use hallpass_protocol::admin::{AddUser, AdminRequest, AdminResponse, AuditEntry};
use hallpass_protocol::auth::{
    AuthRequest, AuthResponse, Context, Login, Needs, Refresh, Revoke, Revoked, SessionKind, VerifierReport,
    Verify,
};
use hallpass_protocol::codec::{self, put_frame};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::hello::{self, MAGIC, Service, Status, VERSION};
use hallpass_protocol::id::{DeviceId, SessionId, UserId};
use hallpass_protocol::jws::{Jwk, JwkSet};
use hallpass_protocol::limits::ADMIN_FRAME;
use hallpass_protocol::secret::{Password, Token};
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::{MacKeyId, Subject};
use serde::Serialize;
use tarpc::{ClientMessage, Request, Response};

use super::tokens::{claims, genuine, issuer, ring, service_claims};
use crate::store::Walk;

type Check = fn(&[u8]);
/// Inputs by their names.
type Inputs = Vec<(String, Vec<u8>)>;
/// What is fuzzed: its name, its check, and where that begins.
type Target = (&'static str, Check, fn() -> Inputs);

/// Everything that is fuzzed. The names are those of `fuzz/fuzz_targets` and of the directories in `fuzz/seeds`.
const TARGETS: [Target; 9] = [
    ("audit", super::audit, audit),
    ("config", super::config, config),
    ("frames", super::frames, frames),
    ("hello", super::hello, hello),
    ("jwks", super::jwks, jwks),
    ("jws", super::jws, jws),
    ("rows", super::rows, rows),
    ("token", super::token, token),
    ("users", super::users, users),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn names(dir: &Path) -> Vec<String> {
    entries(dir).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_promise_holds_for_every_seed_and_every_finding() {
    let rewrite = std::env::var_os("HALLPASS_SEEDS").is_some();
    for (name, check, made) in TARGETS {
        let dir = fuzz().join("seeds").join(name);
        for (seed, bytes) in made() {
            check(&bytes);
            if rewrite {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(dir.join(seed), bytes).unwrap();
            }
        }
        for path in entries(&dir) {
            let bytes = std::fs::read(&path).unwrap();
            let held = std::panic::catch_unwind(|| {
                check(&bytes);
                (0..bytes.len().min(512)).for_each(|cut| check(&bytes[..cut]));
            });
            assert!(held.is_ok(), "{}, or its beginning", path.display());
        }
    }
}

#[test]
fn every_target_has_its_seeds_and_its_fuzzer_and_is_small() {
    let targets = TARGETS.map(|(name, ..)| name.to_owned());
    assert_eq!(names(&fuzz().join("seeds")), targets);
    assert_eq!(names(&fuzz().join("fuzz_targets")), targets);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _, made) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is no binary of fuzz/Cargo.toml");
        let sizes = entries(&fuzz().join("seeds").join(name))
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum::<u64>();
        assert!(sizes < 64 << 10, "the seeds of {name} are {sizes} bytes; keep those that say something");
        let there = names(&fuzz().join("seeds").join(name)).len();
        assert!(there >= made().len(), "some seeds of {name} are missing; HALLPASS_SEEDS=write makes them");
    }
}

fn named<T: Into<Vec<u8>>>(first: &[u8], inputs: impl IntoIterator<Item = (&'static str, T)>) -> Inputs {
    let with_first = |bytes: T| [first, &bytes.into()].concat();
    inputs.into_iter().map(|(name, bytes)| (name.to_owned(), with_first(bytes))).collect()
}

fn framed(value: &impl Serialize) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_frame(value, &[], ADMIN_FRAME, &mut out).unwrap();
    out.to_vec()
}

fn asked<T: Serialize>(id: u64, message: T) -> Vec<u8> {
    let mut context = tarpc::context::current();
    context.trace_context = tarpc::trace::Context::default();
    framed(&ClientMessage::Request(Request { context, id, message }))
}

fn answered<T: Serialize>(message: T) -> Vec<u8> {
    framed(&Response { request_id: 7, message: Ok(message) })
}

/// What an app asks, and what it is answered.
fn of_an_app() -> Inputs {
    let context = Context {
        ip: Some([192, 0, 2, 1].into()),
        user_agent: Some("Firefox".into()),
        device_label: Some("a desk".into()),
        device_fingerprint: Some("x".into()),
    };
    let login = Login {
        name: "alice".into(),
        password: Password::new("a long enough password".into()),
        kind: SessionKind::Cookie,
        audience: Some("orders".into()),
        device_token: None,
        context: context.clone(),
    };
    let token = Token::new(genuine()[0].clone());
    let verify = Verify { token: token.clone(), needs: Needs::default(), context: Some(context.clone()) };
    let refresh = Refresh { token: token.clone(), attempt: None, audience: None, context };
    let refused =
        Refusal { code: ErrorCode::InvalidCredentials, message: "no".into(), retry_after_ms: Some(9) };
    let counted = VerifierReport { memory: u64::MAX, signature: 300, daemon: 1, stale: 0 };
    let two = [asked(1, AuthRequest::Hello {}), asked(2, AuthRequest::Jwks {})].concat();
    let auth = named(
        &[0, 3],
        [
            ("auth-two", two),
            ("auth-login", asked(3, AuthRequest::Login { request: login })),
            ("auth-verify", asked(4, AuthRequest::Verify { request: verify.clone() })),
            (
                "auth-verify-many",
                asked(5, AuthRequest::VerifyMany { requests: vec![verify.clone(), verify] }),
            ),
            ("auth-refresh", asked(6, AuthRequest::Refresh { request: refresh })),
            ("auth-revoke", asked(7, AuthRequest::Revoke { request: Revoke::Token(token) })),
            ("auth-report", asked(8, AuthRequest::Report { counted })),
        ],
    );
    let answers = named(
        &[1, 5],
        [
            ("answer-refused", answered(AuthResponse::Login(Err(refused)))),
            ("answer-revoked", answered(AuthResponse::Revoke(Ok(Revoked { sessions: 2 })))),
        ],
    );
    [auth, answers].concat()
}

fn frames() -> Inputs {
    let add = AddUser { name: "alice".into(), password: None, roles: vec!["editor".into()] };
    let admin = named(
        &[2, 255],
        [
            ("admin-status", asked(1, AdminRequest::Status {})),
            ("admin-add", asked(2, AdminRequest::UserAdd { request: add })),
            ("admin-disable", asked(3, AdminRequest::UserDisable { name: "alice".into() })),
        ],
    );
    let told = named(&[3, 9], [("told-audit", answered(AdminResponse::AuditTail(Ok(vec![entry()]))))]);
    // Every other call, with arguments that are mostly nothing.
    let call = |first: u8, method: u8| {
        let mut bytes = asked(1, AuthRequest::Hello {});
        bytes.pop();
        bytes.push(method);
        bytes.resize(bytes.len() + 64, 0);
        let length = u32::try_from(bytes.len() - 4).unwrap();
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        (format!("call-{first}-{method}"), [&[first, 64], &bytes[..]].concat())
    };
    let calls = (0..14).map(|method| call(0, method)).chain((0..34).map(|method| call(2, method)));
    [of_an_app(), admin, told, calls.collect()].concat()
}

fn hello() -> Inputs {
    let right =
        |service: Service, version: u16| [&MAGIC[..], &[service as u8], &version.to_be_bytes()].concat();
    let inputs = named(
        &[0],
        [
            ("auth", right(Service::Auth, VERSION)),
            ("wrong-service", right(Service::Admin, VERSION)),
            ("wrong-version", right(Service::Auth, VERSION + 1)),
            ("refusal", hello::refusal(Status::Busy, "there are too many")),
            ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ],
    );
    [inputs, named(&[1], [("admin", right(Service::Admin, VERSION))])].concat()
}

fn token() -> Inputs {
    let made = |subject| ring().seal(subject, MacKeyId(1)).unwrap().expose().to_owned();
    let (session, user) = (SessionId::from_bytes([3; 16]), UserId::from_bytes([4; 16]));
    let device = Subject::Device(user, DeviceId::from_bytes([6; 16]));
    let [session, refresh, device] =
        [Subject::Session(session), Subject::Refresh(session, 5), device].map(made);
    let wrong = format!("{}A", &session[..session.len() - 1]);
    named(&[], [("session", session), ("refresh", refresh), ("device", device), ("wrong-mac", wrong)])
}

fn jws() -> Inputs {
    let [access, service] = genuine().clone();
    let more = r#"{"iss":"hallpass","sub":"a","aud":"orders","client_id":"b","exp":1800000600,"iat":1.5,"jti":"c","nbf":1}"#;
    let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, issuer().kid);
    let crit = header.replace('}', r#","crit":["exp"]}"#);
    let whole = named(b"0", [("access", access), ("service", service)]);
    let payloads = named(
        b"1",
        [
            ("claims", serde_json::to_vec(&claims()).unwrap()),
            ("service-claims", serde_json::to_vec(&service_claims()).unwrap()),
            ("other-claims", more.into()),
        ],
    );
    [whole, payloads, named(b"2", [("header", header), ("header-crit", crit)])].concat()
}

fn jwks() -> Inputs {
    let jwk = Jwk::from_public_key(issuer().key.verifying_key().as_bytes());
    let ours = serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap();
    let other = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let weak = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"k","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    let private = other.replace(r#""use":"sig""#, r#""d":"AA""#);
    named(&[], [("ours", ours), ("two", other.into()), ("weak", weak.into()), ("private", private)])
}

fn rows() -> Inputs {
    crate::store::fuzzed::seeds()
}

fn config() -> Inputs {
    let shipped = include_str!("../../../packaging/hallpass.toml");
    let everything: String = shipped
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| rest.contains(" = ") || rest.starts_with('['))
                .unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let app = "issuer = \"id\"\n[admin]\nuids = [0]\n[[app]]\nname = \"web\"\nuids = [33]\nrights = [\"login\"]\naudiences = [\"web\"]\n[limits]\nconnections = 64\n";
    named(&[], [("shipped", shipped.to_owned()), ("everything", everything), ("app", app.to_owned())])
}

fn entry() -> AuditEntry {
    AuditEntry {
        number: 7,
        stamp: Stamp(1_700_000_000_000_001),
        event: "session.revoke".into(),
        outcome: "ok".into(),
        caller_uid: 1000,
        caller_pid: 42,
        app: "web".into(),
        user_id: Some(UserId::from_bytes([1; 16])),
        session_id: Some(SessionId::new(Millis::from_u64(1), [2; 10])),
        detail: "by \"token\"\n\u{1b}[2J\u{2028}".into(),
        hash: "ab".into(),
    }
}

fn audit() -> Inputs {
    let checkpoint = super::chain::key().text(7, &[3; 32], Stamp(9));
    let journal =
        format!("Nov 24 host hallpassd[7]: INFO audit checkpoint checkpoint=\"{checkpoint}\" entries=7");
    let gone = format!("entries up to 258 are gone, {}", "07".repeat(32));
    let lines = named(b"0", [("checkpoint", checkpoint), ("journal", journal), ("gone", gone)]);
    let entries = named(b"1", [("entry", codec::encode(&entry()).unwrap())]);
    [lines, entries, named(b"2", [("place", codec::encode(&Walk::default()).unwrap())])].concat()
}

fn users() -> Inputs {
    let id = UserId::from_bytes([1; 16]);
    let whole = format!(
        r#"{{"name":"alice","user_id":"{id}","hash":"$2b$12$abcdefghijklmnopqrstuv","roles":["editor"],"attributes":{{"team":"a"}},"disabled":true}}"#
    );
    let many =
        format!("{whole}\n\n{{\"name\":\"bob\",\"hash\":null}}\r\n{whole}\n{{\"name\":1}}\n{{\"nam\n{{}}");
    named(&[], [("one", whole), ("many", many), ("odd", "{\"name\":\"\\u001b[2J\\u2028\"}".to_owned())])
}
