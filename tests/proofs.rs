//! Proving a user again, changing a password, codes, vouching, service tokens, renaming and keys, through the real daemon.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::collections::BTreeMap;

use hallpass_client::admin::{AddUser, ImportUser, RevokeTarget};
use hallpass_client::{
    ChangePassword, Client, Context, ErrorClass, ErrorCode, Grant, GrantedTokens, Login, Needs, OpenSession,
    Password, Reauthenticate, RedeemCode, SessionKind, Token, UserRef,
};
use hallpass_protocol::jws::{ServiceVerifier, Verifier};
use support::{Daemon, PASSWORD};

const NEW_PASSWORD: &str = "another horse, another staple";

/// Settings for an app that may do everything.
fn every_right() -> String {
    let uid = nix::unistd::geteuid();
    format!(
        "[refresh]\nper_minute = 0\n[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\n\
         rights = [\"login\", \"verify\", \"refresh\", \"revoke\", \"list\", \"vouch\", \"service_token\"]\n"
    )
}

fn login(kind: SessionKind, password: &str) -> Login {
    Login {
        name: "ann".into(),
        password: Password::new(password.into()),
        kind,
        audience: None,
        device_token: None,
        context: Context::default(),
    }
}

fn proof(token: &Token, password: &str) -> Reauthenticate {
    let password = Password::new(password.into());
    Reauthenticate { token: token.clone(), password, audience: None, context: Context::default() }
}

/// The token that a grant's session is verified with.
fn shown(grant: &Grant) -> Token {
    match &grant.tokens {
        GrantedTokens::Cookie { session_token } => session_token.clone(),
        GrantedTokens::Token { access_token, .. } => access_token.clone(),
    }
}

fn level(least: u8) -> Needs {
    Needs { level: Some(least), ..Needs::default() }
}

async fn with_ann(daemon: &Daemon) -> Client {
    let user = AddUser {
        name: "ann".into(),
        password: Some(Password::new(PASSWORD.into())),
        roles: vec!["editor".into()],
    };
    daemon.admin().await.user_add(user).await.unwrap();
    daemon.client().await
}

