//! Logging in and out, and what is done with one's own sessions.

use std::time::Duration;

use axum::http::StatusCode;
use hallpass_client::Verifier;
use hallpass_client::admin::AdminClient;
use hallpass_client::web::Web;
use hallpassd::testing::TestDaemon;

use crate::browser::Browser;
use crate::{NEW_PASSWORD, PASSWORD, app, served, web};

#[tokio::test]
async fn a_login_sets_one_cookie_and_a_logout_takes_it_back() {
    let (_daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    assert_eq!(browser.get("/").await.text, "nobody");
    let page = browser.log_in().await;
    assert_eq!(page.header("location"), "/");
    let session = page.set_cookies().into_iter().find(|cookie| cookie.contains("-session=")).unwrap();
    assert!(session.starts_with("__Host-local-session=hps_"), "{session}");
    assert!(session.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{session}");
    assert_eq!(browser.get("/me").await.text, "alice");

    let other_tab = browser.clone();
    assert_eq!(browser.post("/logout", "").await.status, StatusCode::OK);
    assert!(!browser.cookies.contains_key("__Host-local-session"));
    // The other tab still sends what it had, and is not let in by it.
    let mut other_tab = other_tab.with("accept", "text/html");
    let page = other_tab.get("/me").await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/login?next=%2Fme"));
    assert!(
        !other_tab.cookies.contains_key("__Host-local-session"),
        "a session that is over leaves no cookie"
    );
}

#[tokio::test]
async fn c1_a_login_gains_nothing_for_a_session_that_was_there_before() {
    let (_daemon, app) = served().await;
    let mut attacker = Browser::new(&app);
    attacker.log_in().await;
    let mut victim = attacker.clone();
    victim.log_in().await;
    assert_ne!(victim.cookies["__Host-local-session"], attacker.cookies["__Host-local-session"]);
    assert_eq!(victim.get("/me").await.status, StatusCode::OK);
    assert_eq!(attacker.get("/me").await.status, StatusCode::UNAUTHORIZED, "the one before has ended");
}

#[tokio::test]
async fn after_a_login_a_browser_goes_where_it_wanted_to_and_nowhere_else() {
    let (_daemon, app) = served().await;
    for (next, place) in [
        ("%2Fme%3Ftab%3D2", "/me?tab=2"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%2Fevil", "/"),
        ("%2F%09%2Fevil", "/"),
        ("%2F%5Cevil", "/"),
    ] {
        let mut browser = Browser::new(&app);
        let form = format!("name=alice&password={}", PASSWORD.replace(' ', "+"));
        let page = browser.post(&format!("/login?next={next}"), &form).await;
        assert_eq!(page.header("location"), place, "{next}");
    }
}

#[tokio::test]
async fn another_proof_raises_the_level_for_a_while_and_changes_the_cookie() {
    let (daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    let page = browser.get("/danger").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let challenge = page.header("www-authenticate");
    assert!(
        challenge.contains("insufficient_user_authentication") && challenge.contains("acr_values=\"2\""),
        "{challenge}"
    );
    let page = browser.clone().with("accept", "text/html,*/*").get("/danger").await;
    assert_eq!(page.header("location"), "/prove?next=%2Fdanger");

    let before = browser.cookies.clone();
    let page = browser.post("/prove", &format!("name=&password={}", PASSWORD.replace(' ', "+"))).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_ne!(browser.cookies["__Host-local-session"], before["__Host-local-session"]);
    assert_eq!(browser.get("/danger").await.text, "2");
    daemon.advance(Duration::from_mins(6));
    assert_eq!(
        browser.get("/danger").await.status,
        StatusCode::UNAUTHORIZED,
        "the proof is not recent any more"
    );
    assert_eq!(browser.get("/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn c9_a_changed_password_ends_the_other_devices_and_this_one_goes_on() {
    let (_daemon, app) = served().await;
    let (mut here, mut there) = (Browser::new(&app), Browser::new(&app));
    here.log_in().await;
    there.log_in().await;
    let form = |old: &str| format!("old={}&new={}", old.replace(' ', "+"), NEW_PASSWORD.replace(' ', "+"));
    assert_eq!(
        here.post("/password", &form("not the right horse at all")).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(here.get("/me").await.status, StatusCode::OK, "nothing has happened");
    assert_eq!(here.post("/password", &form(PASSWORD)).await.status, StatusCode::OK);
    assert_eq!(here.get("/me").await.status, StatusCode::OK);
    assert_eq!(there.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_user_ends_own_sessions_and_nobody_elses() {
    let (daemon, app) = served().await;
    daemon.add_user("bob", PASSWORD, &[]).unwrap();
    let (mut here, mut there, mut bob) = (Browser::new(&app), Browser::new(&app), Browser::new(&app));
    here.log_in().await;
    there.log_in().await;
    bob.post("/login", &format!("name=bob&password={}", PASSWORD.replace(' ', "+"))).await;
    let listed = here.get("/sessions").await.text;
    let ids: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(ids.len(), 2, "{listed}");

    let page = bob.post("/end", &format!("session={}", ids[0])).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(here.get("/me").await.status, StatusCode::OK);
    assert_eq!(here.post("/end", &format!("session={}", ids[1])).await.status, StatusCode::OK);
    assert_eq!(there.get("/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(here.post("/logout-everywhere", "").await.status, StatusCode::OK);
    assert_eq!(here.get("/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bob.get("/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_an_administrator_takes_back_counts_for_the_next_request() {
    let (daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    assert_eq!(browser.get("/edit").await.status, StatusCode::OK);
    daemon.set_roles("alice", &["reader"]).unwrap();
    assert_eq!(browser.get("/edit").await.status, StatusCode::FORBIDDEN);
    assert!(browser.cookies.contains_key("__Host-local-session"), "she is still logged in");
    daemon.revoke_user("alice").unwrap();
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_user_is_shown_is_not_kept_and_what_is_public_is() {
    let (_daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    assert_eq!(browser.get("/").await.header("cache-control"), "");
    browser.log_in().await;
    assert_eq!(browser.get("/me").await.header("cache-control"), "no-store");
    assert_eq!(browser.get("/public").await.header("cache-control"), "max-age=60", "the handler has said so");
}

#[tokio::test]
async fn plain_localhost_has_plain_cookies_that_still_carry_the_app() {
    let daemon = TestDaemon::start().unwrap();
    daemon.add_user("alice", PASSWORD, &[]).unwrap();
    let app = app(&web(&daemon, Web::builder().plain_localhost()).await);
    let mut browser = Browser::new(&app);
    let page = browser.log_in().await;
    assert!(browser.cookies.contains_key("local-session"));
    assert!(
        page.set_cookies().iter().all(|cookie| !cookie.contains("Secure") && cookie.contains("HttpOnly"))
    );
}

#[tokio::test]
async fn requests_are_verified_by_a_verifier_that_is_set_up_as_the_app_wants() {
    let daemon = TestDaemon::start().unwrap();
    daemon.add_user("alice", PASSWORD, &[]).unwrap();
    let reporting = Verifier::builder().report_every(Duration::from_secs(1));
    let app = app(&web(&daemon, Web::builder().verifier(reporting)).await);
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    for _ in 0..5 {
        assert_eq!(browser.get("/me").await.text, "alice");
    }
    let admin = AdminClient::connect(daemon.admin_socket()).await.unwrap();
    for _ in 0..2_000 {
        let metrics = admin.metrics().await.unwrap();
        if metrics.apps.iter().any(|app| app.verifier.total() >= 5) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing is reported");
}
