//! Verification inside other processes, by the board: through the real daemon, and through everything that can happen to it.
#![cfg(test)]

mod failing;
mod foreign;
mod full;
mod knowing;
mod processes;
mod read_only;
#[expect(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use hallpass_client::admin::{RevokeTarget, RotateKey};
use hallpass_client::{
    ChangePassword, Client, Context, ErrorClass, ErrorCode, Grant, GrantedTokens, Needs, OpenSession,
    Password, Reauthenticate, Revoke, SessionKind, Token, UserRef, Verdict, Verifier, Way,
};
use support::{Daemon, PASSWORD, POLL, add_user};

/// A session for ann that costs no hash.
async fn session(client: &Client, kind: SessionKind) -> Grant {
    client.open_session(opening(kind)).await.expect("the app may vouch")
}

fn opening(kind: SessionKind) -> OpenSession {
    OpenSession {
        user: UserRef::Name("ann".into()),
        kind,
        audience: None,
        amr: vec!["hwk".into()],
        context: Context { device_label: Some("phone".into()), ..Context::default() },
    }
}

/// The token that a grant's session is verified with.
fn shown(grant: &Grant) -> Token {
    match &grant.tokens {
        GrantedTokens::Cookie { session_token } => session_token.clone(),
        GrantedTokens::Token { access_token, .. } => access_token.clone(),
    }
}

/// A daemon that knows ann, and a verifier that has asked it for where the board is.
async fn with_ann() -> (Daemon, Client, Verifier) {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let (client, verifier) = (daemon.client().await, verifier(&daemon));
    (daemon, client, verifier)
}

fn verifier(daemon: &Daemon) -> Verifier {
    let verifier = Verifier::builder().deadline(Duration::from_millis(500)).connect(daemon.socket());
    verifier.expect("the daemon answers")
}

fn way(verdict: Result<Verdict, hallpass_client::Error>) -> Way {
    verdict.expect("the token is good").way()
}

fn code(verdict: Result<Verdict, hallpass_client::Error>) -> ErrorCode {
    verdict.expect_err("the token is not good").code()
}

/// Verifies until it goes this way: keys and boards are learned in the background.
fn settles(verifier: &Verifier, token: &Token, wanted: Way) {
    let give_up = Instant::now() + support::PATIENCE;
    while verifier.verify(token.expose()).map(|verdict| verdict.way()).ok() != Some(wanted) {
        assert!(Instant::now() < give_up, "it never goes by {wanted:?}: {:?}", verifier.board_fault());
        std::thread::sleep(POLL);
    }
}

#[tokio::test]
async fn a_token_is_asked_about_once_and_an_access_token_not_at_all() {
    let (mut daemon, client, verifier) = with_ann().await;
    assert_eq!(verifier.board_fault(), None);
    let cookie = shown(&session(&client, SessionKind::Cookie).await);
    assert_eq!(way(verifier.verify(cookie.expose())), Way::Daemon);
    let again = verifier.verify(cookie.expose()).unwrap();
    assert_eq!(
        (again.way(), again.name(), again.roles()),
        (Way::Memory, Some("ann"), &["editor".into()][..])
    );

    let grant = session(&client, SessionKind::Token).await;
    let access = shown(&grant);
    let first = verifier.verify(access.expose()).unwrap();
    assert_eq!((first.way(), first.name(), first.roles()), (Way::Signature, None, &["editor".into()][..]));
    assert_eq!((first.session_id(), first.user_id()), (grant.session_id, grant.user_id));
    assert_eq!((first.app(), first.amr(), first.level()), ("local", &["hwk".into()][..], 1));
    assert_eq!(way(verifier.verify(access.expose())), Way::Memory);
    let asked: u64 = verifier.asked().into_iter().map(|(_, count)| count).sum();
    assert_eq!(asked, 1, "{:?}", verifier.asked());
    daemon.stop().await;
}

