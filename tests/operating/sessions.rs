//! One session, from its opening to after its end, as an administrator sees it, and the ways to end it.

use std::process::Output;

use hallpass_client::{Context, Login, Needs, SessionId, SessionKind, Token};
use serde_json::Value;

use crate::support::{Daemon, PASSWORD, add_user, cookie, login, tokens};
use crate::{hallpass, stderr, stdout};

fn session(daemon: &Daemon, words: &[&str]) -> Output {
    let socket = daemon.socket();
    let socket = ["--socket", socket.to_str().unwrap(), "session"];
    let said = hallpass(socket.iter().chain(words));
    let all = stdout(&said) + &stderr(&said);
    assert!(!["hps_", "hpr_", "hpd_", "eyJ"].iter().any(|token| all.contains(token)), "{all}");
    said
}

fn show(daemon: &Daemon, id: SessionId) -> Value {
    let said = session(daemon, &["show", &id.to_string(), "--json"]);
    assert_eq!(said.status.code(), Some(0), "{}", stdout(&said));
    serde_json::from_str(&stdout(&said)).unwrap()
}

/// How it ended, and whether it is known when.
fn ended(daemon: &Daemon, id: SessionId) -> (Value, bool) {
    let shown = show(daemon, id);
    assert_eq!(shown["alive"], false, "{shown}");
    (shown["ended"].clone(), shown["ended_at"].is_u64())
}

#[tokio::test]
async fn a_session_is_shown_while_it_is_alive_and_with_how_it_ended() {
    let mut daemon = Daemon::start().await;
    let (admin, client) = (daemon.admin().await, daemon.client().await);
    let alice = add_user(&admin, "alice", PASSWORD, &[]).await;
    let context = Context {
        ip: Some([192, 0, 2, 7].into()),
        user_agent: Some("Browser/1".to_owned()),
        device_label: Some("the laptop".to_owned()),
        device_fingerprint: Some("inside".to_owned()),
    };
    let grant =
        client.login(Login { context, ..login("alice", PASSWORD, SessionKind::Token) }).await.unwrap();
    let id = grant.session_id;
    let shown = show(&daemon, id);
    for (field, wanted) in [
        ("session_id", Value::from(id.to_string())),
        ("user_id", alice.user_id.to_string().into()),
        ("name", "alice".into()),
        ("app", "local".into()),
        ("kind", "token".into()),
        ("refreshes", 0.into()),
        ("amr", vec!["pwd"].into()),
        ("level", 1.into()),
        ("level_until", Value::Null),
        ("ip", "192.0.2.7".into()),
        ("user_agent", "Browser/1".into()),
        ("device_label", "the laptop".into()),
        ("alive", true.into()),
        ("ended", Value::Null),
        ("ended_at", Value::Null),
    ] {
        assert_eq!(shown[field], wanted, "{field} of {shown}");
    }
    assert!(shown["absolute_deadline"].as_u64() > shown["created"].as_u64(), "{shown}");
    let text = stdout(&session(&daemon, &["show", &id.to_string()]));
    assert!(text.starts_with(&format!("{id} is alive.\n")) && text.contains("the laptop"), "{text}");
    assert!(!text.contains("inside") && !shown.to_string().contains("inside"), "a fingerprint stays inside");

    let said = session(&daemon, &["revoke", &id.to_string()]);
    assert_eq!((said.status.code(), stdout(&said).as_str()), (Some(0), "1 session ended.\n"));
    assert_eq!(ended(&daemon, id), ("revoked".into(), true));
    let text = stdout(&session(&daemon, &["show", &id.to_string()]));
    assert!(text.starts_with(&format!("{id} is over: somebody ended it, ")), "{text}");
    let again = session(&daemon, &["revoke", &id.to_string(), "--json"]);
    assert_eq!((again.status.code(), stdout(&again).as_str()), (Some(0), "{\"sessions\":0}\n"));

    let (_, of_user) = cookie(&client, "alice", PASSWORD).await.unwrap();
    admin.user_disable("alice").await.unwrap();
    assert_eq!(ended(&daemon, of_user), ("user".into(), true));
    admin.user_remove("alice").await.unwrap();
    assert_eq!(ended(&daemon, of_user), ("user_removed".into(), false));
    assert_eq!(show(&daemon, of_user)["name"], Value::Null);

    let unknown = SessionId::from_bytes([7; 16]).to_string();
    for words in [["show", &unknown], ["revoke", &unknown]] {
        let said = session(&daemon, &words);
        assert!(said.status.code() == Some(1) && stderr(&said).contains("swept away"), "{}", stderr(&said));
    }
    let said = stderr(&session(&daemon, &["show", &unknown]));
    assert!(said.contains(&format!("hallpass audit export | grep {unknown}")), "{said}");
    daemon.stop().await;
}

#[tokio::test]
async fn all_sessions_of_a_user_end_but_for_one_of_theirs() {
    let mut daemon = Daemon::start().await;
    let (admin, client) = (daemon.admin().await, daemon.client().await);
    for name in ["alice", "bob"] {
        add_user(&admin, name, PASSWORD, &[]).await;
    }
    let kept = tokens(&client, "alice", PASSWORD).await.unwrap();
    let (other, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let (bobs, of_bob) = cookie(&client, "bob", PASSWORD).await.unwrap();
    let stands = async |token: &Token| client.verify(token.clone(), Needs::default()).await.is_ok();

    for not_hers in [of_bob.to_string(), SessionId::from_bytes([7; 16]).to_string()] {
        let refused = session(&daemon, &["revoke", "--user", "alice", "--except", &not_hers]);
        let why = stderr(&refused);
        assert!(refused.status.code() == Some(1) && why.contains("none was ended"), "{why}");
        assert!(stands(&other).await && stands(&kept.access).await && stands(&bobs).await);
    }
    let spared = kept.session.to_string();
    let said = session(&daemon, &["revoke", "--user", "alice", "--except", &spared]);
    assert_eq!((said.status.code(), stdout(&said).as_str()), (Some(0), "1 session ended.\n"));
    assert!(!stands(&other).await && stands(&kept.access).await && stands(&bobs).await);

    let said = session(&daemon, &["revoke", "--user", "alice"]);
    assert_eq!((said.status.code(), stdout(&said).as_str()), (Some(0), "1 session ended.\n"));
    assert!(!stands(&kept.access).await && stands(&bobs).await);
    let refused = session(&daemon, &["revoke", "--user", "alice", "--except", &spared]);
    assert!(stderr(&refused).contains("none was ended"), "one that is over is not the one that is meant");
    daemon.stop().await;
}
