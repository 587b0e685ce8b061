//! An API that pages of other origins call: the recipe of the module `web`, by what a browser asks and sees.

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use hallpassd::testing::TestDaemon;
use tower_http::cors::CorsLayer;

use crate::browser::{Browser, Page};
use crate::served;

const DASHBOARD: &str = "https://dashboard.example";

/// The recipe: outside of the layer, origins by name, no credentials.
fn with_cors(app: Router) -> Router {
    let cors = CorsLayer::new()
        .allow_origin([HeaderValue::from_static("https://dashboard.example")])
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE]);
    app.layer(cors)
}

/// An app that pages of the dashboard may call, and a browser that is logged in at the app itself.
async fn api() -> (TestDaemon, Router, Browser) {
    let (daemon, app) = served().await;
    let app = with_cors(app);
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    (daemon, app, browser)
}

#[test]
fn the_recipe_is_the_one_that_is_documented() {
    let recipe = |text: &'static str, margin: &str| -> Vec<&'static str> {
        let lines = text.lines().map(|line| line.strip_prefix(margin).unwrap_or(line).trim());
        lines
            .skip_while(|line| !line.starts_with("let cors ="))
            .take_while(|line| !line.starts_with("app."))
            .collect()
    };
    let tested = recipe(include_str!("cors.rs"), "");
    assert!(tested.len() > 3, "{tested:?}");
    assert_eq!(recipe(include_str!("../../src/web.rs"), "//!"), tested);
}

/// What a page of another site sends with each call.
fn on_a_page_of(origin: &str, browser: Browser) -> Browser {
    browser.with("origin", origin).with("sec-fetch-site", "cross-site")
}

/// Whether a browser shows this answer to the page that asked for it.
fn is_shown(page: &Page, origin: &str) -> bool {
    page.header("access-control-allow-origin") == origin
}

#[tokio::test]
async fn a_page_of_a_named_origin_calls_with_a_token() {
    let (_daemon, app, own) = api().await;
    let mut page = on_a_page_of(DASHBOARD, Browser::new(&app));
    let asked = page.preflight("/change", "POST", "authorization,content-type").await;
    assert_eq!((asked.status, is_shown(&asked, DASHBOARD)), (StatusCode::OK, true));
    assert_eq!(asked.header("access-control-allow-methods"), "GET,POST");
    assert_eq!(asked.header("access-control-allow-headers"), "authorization,content-type");

    let token = format!("Bearer {}", own.cookies["__Host-local-session"]);
    let mut page = page.with("authorization", &token);
    let changed = page.post_bare("/change", "").await;
    assert_eq!((changed.text.as_str(), is_shown(&changed, DASHBOARD)), ("changed", true));
    let read = page.get("/me").await;
    assert_eq!((read.text.as_str(), is_shown(&read, DASHBOARD)), ("alice", true));
}

#[tokio::test]
async fn a_page_of_a_named_origin_sees_why_it_was_refused() {
    let (mut daemon, app, own) = api().await;
    daemon.revoke_user("alice").unwrap();
    let token = format!("Bearer {}", own.cookies["__Host-local-session"]);
    let mut page = on_a_page_of(DASHBOARD, Browser::new(&app)).with("authorization", &token);
    let refused = page.get("/me").await;
    assert_eq!((refused.status, is_shown(&refused, DASHBOARD)), (StatusCode::UNAUTHORIZED, true));
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert_eq!(refused.header("access-control-expose-headers"), "retry-after,www-authenticate");
    daemon.stop();
    let away = page.get("/me").await;
    assert_eq!((away.status, is_shown(&away, DASHBOARD)), (StatusCode::SERVICE_UNAVAILABLE, true));
    assert!(!away.header("retry-after").is_empty());
}

#[tokio::test]
async fn no_page_of_another_origin_gets_anything_by_a_users_cookies() {
    let (_daemon, _app, browser) = api().await;
    let mut page = on_a_page_of(DASHBOARD, browser);
    let read = page.get("/me").await;
    // Its page asked with cookies, and then a browser shows it only what says that it may have been asked so.
    assert_eq!(read.header("access-control-allow-credentials"), "");
    assert_eq!(page.post_bare("/change", "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_of_an_origin_that_is_not_named_is_told_nothing() {
    let (_daemon, app, own) = api().await;
    let token = format!("Bearer {}", own.cookies["__Host-local-session"]);
    for origin in
        ["https://evil.example", "http://dashboard.example", "https://dashboard.example:8443", "null"]
    {
        let mut page = on_a_page_of(origin, Browser::new(&app));
        let asked = page.preflight("/change", "POST", "authorization").await;
        assert!(!is_shown(&asked, origin), "{origin}");
        let read = page.with("authorization", &token).get("/me").await;
        assert_eq!(read.header("access-control-allow-origin"), "", "{origin}");
    }
}