#[tokio::test]
async fn what_was_taken_back_is_refused_by_the_very_next_verification() {
    let (mut daemon, client, verifier) = with_ann().await;
    let admin = daemon.admin().await;
    for kind in [SessionKind::Cookie, SessionKind::Token] {
        for what in ["token", "session", "user", "device", "everything", "app", "disable"] {
            let grant = session(&client, kind).await;
            let token = shown(&grant);
            verifier.verify(token.expose()).unwrap();
            settles(&verifier, &token, Way::Memory);
            let user = grant.user_id;
            let target = match what {
                "token" => Some(Revoke::Token(token.clone())),
                "session" => Some(Revoke::Session(grant.session_id)),
                "user" => Some(Revoke::User { user, except: None }),
                "device" => Some(Revoke::Device { user, label: "phone".into() }),
                _ => None,
            };
            match (target, what) {
                (Some(target), _) => assert!(client.revoke(target).await.unwrap().sessions > 0),
                (_, "everything") => assert!(admin.revoke(RevokeTarget::All).await.unwrap().sessions > 0),
                (_, "app") => {
                    assert!(admin.revoke(RevokeTarget::App("local".into())).await.unwrap().sessions > 0);
                }
                _ => {
                    admin.user_disable("ann").await.unwrap();
                    admin.user_enable("ann").await.unwrap();
                }
            }
            assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Revoked, "{kind:?} by {what}");
            assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Revoked, "and stays so");
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_revocation_of_others_leaves_what_is_held() {
    let (mut daemon, client, verifier) = with_ann().await;
    let (kept, other) =
        (session(&client, SessionKind::Cookie).await, session(&client, SessionKind::Cookie).await);
    settles(&verifier, &shown(&kept), Way::Memory);
    client.revoke(Revoke::Session(other.session_id)).await.unwrap();
    let user = kept.user_id;
    client.revoke(Revoke::User { user, except: Some(kept.session_id) }).await.unwrap();
    assert_eq!(way(verifier.verify(shown(&kept).expose())), Way::Memory);
    daemon.stop().await;
}

#[tokio::test]
async fn c6_changed_roles_are_what_the_next_verification_says() {
    let (mut daemon, client, verifier) = with_ann().await;
    let admin = daemon.admin().await;
    let tokens = [SessionKind::Cookie, SessionKind::Token];
    for kind in tokens {
        let token = shown(&session(&client, kind).await);
        settles(&verifier, &token, Way::Memory);
        for round in 0..50 {
            let role = format!("role-{round}");
            admin.user_set_roles("ann", vec![role.clone()]).await.unwrap();
            assert_eq!(verifier.verify(token.expose()).unwrap().roles(), [role]);
        }
        assert_eq!(way(verifier.verify(token.expose())), Way::Memory, "the new roles are held");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_needed_is_looked_at_in_memory_and_what_is_missing_is_told_by_the_daemon() {
    let (mut daemon, client, verifier) = with_ann().await;
    let grant = session(&client, SessionKind::Token).await;
    let token = shown(&grant);
    let roles = |role: &str| Needs { roles: vec![role.into()], ..Needs::default() };
    assert_eq!(way(verifier.verify_for(token.expose(), &roles("editor"))), Way::Signature);
    assert_eq!(way(verifier.verify_for(token.expose(), &roles("editor"))), Way::Memory);
    assert_eq!(code(verifier.verify_for(token.expose(), &roles("owner"))), ErrorCode::RoleMissing);
    let level = Needs { level: Some(2), ..Needs::default() };
    assert_eq!(code(verifier.verify_for(token.expose(), &level)), ErrorCode::Reauthenticate);
    let recent = |seconds| Needs { max_auth_age: Some(seconds), ..Needs::default() };
    assert_eq!(way(verifier.verify_for(token.expose(), &recent(600))), Way::Memory);
    let elsewhere = Needs { audience: Some("elsewhere".into()), ..Needs::default() };
    assert_eq!(verifier.verify_for(token.expose(), &elsewhere).unwrap_err().class(), ErrorClass::Forbidden);
    let named = Needs { audience: Some("local".into()), ..Needs::default() };
    assert_eq!(way(verifier.verify_for(token.expose(), &named)), Way::Memory);
    daemon.stop().await;
}

#[tokio::test]
async fn a_step_up_and_a_password_change_take_the_old_session_with_them() {
    let (mut daemon, client, verifier) = with_ann().await;
    let login = support::login("ann", PASSWORD, SessionKind::Token);
    let old = client.login(login).await.unwrap();
    settles(&verifier, &shown(&old), Way::Memory);
    let proof = Reauthenticate {
        token: shown(&old),
        password: Password::new(PASSWORD.into()),
        audience: None,
        context: Context::default(),
    };
    let new = client.reauthenticate(proof.clone()).await.unwrap();
    let level = Needs { level: Some(2), ..Needs::default() };
    // What a token says of its level ends before it does, so the daemon is asked for when.
    assert_eq!(way(verifier.verify_for(shown(&new).expose(), &level)), Way::Daemon);
    assert_eq!(way(verifier.verify_for(shown(&new).expose(), &level)), Way::Memory);
    assert_eq!(verifier.verify(shown(&old).expose()).unwrap().level(), 1);
    let tail = verifier.verify(shown(&old).expose()).unwrap().expires_at();
    assert!(tail.since(old.session_id.created()) < Duration::from_mins(1), "it ends with its tail");

    let proof = Reauthenticate { token: shown(&new), ..proof };
    let new_password = Password::new("another horse, another staple".into());
    let last = client.change_password(ChangePassword { proof, new_password }).await.unwrap();
    for token in [shown(&old), shown(&new)] {
        assert_eq!(verifier.verify(token.expose()).unwrap_err().class(), ErrorClass::Login);
    }
    verifier.verify(shown(&last).expose()).unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn keys_are_fetched_when_the_board_says_so() {
    let (mut daemon, client, verifier) = with_ann().await;
    let admin = daemon.admin().await;
    let old = shown(&session(&client, SessionKind::Token).await);
    assert_eq!(way(verifier.verify(old.expose())), Way::Signature);
    settles(&verifier, &old, Way::Memory);

    admin.key_rotate(RotateKey { mac: false, emergency: true }).await.unwrap();
    assert_eq!(code(verifier.verify(old.expose())), ErrorCode::TokenStale);
    let new = shown(&session(&client, SessionKind::Token).await);
    verifier.verify(new.expose()).unwrap();
    // Learned by now, or in a moment: a token of that key needs no question any more.
    let give_up = Instant::now() + support::PATIENCE;
    while way(verifier.verify(shown(&session(&client, SessionKind::Token).await).expose())) != Way::Signature
    {
        assert!(Instant::now() < give_up, "the new keys are never learned");
    }
    let cookie = shown(&session(&client, SessionKind::Cookie).await);
    settles(&verifier, &cookie, Way::Memory);
    admin.key_rotate(RotateKey { mac: true, emergency: true }).await.unwrap();
    assert!(verifier.verify(cookie.expose()).is_err(), "its key is gone");
    daemon.stop().await;
}

#[tokio::test]
async fn tokens_that_are_none_are_refused_here_and_leave_nothing() {
    let (mut daemon, client, verifier) = with_ann().await;
    let good = shown(&session(&client, SessionKind::Token).await);
    settles(&verifier, &good, Way::Memory);
    let before = (verifier.cached_bytes(), verifier.asked());
    let mut text = good.expose().to_owned().into_bytes();
    let end = text.len();
    for at in 0..2_000 {
        let place = end - 80 + at % 70;
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(text.clone()).unwrap();
        assert_eq!(code(verifier.verify(&forged)), ErrorCode::InvalidToken);
    }
    assert_eq!((verifier.cached_bytes(), verifier.asked()), before, "nobody was asked, nothing is held");
    for odd in ["", "a", "a.b.c", "hps_", "\u{1F600}\u{1F600}\u{1F600}\u{1F600}\u{1F600}\u{1F600}\u{1F600}"] {
        assert_eq!(verifier.verify(odd).unwrap_err().class(), ErrorClass::Invalid, "{odd:?}");
    }
    assert_eq!(way(verifier.verify(good.expose())), Way::Memory);
    daemon.stop().await;
}

#[tokio::test]
async fn it_needs_no_runtime_and_works_on_any() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Cookie).await);
    let verdict = verifier.verify_async(token.expose(), &Needs::default(), None).await;
    assert_eq!(way(verdict), Way::Daemon);
    let there = std::thread::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        move || way(verifier.verify(token.expose()))
    });
    assert_eq!(there.join().unwrap(), Way::Memory);
    assert!(verifier.try_verify("hps_unseen", &Needs::default(), None).is_none());
    daemon.stop().await;
}
