//! What each answer looks like, character for character: the JSON is a promise, and the text is what people learn.

use std::collections::BTreeMap;

use hallpass_client::admin::{SessionEnd, SessionShown};
use hallpass_protocol::auth::{Context, SessionKind};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::Stamp;

use super::*;
use crate::ctl::failure::Failure;

const NOW: u64 = 1_700_000_000_000;

fn at(seconds: i64) -> Millis {
    Millis::from_u64(NOW.saturating_add_signed(seconds * 1000))
}

/// What goes to stdout as text and as JSON.
fn both(show: impl Fn(&mut Out<'_>) -> io::Result<()>) -> (String, String) {
    let printed = |json| {
        let mut to = Vec::new();
        show(&mut Out { to: &mut to, json, now: at(0), width: Some(120), colour: false }).unwrap();
        String::from_utf8(to).unwrap()
    };
    (printed(false), printed(true))
}

fn user_id() -> UserId {
    "01HF7YAT00000000000000000A".parse().unwrap()
}

fn session_id() -> SessionId {
    "01HF7YAT00000000000000000B".parse().unwrap()
}

fn user() -> UserInfo {
    UserInfo {
        user_id: user_id(),
        name: "alice".into(),
        roles: vec!["editor".into(), "admin".into()],
        attributes: BTreeMap::new(),
        disabled: false,
        has_password: true,
        created: at(-7200),
    }
}

const USER_JSON: &str = r#"{"user_id":"01HF7YAT00000000000000000A","name":"alice","roles":["editor","admin"],"attributes":{},"disabled":false,"has_password":true,"created":1699992800}
"#;

#[test]
fn status() {
    let status = Status {
        version: "0.1.0".into(),
        pid: 42,
        started: at(-3600),
        state_dir: "/var/lib/hallpass".into(),
        database_id: "00ff".into(),
        issuer: "https://host.example".into(),
        database_bytes: 1_589_248,
        users: 3,
        sessions: 4,
        audit_entries: 5,
        connections: 6,
        write_queue: 7,
        hash_queue: 8,
        stamp: Stamp(1_700_000_000_000_001),
        disk_available: 9_000_000_000,
        disk_full: false,
    };
    let (full, _) = both(|out| out.status(&Status { disk_available: 9, disk_full: true, ..status.clone() }));
    assert!(full.contains("disk             9 bytes left, too few: nobody can log in until there is room\n"));
    let (text, json) = both(|out| out.status(&status));
    assert_eq!(
        text,
        "hallpassd 0.1.0 is up.\n\
         \x20 process          42\n\
         \x20 started          2023-11-14T21:13:20Z (1h ago)\n\
         \x20 issuer           https://host.example\n\
         \x20 state directory  /var/lib/hallpass\n\
         \x20 database         00ff, 1589248 bytes\n\
         \x20 disk             9000000000 bytes left\n\
         \x20 newest change    2023-11-14T22:13:20.000001Z\n\
         \x20 users            3\n\
         \x20 sessions         4\n\
         \x20 audit entries    5\n\
         \x20 connections      6\n\
         \x20 write queue      7\n\
         \x20 hash queue       8\n"
    );
    assert_eq!(
        json,
        concat!(
            r#"{"version":"0.1.0","pid":42,"started":1699996400,"state_dir":"/var/lib/hallpass","#,
            r#""database_id":"00ff","issuer":"https://host.example","database_bytes":1589248,"users":3,"#,
            r#""sessions":4,"audit_entries":5,"connections":6,"write_queue":7,"hash_queue":8,"#,
            r#""stamp":1700000000000001,"disk_available":9000000000,"disk_full":false}"#,
            "\n"
        )
    );
}

#[test]
fn a_colour_stands_around_words_and_never_around_what_others_wrote() {
    let printed = |colour, show: fn(&mut Out<'_>) -> io::Result<()>| {
        let mut to = Vec::new();
        show(&mut Out { to: &mut to, json: false, now: at(0), width: Some(120), colour }).unwrap();
        String::from_utf8(to).unwrap()
    };
    for (show, first) in [
        ((|out| out.session(&shown(None))) as fn(&mut Out<'_>) -> _, "\u{1b}[32mis alive\u{1b}[0m.\n"),
        (
            |out| out.session(&shown(Some(SessionEnd { reason: "user".into(), at: None }))),
            "\u{1b}[33mis over\u{1b}[0m: all",
        ),
        (
            |out| users().page(out, &[user()]),
            "\u{1b}[1mNAME   ROLES          LOGIN     ADDED   USER\u{1b}[0m\nalice  ",
        ),
    ] {
        let (with, without) = (printed(true, show), printed(false, show));
        assert!(with.contains(first), "{with:?}");
        assert_eq!(with.matches('\u{1b}').count(), 2, "{with:?}");
        let plain = with.split('\u{1b}').map(|part| {
            part.split_once('m').filter(|(code, _)| code.starts_with('[')).map_or(part, |(_, text)| text)
        });
        assert_eq!(plain.collect::<String>(), without);
    }
}

#[test]
fn one_user() {
    let (text, json) = both(|out| out.user(&user()));
    assert_eq!(
        text,
        "alice\n\
         \x20 user id     01HF7YAT00000000000000000A\n\
         \x20 roles       editor, admin\n\
         \x20 attributes  none\n\
         \x20 password    set\n\
         \x20 may log in  yes\n\
         \x20 added       2023-11-14T20:13:20Z\n"
    );
    assert_eq!(json, USER_JSON);
}

#[test]
fn a_user_that_was_added_or_changed() {
    let (text, json) = both(|out| out.added(&user()));
    assert_eq!((text.as_str(), json.as_str()), ("Added alice.\nNext: hallpass login alice\n", USER_JSON));
    let (text, _) = both(|out| out.added(&UserInfo { has_password: false, ..user() }));
    assert_eq!(text, "Added alice, without a password.\nNext: hallpass user passwd alice\n");
    let (text, json) = both(|out| out.changed(&user(), "alice can log in again."));
    assert_eq!((text.as_str(), json.as_str()), ("alice can log in again.\n", USER_JSON));
}

#[test]
fn a_list_of_users() {
    let bob = UserInfo { name: "bob".into(), roles: vec![], disabled: true, ..user() };
    let (text, json) = both(|out| users().page(out, &[user(), bob.clone()]));
    assert_eq!(
        text,
        "NAME   ROLES          LOGIN     ADDED   USER\n\
         alice  editor, admin  password  2h ago  01HF7YAT00000000000000000A\n\
         bob    none           disabled  2h ago  01HF7YAT00000000000000000A\n"
    );
    assert_eq!(json.lines().count(), 2);
    assert!(json.starts_with(USER_JSON));
    let (text, json) = both(|out| users().page(out, &[]));
    assert_eq!((text.as_str(), json.as_str()), ("NAME  ROLES  LOGIN  ADDED  USER\n", ""));
}

fn grant(tokens: GrantedTokens, device: Option<&str>) -> Grant {
    Grant {
        user_id: user_id(),
        session_id: session_id(),
        tokens,
        idle_deadline: at(604_800),
        absolute_deadline: at(2_592_000),
        device_token: device.map(|text| Token::new(text.into())),
    }
}

#[test]
fn a_grant_of_the_token_kind() {
    let tokens = GrantedTokens::Token {
        access_token: Token::new("eyJ.a.b".into()),
        access_expires: at(600),
        refresh_token: Token::new("hpr_r".into()),
        generation: 1,
    };
    let (text, json) = both(|out| out.grant(&grant(tokens.clone(), Some("hpd_d")), "alice is logged in."));
    assert_eq!(
        text,
        "alice is logged in.\n\
         \x20 access token   eyJ.a.b\n\
         \x20   good until   2023-11-14T22:23:20Z\n\
         \x20 refresh token  hpr_r\n\
         \x20 device token   hpd_d\n\
         \x20 user id        01HF7YAT00000000000000000A\n\
         \x20 session id     01HF7YAT00000000000000000B\n\
         \x20   ends unused  2023-11-21T22:13:20Z\n\
         \x20   ends anyway  2023-12-14T22:13:20Z\n"
    );
    assert_eq!(
        json,
        concat!(
            r#"{"user_id":"01HF7YAT00000000000000000A","session_id":"01HF7YAT00000000000000000B","kind":"token","#,
            r#""access_token":"eyJ.a.b","refresh_token":"hpr_r","device_token":"hpd_d","expires_in":600,"generation":1,"#,
            r#""idle_deadline":1700604800,"absolute_deadline":1702592000}"#,
            "\n"
        )
    );
}

#[test]
fn a_grant_of_the_cookie_kind() {
    let tokens = GrantedTokens::Cookie { session_token: Token::new("hps_s".into()) };
    let (text, json) = both(|out| out.grant(&grant(tokens.clone(), None), "alice is logged in."));
    assert!(text.contains("  session token  hps_s\n") && !text.contains("access"), "{text}");
    assert_eq!(
        json,
        concat!(
            r#"{"user_id":"01HF7YAT00000000000000000A","session_id":"01HF7YAT00000000000000000B","kind":"cookie","#,
            r#""session_token":"hps_s","expires_in":604800,"idle_deadline":1700604800,"absolute_deadline":1702592000}"#,
            "\n"
        )
    );
}

#[test]
fn an_identity() {
    let identity = Identity {
        user_id: user_id(),
        name: "alice".into(),
        roles: vec![],
        attributes: [("team".to_owned(), "red".to_owned())].into(),
        session_id: session_id(),
        app: "web".into(),
        kind: SessionKind::Cookie,
        auth_time: at(-60),
        level: 1,
        amr: vec!["pwd".into()],
        expires_at: at(60),
    };
    let (text, json) = both(|out| out.identity(&identity));
    assert_eq!(
        text,
        "alice\n\
         \x20 user id       01HF7YAT00000000000000000A\n\
         \x20 roles         none\n\
         \x20 session id    01HF7YAT00000000000000000B\n\
         \x20 app           web\n\
         \x20 kind          cookie\n\
         \x20 proved        2023-11-14T22:12:20Z by pwd, level 1\n\
         \x20 stands until  2023-11-14T22:14:20Z\n"
    );
    assert_eq!(
        json,
        concat!(
            r#"{"user_id":"01HF7YAT00000000000000000A","name":"alice","roles":[],"attributes":{"team":"red"},"session_id":"01HF7YAT00000000000000000B","#,
            r#""app":"web","kind":"cookie","auth_time":1699999940,"level":1,"amr":["pwd"],"expires_at":1700000060}"#,
            "\n"
        )
    );
}

#[test]
fn ended_sessions() {
    for (sessions, wanted) in [
        (0, "No session ended: there was none alive.\n"),
        (1, "1 session ended.\n"),
        (2, "2 sessions ended.\n"),
    ] {
        let (text, json) = both(|out| out.revoked(Revoked { sessions }));
        assert_eq!(text, wanted);
        assert_eq!(json, format!("{{\"sessions\":{sessions}}}\n"));
    }
}

fn session_from(context: Context) -> SessionInfo {
    SessionInfo {
        session_id: session_id(),
        user_id: user_id(),
        app: "web".into(),
        kind: SessionKind::Token,
        created: at(-7200),
        last_seen: at(-120),
        idle_deadline: at(604_800),
        absolute_deadline: at(86_400),
        auth_time: at(-7200),
        refreshes: 3,
        context,
    }
}

#[test]
fn a_list_of_sessions() {
    let session = session_from(Context {
        ip: Some([192, 0, 2, 1].into()),
        user_agent: Some("evil\u{1b}]0;x\u{7}".into()),
        device_label: None,
        device_fingerprint: Some("not shown".into()),
    });
    let (text, json) = both(|out| sessions().page(out, std::slice::from_ref(&session)));
    assert_eq!(
        text,
        "SESSION                     APP  KIND   SEEN    ENDS   FROM       DEVICE\n\
         01HF7YAT00000000000000000B  web  token  2m ago  in 1d  192.0.2.1  evil\\u{1b}]0;x\\u{7}\n"
    );
    assert_eq!(
        json,
        concat!(
            r#"{"session_id":"01HF7YAT00000000000000000B","user_id":"01HF7YAT00000000000000000A","app":"web","kind":"token","#,
            r#""created":1699992800,"last_seen":1699999880,"idle_deadline":1700604800,"absolute_deadline":1700086400,"#,
            r#""auth_time":1699992800,"refreshes":3,"ip":"192.0.2.1","user_agent":"evil\u001b]0;x\u0007","device_label":null}"#,
            "\n"
        )
    );
}

fn shown(ended: Option<SessionEnd>) -> SessionShown {
    let device_label = Some("the \u{1b}[2Jdesk".into());
    let session = session_from(Context { device_label, ..Context::default() });
    let amr = vec!["pwd".into(), "hwk".into()];
    SessionShown { session, name: Some("alice".into()), amr, level: 2, level_until: Some(at(300)), ended }
}

#[test]
fn one_session_that_is_alive() {
    let (text, json) = both(|out| out.session(&shown(None)));
    assert_eq!(
        text,
        "01HF7YAT00000000000000000B is alive.\n\
         \x20 user         alice (01HF7YAT00000000000000000A)\n\
         \x20 app          web\n\
         \x20 kind         token\n\
         \x20 opened       2023-11-14T20:13:20Z (2h ago)\n\
         \x20 last seen    2023-11-14T22:11:20Z (2m ago)\n\
         \x20 ends unused  2023-11-21T22:13:20Z (in 7d)\n\
         \x20 ends anyway  2023-11-15T22:13:20Z (in 1d)\n\
         \x20 proved       2023-11-14T20:13:20Z by pwd hwk, level 2 until 2023-11-14T22:18:20Z\n\
         \x20 refreshes    3\n\
         \x20 address      -\n\
         \x20 user agent   -\n\
         \x20 device       the \\u{1b}[2Jdesk\n"
    );
    assert_eq!(
        json,
        concat!(
            r#"{"session_id":"01HF7YAT00000000000000000B","user_id":"01HF7YAT00000000000000000A","app":"web","kind":"token","#,
            r#""created":1699992800,"last_seen":1699999880,"idle_deadline":1700604800,"absolute_deadline":1700086400,"#,
            r#""auth_time":1699992800,"refreshes":3,"ip":null,"user_agent":null,"device_label":"the \u001b[2Jdesk","name":"alice","#,
            r#""amr":["pwd","hwk"],"level":2,"level_until":1700000300,"alive":true,"ended":null,"ended_at":null}"#,
            "\n"
        )
    );
}

#[test]
fn one_session_that_is_over_says_why_and_when() {
    let over = |reason: &str, when| shown(Some(SessionEnd { reason: reason.into(), at: when }));
    let (text, json) = both(|out| out.session(&over("reuse", Some(at(-60)))));
    let first = "01HF7YAT00000000000000000B is over: a refresh token of it was used twice, 2023-11-14T22:12:20Z (1m ago).";
    assert_eq!(text.lines().next(), Some(first));
    assert!(json.ends_with(",\"alive\":false,\"ended\":\"reuse\",\"ended_at\":1699999940}\n"), "{json}");
    let gone = SessionShown { name: None, ..over("user_removed", None) };
    let (text, json) = both(|out| out.session(&gone));
    assert!(
        text.starts_with("01HF7YAT00000000000000000B is over: its user is gone.\n  user        - (01HF"),
        "{text}"
    );
    assert!(!text.contains("ends "), "it has ended: {text}");
    assert!(json.contains("\"name\":null") && json.contains("\"ended_at\":null"), "{json}");
    let (text, _) = both(|out| out.session(&over("\u{1b}later", None)));
    assert!(text.starts_with("01HF7YAT00000000000000000B is over: \\u{1b}later.\n"), "{text}");
}

#[test]
fn audit_entries() {
    let entry = AuditEntry {
        number: 7,
        stamp: Stamp(1_700_000_000_000_001),
        event: "session.revoke".into(),
        outcome: "ok".into(),
        caller_uid: 1000,
        caller_pid: 42,
        app: "web".into(),
        user_id: Some(user_id()),
        session_id: None,
        detail: "by token\n".into(),
        hash: "ab".into(),
    };
    let (text, json) = both(|out| audit().page(out, std::slice::from_ref(&entry)));
    assert_eq!(
        text,
        "NUMBER  TIME                         EVENT           OUTCOME  APP  DETAIL\n\
         7       2023-11-14T22:13:20.000001Z  session.revoke  ok       web  by token\\u{a}, user 01HF7YAT00000000000000000A, uid …\n"
    );
    assert_eq!(
        json,
        concat!(
            r#"{"number":7,"stamp":1700000000000001,"event":"session.revoke","outcome":"ok","caller_uid":1000,"#,
            r#""caller_pid":42,"app":"web","user_id":"01HF7YAT00000000000000000A","session_id":null,"#,
            r#""detail":"by token\n","hash":"ab"}"#,
            "\n"
        )
    );
}

#[test]
fn keys_are_printed_as_they_are() {
    let (text, json) = both(|out| out.jwks("{\"keys\":[]}\n"));
    assert_eq!((text.as_str(), json.as_str()), ("{\"keys\":[]}\n", "{\"keys\":[]}\n"));
}

#[test]
fn a_refusal_goes_aside_as_text_and_to_stdout_as_json() {
    for (wait, text, json) in [
        (None, "", ""),
        (Some(0), "", r#","retry_after_ms":0"#),
        (Some(1500), ", wait 1s 500ms", r#","retry_after_ms":1500"#),
    ] {
        let code = ErrorCode::InvalidCredentials;
        let refusal = Refusal { code, message: "no\u{1b}[2J".into(), retry_after_ms: wait };
        let fault = Failure::from(refusal).fault();
        let shown = |json| {
            let (mut to, mut aside) = (Vec::new(), Vec::new());
            Out { to: &mut to, json, now: at(0), width: None, colour: false }
                .fault(&fault, &mut aside)
                .unwrap();
            (String::from_utf8(to).unwrap(), String::from_utf8(aside).unwrap())
        };
        let text = format!("hallpass: no\\u{{1b}}[2J (invalid_credentials{text})\n");
        assert_eq!(shown(false), (String::new(), text));
        let said = r#"{"error":{"code":"invalid_credentials","class":"invalid","message":"no\u001b[2J""#;
        assert_eq!(shown(true), (format!("{said}{json}}}}}\n"), String::new()));
    }
}
