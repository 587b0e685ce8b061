//! The tests that `docs/testing.md` shows to whoever writes an app, run as they would be there.

use std::time::Duration;

use hallpass_client::{
    Client, Context, ErrorClass, ErrorCode, GrantedTokens, Login, Needs, Password, Reauthenticate,
    SessionKind, Token,
};
use hallpassd::testing::TestDaemon;

const PASSWORD: &str = "correct horse battery staple";

async fn logged_in(daemon: &TestDaemon) -> Result<(Client, Token), Box<dyn std::error::Error>> {
    daemon.add_user("alice", PASSWORD, &["editor"])?;
    let client = Client::connect(daemon.socket()).await?;
    let login = Login {
        name: "alice".into(),
        password: Password::new(PASSWORD.into()),
        kind: SessionKind::Cookie,
        audience: None,
        device_token: None,
        context: Context::default(),
    };
    let GrantedTokens::Cookie { session_token } = client.login(login).await?.tokens else { unreachable!() };
    Ok((client, session_token))
}

#[tokio::test]
async fn a_session_that_idles_for_a_week_is_over() -> Result<(), Box<dyn std::error::Error>> {
    let daemon = TestDaemon::start()?;
    let (client, session) = logged_in(&daemon).await?;
    daemon.advance(Duration::from_hours(7 * 24 + 1));
    let refused = client.verify(session, Needs::default()).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Login); // the app clears its cookie
    Ok(())
}

#[tokio::test]
async fn a_revoked_user_is_out_with_the_next_request() -> Result<(), Box<dyn std::error::Error>> {
    let daemon = TestDaemon::start()?;
    let (client, session) = logged_in(&daemon).await?;
    client.verify(session.clone(), Needs::default()).await?;
    daemon.revoke_user("alice")?;
    let refused = client.verify(session, Needs::default()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Revoked);
    Ok(())
}

#[tokio::test]
async fn what_is_dangerous_asks_for_the_password_again() -> Result<(), Box<dyn std::error::Error>> {
    let daemon = TestDaemon::start()?;
    let (client, session) = logged_in(&daemon).await?;
    let danger = Needs { level: Some(2), max_auth_age: Some(300), ..Needs::default() };
    let refused = client.verify(session.clone(), danger.clone()).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Reauthenticate);

    let password = Password::new(PASSWORD.into());
    let proof = Reauthenticate { token: session, password, audience: None, context: Context::default() };
    let GrantedTokens::Cookie { session_token } = client.reauthenticate(proof).await?.tokens else {
        unreachable!()
    };
    client.verify(session_token.clone(), danger.clone()).await?;

    daemon.advance(Duration::from_mins(6));
    let refused = client.verify(session_token, danger).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Reauthenticate);
    Ok(())
}

#[test]
fn the_page_shows_these_tests() {
    let page = include_str!("../../docs/testing.md");
    let shown: Vec<&str> =
        page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 4, "what a test needs first, and three tests");
    for code in shown {
        assert!(
            include_str!("documented.rs").contains(code),
            "docs/testing.md shows what is not run:\n{code}"
        );
    }
}
