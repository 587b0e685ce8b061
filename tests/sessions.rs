//! Sessions of both kinds from end to end, as an app and an administrator see them.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::collections::HashSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use hallpass_client::admin::{AddUser, AdminClient, RevokeTarget};
use hallpass_client::{
    Client, Context, Error, ErrorClass, ErrorCode, Identity, ListSessions, Login, Needs, Password, Refusal,
    Revoke, SessionId, SessionKind, Token, UserId,
};
use support::{Daemon, PASSWORD, add_user, clear_environment, cookie, login, refresh, tokens};

/// A daemon that runs for one user, who added somebody.
async fn with_alice() -> (Daemon, Client, AdminClient) {
    let daemon = Daemon::start().await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    (daemon, client, admin)
}

#[tokio::test]
async fn a_first_start_says_where_it_put_the_master_key_and_no_other_does() {
    let mut daemon = Daemon::start().await;
    let said = daemon.stdout();
    let key = said.split("A new master key lies in ").nth(1).and_then(|rest| rest.split(".\n").next());
    let key = key.unwrap_or_else(|| panic!("it is not said: {said}"));
    let mode = std::fs::metadata(key).expect("it lies there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(said.contains("keep a copy apart from the database"), "{said}");
    daemon.stop().await;
    daemon.restart().await;
    let said = daemon.stdout();
    assert_eq!((said.matches("serves on").count(), said.matches("master key").count()), (2, 1), "{said}");
}

async fn verify(client: &Client, token: &Token) -> Result<Identity, Error> {
    client.verify(token.clone(), Needs::default()).await
}

async fn refused(client: &Client, token: &Token) -> ErrorCode {
    verify(client, token).await.unwrap_err().code()
}

/// The living sessions of a user, from as many pages as there are.
async fn listed(client: &Client, user: UserId) -> HashSet<SessionId> {
    let (mut found, mut count, mut after) = (HashSet::new(), 0, None);
    loop {
        let page = client.sessions(ListSessions { user, after }).await.unwrap();
        count += page.sessions.len();
        found.extend(page.sessions.iter().map(|session| session.session_id));
        after = page.next;
        if after.is_none() {
            assert_eq!(found.len(), count, "a session is listed twice");
            return found;
        }
    }
}

#[tokio::test]
async fn a_new_database_has_nobody_in_it() {
    let status = Daemon::start().await.admin().await.status().await.expect("the daemon answers");
    assert_eq!((status.users, status.sessions), (0, 0));
}

#[tokio::test]
async fn a_session_of_either_kind_is_verified_with_what_is_true_now() {
    let (_daemon, client, admin) = with_alice().await;
    let (cookie, of_cookie) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let tokens = tokens(&client, "alice", PASSWORD).await.unwrap();
    let kinds =
        [(&cookie, of_cookie, SessionKind::Cookie), (&tokens.access, tokens.session, SessionKind::Token)];
    for (token, session, kind) in kinds {
        let identity = verify(&client, token).await.unwrap();
        assert_eq!((identity.session_id, identity.user_id, identity.kind), (session, tokens.user, kind));
        assert_eq!((identity.name.as_str(), identity.app.as_str(), identity.level), ("alice", "local", 1));
        assert_eq!(identity.roles, ["editor"]);
        assert!(identity.expires_at > identity.auth_time);
    }
    admin.user_set_roles("alice", vec!["viewer".to_owned(), "auditor".to_owned()]).await.unwrap();
    for (token, ..) in kinds {
        assert_eq!(verify(&client, token).await.unwrap().roles, ["auditor", "viewer"]);
        let needs = Needs { roles: vec!["editor".to_owned()], ..Needs::default() };
        let missing = client.verify(token.clone(), needs).await.unwrap_err();
        assert_eq!(missing.code(), ErrorCode::RoleMissing);
    }
}

#[tokio::test]
async fn a_revocation_is_seen_by_the_very_next_verification() {
    let (_daemon, client, admin) = with_alice().await;
    let (first, first_id) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let (second, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let third = tokens(&client, "alice", PASSWORD).await.unwrap();
    let fourth = tokens(&client, "alice", PASSWORD).await.unwrap();
    let fifth = tokens(&client, "alice", PASSWORD).await.unwrap();

    assert_eq!(client.revoke(Revoke::Token(first.clone())).await.unwrap().sessions, 1);
    assert_eq!(refused(&client, &first).await, ErrorCode::Revoked);
    assert_eq!(client.revoke(Revoke::Session(first_id)).await.unwrap().sessions, 0, "it was over");

    assert_eq!(client.revoke(Revoke::Token(third.access.clone())).await.unwrap().sessions, 1);
    assert_eq!(refused(&client, &third.access).await, ErrorCode::Revoked);
    let exchanged = client.refresh(refresh(&third.refresh)).await.unwrap_err();
    assert_eq!((exchanged.code(), exchanged.class()), (ErrorCode::Revoked, ErrorClass::Login));

    let all_but_one = Revoke::User { user: fifth.user, except: Some(fifth.session) };
    assert_eq!(client.revoke(all_but_one).await.unwrap().sessions, 2);
    for gone in [&second, &fourth.access] {
        assert_eq!(refused(&client, gone).await, ErrorCode::Revoked);
    }
    verify(&client, &fifth.access).await.unwrap();
    assert_eq!(admin.revoke(RevokeTarget::All).await.unwrap().sessions, 5);
    assert_eq!(refused(&client, &fifth.access).await, ErrorCode::Revoked);
    let sixth = tokens(&client, "alice", PASSWORD).await.unwrap();
    verify(&client, &sixth.access).await.unwrap();
}

#[tokio::test]
async fn a_list_has_the_living_sessions_and_what_the_app_said_of_them() {
    let (_daemon, client, admin) = with_alice().await;
    let context = Context {
        ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        user_agent: Some("Browser/1".to_owned()),
        device_label: Some("the laptop".to_owned()),
        device_fingerprint: Some("secret".to_owned()),
    };
    let request = Login { context: context.clone(), ..login("alice", PASSWORD, SessionKind::Token) };
    let grant = client.login(request).await.unwrap();
    let (session_token, second) = cookie(&client, "alice", PASSWORD).await.unwrap();
    assert_eq!(listed(&client, grant.user_id).await, HashSet::from([grant.session_id, second]));

    let page = client.sessions(ListSessions { user: grant.user_id, after: None }).await.unwrap();
    let first = &page.sessions[0];
    assert_eq!(first.session_id, grant.session_id, "the oldest comes first");
    assert_eq!((first.kind, first.refreshes, first.app.as_str()), (SessionKind::Token, 0, "local"));
    assert_eq!(first.context, Context { device_fingerprint: None, ..context }, "a fingerprint stays inside");
    assert_eq!(admin.session_list("alice", None).await.unwrap(), page);

    client.revoke(Revoke::Token(session_token)).await.unwrap();
    assert_eq!(listed(&client, grant.user_id).await, HashSet::from([grant.session_id]));
}

#[tokio::test]
async fn a_long_list_comes_in_pages_without_gaps() {
    let (_daemon, client, admin) = with_alice().await;
    let mut opened = HashSet::new();
    for _ in 0..45 {
        opened.insert(cookie(&client, "alice", PASSWORD).await.unwrap().1);
    }
    let user = admin.user_show("alice").await.unwrap().user_id;
    let first = client.sessions(ListSessions { user, after: None }).await.unwrap();
    assert!(first.next.is_some() && first.sessions.len() < opened.len(), "e18: more than one page");
    assert_eq!(listed(&client, user).await, opened, "e18");
}

#[tokio::test]
async fn c2_c14_an_identifier_opens_nothing() {
    let (_daemon, client, _) = with_alice().await;
    let (session_token, session) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let unknown = SessionId::from_bytes([7; 16]);
    for id in [session, unknown] {
        for text in [id.to_string(), format!("hps_{id}"), format!("hpr_{id}")] {
            let token = Token::new(text);
            assert_eq!(refused(&client, &token).await, ErrorCode::InvalidToken, "c14");
            let exchanged = client.refresh(refresh(&token)).await.unwrap_err();
            assert_eq!(exchanged.code(), ErrorCode::InvalidToken, "c14");
            let revoked = client.revoke(Revoke::Token(token)).await.unwrap_err();
            assert_eq!(revoked.code(), ErrorCode::InvalidToken, "c14");
        }
    }
    let missing = client.revoke(Revoke::Session(unknown)).await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound, "c2");
    let nobody = UserId::from_bytes([7; 16]);
    assert!(listed(&client, nobody).await.is_empty(), "c2: an unknown user has no sessions");
    let identity = verify(&client, &session_token).await.unwrap();
    assert_eq!(listed(&client, identity.user_id).await, HashSet::from([session]), "c2: none was created");
}

#[tokio::test]
async fn c7_a_new_user_of_an_old_name_is_somebody_else() {
    let (_daemon, client, admin) = with_alice().await;
    let (session_token, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let old = tokens(&client, "alice", PASSWORD).await.unwrap();
    assert_eq!(admin.user_remove("alice").await.unwrap().user_id, old.user);
    let all_dead = async |when: &str| {
        for token in [&session_token, &old.access] {
            assert_eq!(refused(&client, token).await, ErrorCode::Revoked, "{when}");
        }
        let exchanged = client.refresh(refresh(&old.refresh)).await.unwrap_err();
        assert_eq!(exchanged.class(), ErrorClass::Login, "b18 {when}");
        assert!(listed(&client, old.user).await.is_empty(), "{when}");
    };
    all_dead("removed").await;
    let new = add_user(&admin, "alice", PASSWORD, &["admin"]).await;
    assert_ne!(new.user_id, old.user);
    all_dead("added again").await;
    let identity = verify(&client, &tokens(&client, "alice", PASSWORD).await.unwrap().access).await.unwrap();
    assert_eq!((identity.user_id, identity.roles), (new.user_id, vec!["admin".to_owned()]));
    all_dead("logged in again").await;
}

#[tokio::test]
async fn c11_what_a_disable_has_ended_stays_ended() {
    let (_daemon, client, admin) = with_alice().await;
    let (session_token, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let old = tokens(&client, "alice", PASSWORD).await.unwrap();
    admin.user_disable("alice").await.unwrap();
    for enabled in [false, true] {
        if enabled {
            admin.user_enable("alice").await.unwrap();
        }
        for token in [&session_token, &old.access] {
            assert_eq!(refused(&client, token).await, ErrorCode::Revoked, "enabled: {enabled}");
        }
        let exchanged = client.refresh(refresh(&old.refresh)).await.unwrap_err();
        assert_eq!(exchanged.code(), ErrorCode::Revoked, "enabled: {enabled}");
        assert!(listed(&client, old.user).await.is_empty(), "enabled: {enabled}");
    }
    let new = tokens(&client, "alice", PASSWORD).await.unwrap();
    verify(&client, &new.access).await.unwrap();
}

/// A login takes its time over the password; what changes meanwhile goes before it.
#[tokio::test]
async fn c9_c11_a_login_that_began_before_a_change_does_not_outlive_it() {
    let (_daemon, client, admin) = with_alice().await;
    let user = admin.user_show("alice").await.unwrap().user_id;
    let mut late = 0;
    for round in 0..40 {
        let change = async {
            tokio::time::sleep(Duration::from_millis(round.into())).await;
            if round % 4 == 0 {
                let new = Password::new("another password of hers".to_owned());
                admin.user_set_password("alice", new).await.unwrap();
            } else {
                admin.user_disable("alice").await.unwrap();
            }
        };
        let (opened, ()) = tokio::join!(log_in_from(&client, round), change);
        match opened {
            Ok((access, _)) => assert_eq!(refused(&client, &access).await, ErrorCode::Revoked, "{round}"),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::InvalidCredentials, "{round}");
                late += 1;
            }
        }
        assert!(listed(&client, user).await.is_empty(), "round {round}");
        admin.user_enable("alice").await.unwrap();
        admin.user_set_password("alice", Password::new(PASSWORD.to_owned())).await.unwrap();
    }
    assert!(late > 0, "no change came while a password was looked at");
}

/// Logs in from an address of its own, so that tries at the same moment are not taken for guessing.
async fn log_in_from(client: &Client, last: u8) -> Result<(Token, SessionId), Error> {
    let context = Context { ip: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, last))), ..Context::default() };
    let grant = client.login(Login { context, ..login("alice", PASSWORD, SessionKind::Token) }).await?;
    let tokens = support::Tokens::from(grant);
    Ok((tokens.access, tokens.session))
}

