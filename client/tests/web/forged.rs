//! Requests that a page of another site has made.

use axum::http::StatusCode;

use crate::browser::Browser;
use crate::{PASSWORD, served};

#[tokio::test]
async fn another_sites_page_changes_nothing_in_a_users_name() {
    let (_daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    let csrf = browser.get("/csrf").await.text;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "https://shop.example:8443"),
        ("origin", "null"),
    ] {
        let mut forged = browser.clone().with(name, value);
        // Even with a right token, which such a page cannot have.
        let page = forged.post_bare("/change", &format!("csrf={csrf}")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert_eq!(forged.get("/me").await.status, StatusCode::OK, "links from elsewhere work");
    }
    for own in [("sec-fetch-site", "same-origin"), ("origin", "https://shop.example")] {
        let page = browser.clone().with(own.0, own.1).post_bare("/change", &format!("csrf={csrf}")).await;
        assert_eq!(page.text, "changed");
    }
}

#[tokio::test]
async fn without_this_browsers_token_nothing_changes() {
    let (daemon, app) = served().await;
    daemon.add_user("bob", PASSWORD, &[]).unwrap();
    let (mut browser, mut bob) = (Browser::new(&app), Browser::new(&app));
    browser.log_in().await;
    bob.post("/login", &format!("name=bob&password={}", PASSWORD.replace(' ', "+"))).await;
    let another = bob.get("/csrf").await.text;
    for form in [String::new(), "csrf=".into(), format!("csrf={another}")] {
        let page = browser.post_bare("/change", &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{form}");
        assert!(page.text.contains("load the page again"), "{}", page.text);
    }
    let own = browser.get("/csrf").await.text;
    let mut scripted = browser.clone().with("x-csrf-token", &own).with("content-type", "application/json");
    assert_eq!(scripted.post_bare("/change", "{}").await.text, "changed");
}

#[tokio::test]
async fn logging_somebody_in_as_another_needs_a_token_too() {
    let (_daemon, app) = served().await;
    let form = format!("name=alice&password={}", PASSWORD.replace(' ', "+"));
    let mut browser = Browser::new(&app);
    assert_eq!(browser.post_bare("/login", &form).await.status, StatusCode::FORBIDDEN);
    // A page of the app gives a visitor a cookie to go with the token, and the two belong together.
    let csrf = browser.get("/csrf").await.text;
    assert!(browser.cookies.contains_key("__Host-local-pre"));
    let mut other = Browser::new(&app);
    assert_eq!(other.post_bare("/login", &format!("{form}&csrf={csrf}")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        browser.post_bare("/login", &format!("{form}&csrf={csrf}")).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_form_that_was_open_when_its_session_ended_sends_to_the_login() {
    let (daemon, app) = served().await;
    let mut browser = Browser::new(&app).with("accept", "text/html");
    browser.log_in().await;
    let csrf = browser.get("/csrf").await.text;
    daemon.revoke_user("alice").unwrap();
    let page = browser.post_bare("/change", &format!("csrf={csrf}")).await;
    // What it would have changed is not gone to again.
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/login"));
    let page = browser.log_in().await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "and from there it goes on");
}

#[tokio::test]
async fn a_token_in_a_header_needs_no_other_proof_of_its_page() {
    let (_daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    let token = browser.cookies["__Host-local-session"].clone();
    let mut caller = Browser::new(&app).with("authorization", &format!("bearer {token}"));
    assert_eq!(caller.post_bare("/change", "").await.text, "changed");
    let mut wrong = Browser::new(&app).with("authorization", "Bearer hps_nonsense");
    let page = wrong.post_bare("/change", "").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(page.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}
