//! What is answered when somebody is not let in, or when that cannot be known.

use std::time::Duration;

use axum::http::StatusCode;

use crate::browser::Browser;
use crate::served;

#[tokio::test]
async fn whoever_shows_nothing_is_asked_to_log_in() {
    let (_daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    let page = browser.get("/me").await;
    assert_eq!((page.status, page.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    let page = browser.with("accept", "text/html").get("/me?tab=2&x=%20").await;
    assert_eq!(page.header("location"), "/login?next=%2Fme%3Ftab%3D2%26x%3D%2520");
}

#[tokio::test]
async fn a_route_outside_the_layer_says_so_instead_of_letting_anybody_in() {
    let (_daemon, app) = served().await;
    let page = Browser::new(&app).get("/outside").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(page.text.contains("web.layer()"), "{}", page.text);
}

#[tokio::test]
async fn a_session_that_idles_past_its_end_is_sent_to_the_login() {
    let (daemon, app) = served().await;
    let mut browser = Browser::new(&app).with("accept", "text/html");
    browser.log_in().await;
    daemon.advance(Duration::from_hours(7 * 24 - 1));
    assert_eq!(browser.get("/me").await.status, StatusCode::OK);
    daemon.advance(Duration::from_hours(8 * 24));
    let page = browser.get("/me").await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/login?next=%2Fme"));
    assert!(!browser.cookies.contains_key("__Host-local-session"));
}

#[tokio::test]
async fn while_the_daemon_is_away_nobody_is_logged_out() {
    let (mut daemon, app) = served().await;
    let mut browser = Browser::new(&app).with("accept", "text/html");
    browser.log_in().await;
    assert_eq!(browser.get("/me").await.status, StatusCode::OK);
    daemon.stop();
    for path in ["/me", "/", "/edit"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path} {}", page.text);
        assert!(!page.header("retry-after").is_empty());
        assert_eq!(page.set_cookies(), [""; 0], "its cookie stays");
    }
    daemon.restart().unwrap();
    for _ in 0..200 {
        if browser.get("/me").await.status == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it is not let in again");
}

#[tokio::test]
async fn a_cookie_that_is_no_token_stays_where_it_is_and_opens_nothing() {
    let (_daemon, app) = served().await;
    let mut browser = Browser::new(&app);
    browser.cookies.insert("__Host-local-session".to_owned(), "nonsense".to_owned());
    let page = browser.get("/me").await;
    assert_eq!((page.status, page.set_cookies().len()), (StatusCode::UNAUTHORIZED, 0));
    assert_eq!(browser.get("/").await.text, "nobody");
}