#[tokio::test]
async fn c12_a_limit_holds_under_50_logins_at_once() {
    const LIMIT: usize = 5;
    let daemon = Daemon::with_settings("[sessions]\nmax_per_user = 5\n").await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    let user = add_user(&admin, "alice", PASSWORD, &[]).await.user_id;
    let opened = join_all((0..50).map(|last| log_in_from(&client, last))).await;
    let opened: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
    let living = listed(&client, user).await;
    assert_eq!(living.len(), LIMIT);
    for (access, session) in &opened {
        let verified = verify(&client, access).await.map(|_| ()).map_err(|error| error.code());
        let wanted = if living.contains(session) { Ok(()) } else { Err(ErrorCode::Revoked) };
        assert_eq!(verified, wanted, "{session}");
    }
    let (_, next) = log_in_from(&client, 50).await.unwrap();
    let living = listed(&client, user).await;
    assert!(living.contains(&next) && living.len() == LIMIT, "the oldest makes room");
}

#[tokio::test]
async fn c12_a_full_house_can_refuse_instead() {
    let daemon = Daemon::with_settings("[sessions]\nmax_per_user = 5\nwhen_full = \"refuse\"\n").await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &[]).await;
    let opened = join_all((0..20).map(|last| log_in_from(&client, last))).await;
    let (opened, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    assert_eq!((opened.len(), refused.len()), (5, 15));
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.code(), error.class()), (ErrorCode::TooManySessions, ErrorClass::Forbidden));
    }
    for (access, _) in opened.into_iter().map(Result::unwrap) {
        verify(&client, &access).await.unwrap();
    }
}

