//! Token sessions in a browser: many requests at once around the end of the access token, and answers that are lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hallpass_client::web::Web;
use hallpassd::testing::TestDaemon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::browser::Browser;
use crate::{PASSWORD, app};

/// Requests that a page makes at once.
const AT_ONCE: usize = 64;

/// A daemon whose access tokens live for a minute, and an app whose browsers hold tokens, by way of this socket.
async fn served(socket: impl FnOnce(&TestDaemon) -> PathBuf) -> (TestDaemon, Router) {
    let daemon = TestDaemon::with_config("[lifetimes]\naccess = \"1m\"\n").expect("a daemon");
    daemon.add_user("alice", PASSWORD, &["editor"]).expect("a user");
    let web = Web::builder().with_tokens().connect(socket(&daemon)).await.expect("the daemon serves");
    (daemon, app(&web))
}

/// How often the session was refreshed, as the daemon counts.
async fn refreshes(browser: &mut Browser) -> u32 {
    let listed = browser.get("/sessions").await.text;
    listed.trim().rsplit(' ').next().and_then(|count| count.parse().ok()).expect("one session")
}

/// Asks for the same page many times at once with the same cookies. Gives the browser as it is after each answer.
async fn ask_at_once(browser: &Browser) -> Vec<Browser> {
    let asking = (0..AT_ONCE).map(|_| {
        let mut tab = browser.clone();
        tokio::spawn(async move {
            let page = tab.get("/edit").await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            tab
        })
    });
    let mut tabs = Vec::new();
    for tab in asking.collect::<Vec<_>>() {
        tabs.push(tab.await.expect("its page was right"));
    }
    tabs
}

fn rounds() -> u32 {
    std::env::var("HALLPASS_RENEWAL_ROUNDS").map_or(20, |rounds| rounds.parse().expect("a number"))
}

#[tokio::test]
async fn many_requests_around_the_end_of_a_token_make_one_refresh_and_none_fails() {
    let (daemon, app) = served(TestDaemon::socket).await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    for round in 1..=rounds() {
        daemon.advance(Duration::from_secs(61));
        let tabs = ask_at_once(&browser).await;
        let last = &tabs[0].cookies;
        assert!(tabs.iter().all(|tab| tab.cookies == *last), "no answer sets another cookie than the others");
        assert_ne!(*last, browser.cookies);
        browser.cookies.clone_from(last);
        assert_eq!(refreshes(&mut browser).await, round, "exactly one has reached the daemon");
    }
}

#[tokio::test]
async fn a_request_that_was_on_its_way_does_not_set_the_cookies_back() {
    let (daemon, app) = served(TestDaemon::socket).await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    daemon.advance(Duration::from_secs(61));
    let mut late = browser.clone();
    browser.get("/edit").await;
    daemon.advance(Duration::from_secs(61));
    let newest = {
        let mut tab = browser.clone();
        tab.get("/edit").await;
        tab.cookies
    };
    // It was sent with the tokens of two refreshes ago, within a moment in which this app knows what became of them.
    assert_eq!(late.get("/edit").await.status, StatusCode::OK);
    assert_eq!(late.cookies, newest);
}

#[tokio::test]
async fn b4_a_lost_answer_heals_and_costs_nobody_their_session() {
    let cuts = Arc::new(AtomicUsize::new(0));
    let dir = tempfile::TempDir::new().unwrap();
    let between = dir.path().join("between.sock");
    let shared = Arc::clone(&cuts);
    let (daemon, app) = served(move |daemon| {
        relay(between.clone(), daemon.socket(), shared);
        between
    })
    .await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    for (round, lost) in (1..).zip([1, 2]) {
        daemon.advance(Duration::from_secs(61));
        cuts.store(lost, Ordering::SeqCst);
        let mut page = browser.get("/edit").await;
        if lost > 1 {
            // The client has asked twice and heard nothing: the user is still logged in, and the next request finds out.
            assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(page.set_cookies().is_empty());
            page = browser.get("/edit").await;
        }
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_eq!(refreshes(&mut browser).await, round, "it was carried out once");
    }
}

#[tokio::test]
async fn b4_a_browser_that_lost_the_answer_goes_on_even_if_the_app_was_restarted_since() {
    let (daemon, app) = served(TestDaemon::socket).await;
    let mut browser = Browser::new(&app);
    browser.log_in().await;
    for (round, restarted) in (1..).zip([false, true]) {
        daemon.advance(Duration::from_secs(61));
        let mut lost = browser.clone();
        assert_eq!(lost.get("/edit").await.status, StatusCode::OK);
        if restarted {
            // Nothing is left of what the app knew; the daemon still knows the token before, for half a minute.
            daemon.advance(Duration::from_secs(20));
            let web = Web::builder().with_tokens().connect(daemon.socket()).await.expect("the daemon serves");
            browser = browser.at(&crate::app(&web));
        }
        let page = browser.get("/edit").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_eq!(
            browser.cookies["__Host-local-refresh"], lost.cookies["__Host-local-refresh"],
            "the same successor"
        );
        assert_eq!(refreshes(&mut browser).await, round, "it was carried out once");
    }
}

/// Passes bytes on in both directions, and cuts as many connections as it is told to as soon as an answer comes.
fn relay(near: PathBuf, far: PathBuf, cuts: Arc<AtomicUsize>) {
    let listener = UnixListener::bind(near).expect("a free path");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(daemon) = UnixStream::connect(&far).await else { continue };
            let cuts = Arc::clone(&cuts);
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_daemon, mut to_daemon) = daemon.into_split();
                let back = async {
                    let (mut bytes, mut greeted) = (vec![0; 1 << 16], false);
                    while let Ok(read @ 1..) = from_daemon.read(&mut bytes).await {
                        // The first is the hello, which answers nothing.
                        let left = |left: usize| left.checked_sub(1).filter(|_| greeted);
                        let cut = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
                        greeted = true;
                        if cut.is_ok() || to_client.write_all(&bytes[..read]).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = back => {}
                    _ = tokio::io::copy(&mut from_client, &mut to_daemon) => {}
                }
            });
        }
    });
}