#[tokio::test(flavor = "current_thread")]
async fn c15_another_proof_gives_a_new_session_of_a_higher_level() {
    let mut daemon = Daemon::start().await;
    let client = with_ann(&daemon).await;
    for kind in [SessionKind::Cookie, SessionKind::Token] {
        let old = client.login(login(kind, PASSWORD)).await.unwrap();
        let refused = client.verify(shown(&old), level(2)).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Reauthenticate);
        let wrong = client.reauthenticate(proof(&shown(&old), "not the password at all")).await.unwrap_err();
        assert_eq!(wrong.code(), ErrorCode::InvalidCredentials);
        let new = client.reauthenticate(proof(&shown(&old), PASSWORD)).await.unwrap();
        assert_ne!(new.session_id, old.session_id);
        assert_eq!(new.absolute_deadline, old.absolute_deadline);
        assert_eq!(client.verify(shown(&new), level(2)).await.unwrap().level, 2);
        assert_eq!(client.verify(shown(&old), Needs::default()).await.unwrap().level, 1, "its tail");
        assert!(client.verify(shown(&old), level(2)).await.is_err(), "never at the raised level");
        let twice = client.reauthenticate(proof(&shown(&old), PASSWORD)).await.unwrap_err();
        assert_eq!((twice.code(), twice.class()), (ErrorCode::Superseded, ErrorClass::Retry));
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn c9_a_changed_password_ends_every_session_but_its_own() {
    let mut daemon = Daemon::start().await;
    let client = with_ann(&daemon).await;
    let own = client.login(login(SessionKind::Cookie, PASSWORD)).await.unwrap();
    let other = client.login(login(SessionKind::Token, PASSWORD)).await.unwrap();
    let change = |password: &str, new: &str| ChangePassword {
        proof: proof(&shown(&own), password),
        new_password: Password::new(new.into()),
    };
    let short = client.change_password(change(PASSWORD, "short")).await.unwrap_err();
    assert_eq!(short.code(), ErrorCode::WeakPassword);
    let wrong = client.change_password(change("not the password at all", NEW_PASSWORD)).await.unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::InvalidCredentials);
    assert!(client.verify(shown(&other), Needs::default()).await.is_ok(), "nothing has changed");
    let new = client.change_password(change(PASSWORD, NEW_PASSWORD)).await.unwrap();
    assert!(client.verify(shown(&new), Needs::default()).await.is_ok());
    for dead in [&own, &other] {
        let error = client.verify(shown(dead), Needs::default()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Login);
    }
    daemon.kill9();
    daemon.restart().await;
    let client = daemon.client().await;
    assert!(client.login(login(SessionKind::Token, PASSWORD)).await.is_err(), "the old password");
    assert!(client.login(login(SessionKind::Token, NEW_PASSWORD)).await.is_ok());
    daemon.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn d21_a_code_sets_a_password_once_and_only_the_newest_counts() {
    let mut daemon = Daemon::start().await;
    let (client, admin) = (with_ann(&daemon).await, daemon.admin().await);
    let redeem = |code: &Token| RedeemCode {
        name: "ann".into(),
        code: code.clone(),
        new_password: Password::new(NEW_PASSWORD.into()),
        kind: SessionKind::Token,
        audience: None,
        context: Context::default(),
    };
    let older = admin.user_code("ann").await.unwrap().code;
    let newest = admin.user_code("ann").await.unwrap().code;
    let refused = client.redeem_code(redeem(&older)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidCredentials);
    let grant = client.redeem_code(redeem(&newest)).await.unwrap();
    assert_eq!(client.verify(shown(&grant), Needs::default()).await.unwrap().name, "ann");
    assert!(client.login(login(SessionKind::Token, NEW_PASSWORD)).await.is_ok());
    assert_eq!(client.redeem_code(redeem(&newest)).await.unwrap_err().code(), ErrorCode::InvalidCredentials);
    daemon.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn vouching_and_service_tokens_need_their_rights() {
    let mut daemon = Daemon::with_settings("").await;
    let client = with_ann(&daemon).await;
    let open = OpenSession {
        user: UserRef::Name("ann".into()),
        kind: SessionKind::Token,
        audience: None,
        amr: vec!["hwk".into()],
        context: Context::default(),
    };
    assert_eq!(client.open_session(open.clone()).await.unwrap_err().code(), ErrorCode::Forbidden);
    assert_eq!(client.service_token(None).await.unwrap_err().code(), ErrorCode::Forbidden);
    daemon.stop().await;

    let mut daemon = Daemon::with_config(&every_right()).await;
    let client = with_ann(&daemon).await;
    let grant = client.open_session(open).await.unwrap();
    assert_eq!(client.verify(shown(&grant), Needs::default()).await.unwrap().amr, ["hwk"]);

    let service = client.service_token(None).await.unwrap();
    let (jwks, now) = (client.jwks().await.unwrap().jwks, service.expires.as_secs() - 1);
    let apps = ServiceVerifier::from_jwks(&jwks, "hallpass", "local").unwrap();
    assert_eq!(apps.verify_at(service.token.expose(), now).unwrap().sub, "app:local");
    let users = Verifier::from_jwks(&jwks, "hallpass", "local").unwrap();
    assert!(users.verify_at(service.token.expose(), now).is_err());
    assert!(apps.verify_at(shown(&grant).expose(), now).is_err());
    let as_a_user = client.verify(service.token, Needs::default()).await.unwrap_err();
    assert_eq!(as_a_user.code(), ErrorCode::InvalidToken);
    daemon.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn c8_a_renamed_user_stays_who_they_are() {
    let mut daemon = Daemon::start().await;
    let (client, admin) = (with_ann(&daemon).await, daemon.admin().await);
    let grant = client.login(login(SessionKind::Cookie, PASSWORD)).await.unwrap();
    admin.user_rename("ann", "annie").await.unwrap();
    let attributes = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    admin.user_set_attributes("annie", attributes.clone()).await.unwrap();
    let identity = client.verify(shown(&grant), Needs::default()).await.unwrap();
    assert_eq!(
        (identity.user_id, identity.name.as_str(), identity.attributes),
        (grant.user_id, "annie", attributes)
    );
    assert!(client.login(login(SessionKind::Token, PASSWORD)).await.is_err(), "the old name leads nowhere");
    let stepping_in = AddUser { name: "ann".into(), password: None, roles: Vec::new() };
    assert_eq!(admin.user_add(stepping_in).await.unwrap_err().code(), ErrorCode::AlreadyExists);
    daemon.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn what_was_taken_back_is_listed_and_an_app_can_be_ended_as_a_whole() {
    let mut daemon = Daemon::start().await;
    let (client, admin) = (with_ann(&daemon).await, daemon.admin().await);
    let one = client.login(login(SessionKind::Token, PASSWORD)).await.unwrap();
    let two = client.login(login(SessionKind::Cookie, PASSWORD)).await.unwrap();
    admin.revoke(RevokeTarget::Session(one.session_id)).await.unwrap();
    assert_eq!(admin.revoke(RevokeTarget::App("blog".into())).await.unwrap_err().code(), ErrorCode::NotFound);
    admin.revoke(RevokeTarget::App("local".into())).await.unwrap();
    assert_eq!(client.verify(shown(&two), Needs::default()).await.unwrap_err().class(), ErrorClass::Login);
    let listed: Vec<_> =
        admin.revocation_list(None).await.unwrap().into_iter().map(|entry| (entry.kind, entry.id)).collect();
    let wanted = [("session".to_owned(), one.session_id.to_string()), ("app".to_owned(), "local".to_owned())];
    assert_eq!(listed, wanted);
    daemon.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_signing_key_that_is_taken_back_takes_its_access_tokens_along() {
    let mut daemon = Daemon::with_config(&every_right()).await;
    let (client, admin) = (with_ann(&daemon).await, daemon.admin().await);
    let before = client.login(login(SessionKind::Token, PASSWORD)).await.unwrap();
    let cookie = client.login(login(SessionKind::Cookie, PASSWORD)).await.unwrap();
    let kid_of = |state: &'static str, keys: Vec<hallpass_client::admin::KeyInfo>| {
        let found = keys.into_iter().find(|key| key.kind == "signing" && key.state == state);
        found.map(|key| key.kid)
    };
    let kid = kid_of("active", admin.key_list().await.unwrap()).unwrap();
    assert!(client.verify(shown(&before), Needs::default()).await.is_ok());
    let unknown = admin.key_retire("nothing").await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::NotFound);
    for time in ["once", "again", "after a crash"] {
        let keys = admin.key_retire(kid.as_str()).await.unwrap();
        assert_eq!(kid_of("revoked", keys.clone()).as_ref(), Some(&kid), "{time}");
        assert!(kid_of("active", keys).is_some_and(|active| active != kid), "{time}");
        let stale = client.verify(shown(&before), Needs::default()).await.unwrap_err();
        assert_eq!((stale.code(), stale.class()), (ErrorCode::TokenStale, ErrorClass::Refresh), "{time}");
        assert!(!admin.key_jwks().await.unwrap().contains(&kid), "{time}");
        assert!(client.verify(shown(&cookie), Needs::default()).await.is_ok(), "sessions go on");
        daemon.kill9();
        daemon.restart().await;
    }
    let new = client.login(login(SessionKind::Token, PASSWORD)).await.unwrap();
    assert!(client.verify(shown(&new), Needs::default()).await.is_ok());
    let listed = admin.revocation_list(None).await.unwrap();
    assert!(listed.iter().any(|entry| entry.kind == "key" && entry.id == kid), "{listed:?}");
    daemon.stop().await;
}

/// What a dry run says of a name is what the import says of it then.
#[tokio::test(flavor = "current_thread")]
async fn a_dry_run_knows_names_that_are_taken_or_kept() {
    let mut daemon = Daemon::with_config(&every_right()).await;
    let (_, admin) = (with_ann(&daemon).await, daemon.admin().await);
    admin.user_rename("ann", "anna").await.unwrap();
    for (name, wanted) in [
        ("ann", Some((ErrorCode::InvalidRequest, "was given up not long ago"))),
        ("anna", Some((ErrorCode::AlreadyExists, "is taken"))),
        ("bob", None),
    ] {
        for check_only in [true, false] {
            // Made with Python's bcrypt: bcrypt.hashpw(b"a long enough password", bcrypt.gensalt(4)).
            let hash = "$2b$04$pVMdBUkeBsJvMEvLzV/diOaI9CMgHeO6xICRkON2YBuu6R/kYh3ya".to_owned();
            let (name, hash) = (name.to_owned(), Password::new(hash));
            let user =
                ImportUser { name: name.clone(), hash: Some(hash), check_only, ..ImportUser::default() };
            let outcome = admin.user_import(user).await;
            assert_eq!(
                outcome.as_ref().err().map(hallpass_client::Error::code),
                wanted.map(|(code, _)| code),
                "{name}, dry run: {check_only}"
            );
            let said = outcome.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(wanted.map_or("", |(_, words)| words)), "{said}");
        }
    }
    daemon.stop().await;
}