#[tokio::test]
async fn a8_an_audience_that_is_not_the_apps_is_refused() {
    let uid = support::own_uid();
    let app = format!("[[app]]\nname = \"shop\"\nuids = [{uid}]\naudiences = [\"shop\", \"stock\"]\n");
    let daemon = Daemon::with_config(&format!("[admin]\nuids = [{uid}]\n{app}")).await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    let user = add_user(&admin, "alice", PASSWORD, &[]).await.user_id;
    let asking = |audience: &str| {
        let audience = Some(audience.to_owned());
        client.login(Login { audience, ..login("alice", PASSWORD, SessionKind::Token) })
    };
    let refused = asking("bank").await.unwrap_err();
    assert_eq!((refused.code(), refused.class()), (ErrorCode::AudienceForbidden, ErrorClass::Forbidden));
    assert!(listed(&client, user).await.is_empty(), "no session was opened for it");
    let stock = support::Tokens::from(asking("stock").await.unwrap());
    let at = |audience: &str| {
        client.verify(stock.access.clone(), Needs { audience: Some(audience.to_owned()), ..Needs::default() })
    };
    at("stock").await.unwrap();
    assert_eq!(at("shop").await.unwrap_err().code(), ErrorCode::InvalidToken);
    assert_eq!(at("bank").await.unwrap_err().code(), ErrorCode::AudienceForbidden);
    let bank = hallpass_client::Refresh { audience: Some("bank".to_owned()), ..refresh(&stock.refresh) };
    assert_eq!(client.refresh(bank).await.unwrap_err().code(), ErrorCode::AudienceForbidden);
    let next = support::Tokens::from(client.refresh(refresh(&stock.refresh)).await.unwrap());
    assert_eq!(next.generation, 2, "a refused audience costs no token");
}

