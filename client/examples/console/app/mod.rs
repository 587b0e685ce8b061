//! The app: which page is where.

mod account;
mod archive;
mod entry;
mod page;
mod people;
mod sessions;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use hallpass_client::web::{Web, WebBuilder};

/// Nothing from elsewhere, no script at all, and in nobody's frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// How the app wants its web side, whatever it is deployed behind.
pub(crate) fn web() -> WebBuilder {
    Web::builder().login_page("/login").proof_page("/prove").denied_page(page::denied)
}

/// The app, which tells the layer where requests come from.
pub(crate) fn app(web: &Web) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    let pages = Router::new()
        .route("/", get(account::show))
        .route("/password", get(account::password_page).post(account::change_password))
        .route("/sessions", get(sessions::list))
        .route("/sessions/end", post(sessions::end))
        .route("/logout-everywhere", post(sessions::log_out_everywhere))
        .route("/archive", get(archive::show).post(archive::empty))
        .route("/people", get(people::show))
        .route("/login", get(entry::login_page).post(entry::log_in))
        .route("/join", get(entry::join_page).post(entry::join))
        .route("/prove", get(entry::proof_page).post(entry::prove))
        .route("/logout", post(entry::log_out))
        .with_state(archive::Archive::default())
        .layer(web.layer())
        .layer(from_fn(guarded_headers));
    let style = ([(CONTENT_TYPE, "text/css"), (CACHE_CONTROL, "max-age=3600")], include_str!("style.css"));
    pages.route("/style.css", get(async || style)).into_make_service_with_connect_info()
}

async fn guarded_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