#[tokio::test]
async fn d1_every_way_to_fail_a_login_is_the_same_answer() {
    let (_daemon, client, admin) = with_alice().await;
    add_user(&admin, "disabled", PASSWORD, &[]).await;
    admin.user_disable("disabled").await.unwrap();
    let bare = AddUser { name: "bare".to_owned(), password: None, roles: Vec::new() };
    admin.user_add(bare).await.unwrap();
    let too_long = "x".repeat(1024);
    let cases = [
        ("alice", "not the password at all"),
        ("alice", ""),
        ("alice", too_long.as_str()),
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
        ("disabled", "not the password at all"),
        ("bare", PASSWORD),
        ("No Such/Name\n", PASSWORD),
    ];
    let mut refusals = Vec::new();
    for (last, (name, password)) in (0..).zip(cases) {
        for kind in [SessionKind::Token, SessionKind::Cookie] {
            let ip = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2 * last + u8::from(kind == SessionKind::Token)));
            let context = Context { ip: Some(ip), ..Context::default() };
            match client.login(Login { context, ..login(name, password, kind) }).await.unwrap_err() {
                Error::Refused(refusal) => refusals.push(refusal),
                other => unreachable!("{name:?}: {other:?}"),
            }
        }
    }
    let first: Refusal = refusals[0].clone();
    assert_eq!((first.code, first.class()), (ErrorCode::InvalidCredentials, ErrorClass::Invalid));
    assert!(refusals.iter().all(|refusal| *refusal == first), "{refusals:#?}");
    tokens(&client, "alice", PASSWORD).await.unwrap();
}

/// The client's example is what its documentation shows: it must work as it stands.
#[tokio::test]
async fn the_client_example_runs_from_login_to_revocation() {
    let (daemon, _, _) = with_alice().await;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO"));
    clear_environment(&mut command);
    let example = ["run", "--quiet", "-p", "hallpass-client", "--example", "sessions", "--"];
    command.current_dir(workspace).args(example).arg(daemon.socket()).arg("alice");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let output = child.wait_with_output().unwrap();
    let [said, complained] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{said}{complained}");
    let steps = [
        "connected",
        "logged in",
        "verified: alice",
        "refreshed:",
        "refreshed again",
        "revoked",
        "refused: revoked",
    ];
    assert!(
        said.lines().count() == steps.len()
            && said.lines().zip(steps).all(|(line, step)| line.starts_with(step)),
        "{said}"
    );
}

#[tokio::test]
async fn a_daemon_stops_when_told_and_starts_again_with_its_sessions() {
    let (mut daemon, client, _) = with_alice().await;
    let (session_token, session) = cookie(&client, "alice", PASSWORD).await.unwrap();
    daemon.stop().await;
    assert!(!daemon.socket().exists() && !daemon.admin_socket().exists(), "no socket is left behind");
    daemon.restart().await;
    // The client finds its way back by itself.
    assert_eq!(verify(&client, &session_token).await.unwrap().session_id, session);
    daemon.stop().await;
}

/// A user who logs in all day leaves thousands of ended sessions behind, whose rows stay for what they answer. They must neither hide a living
/// session from a revocation nor count against the limit.
#[tokio::test(flavor = "current_thread")]
async fn c12_ended_sessions_hide_no_living_one() {
    let mut daemon = Daemon::with_settings("[sessions]\nmax_per_user = 2\n").await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    let user = add_user(&admin, "ann", PASSWORD, &[]).await.user_id;
    let mut opened = Vec::new();
    for _ in 0..12 {
        opened.push(cookie(&client, "ann", PASSWORD).await.unwrap());
    }
    let alive = client.sessions(ListSessions { user, after: None }).await.unwrap();
    let newest: Vec<_> = opened[10..].iter().map(|(_, session)| *session).collect();
    assert_eq!(alive.sessions.iter().map(|session| session.session_id).collect::<Vec<_>>(), newest);
    assert_eq!(client.revoke(Revoke::User { user, except: None }).await.unwrap().sessions, 2);
    for (token, _) in opened {
        assert!(client.verify(token, Needs::default()).await.is_err());
    }
    daemon.stop().await;
}
