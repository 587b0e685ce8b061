//! Hallpass in a web app: one layer, and what handlers take from behind it.
//!
//! The layer of [`Web`] finds out who each request comes from, by a cookie or by `Authorization: Bearer`, inside this process and in well under a
//! microsecond; a logout, a revocation or a changed role counts for the very next request. A request that could change something has to come
//! from a page of the app: see *CSRF* below.
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::response::{Html, Redirect};
//! use axum::routing::{get, post};
//! use axum::{Form, Router};
//! use hallpass_client::web::{Credentials, CsrfField, Denied, Identity, Next, Visit, Web};
//!
//! async fn page(csrf: CsrfField) -> Html<String> {
//!     Html(format!(
//!         r#"<form method="post">{csrf}<label>Name <input name="name"></label>
//!            <label>Password <input name="password" type="password"></label><button>Log in</button></form>"#
//!     ))
//! }
//!
//! async fn log_in(visit: Visit, next: Next, Form(form): Form<Credentials>) -> Result<Redirect, Denied> {
//!     visit.log_in(form.name, form.password).await?;
//!     Ok(next.redirect())
//! }
//!
//! async fn log_out(visit: Visit) -> Result<Redirect, Denied> {
//!     visit.log_out().await?;
//!     Ok(Redirect::to("/login"))
//! }
//!
//! let web = Web::builder().login_page("/login").connect_default().await?;
//! let app = Router::new()
//!     .route("/", get(|user: Identity| async move { format!("roles: {:?}", user.roles()) }))
//!     .route("/login", get(page).post(log_in))
//!     .route("/logout", post(log_out))
//!     .layer(web.layer())
//!     .into_make_service_with_connect_info::<std::net::SocketAddr>();
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
//! # Ok(()) }
//! ```
//!
//! # Cookies
//!
//! A login sets `__Host-<app>-session`, `HttpOnly`, `Secure`, `SameSite=Lax`, for every path, until the session's end; what clears it is made from the same
//! value. With the prefix `__Host-` a browser takes a cookie from this very host alone, and only over TLS (RFC 6265bis, section 4.1.3); the name
//! carries the app, because browsers give cookies to every port of a host. Only an error that says that the session is over (class
//! [`Login`](crate::ErrorClass::Login)) clears it: a daemon that is being restarted logs nobody out. `__Host-<app>-device`, for 400 days, makes the
//! device known at the next login, so that nobody else's wrong guesses keep its user out, and `__Host-<app>-pre` is what a visitor's CSRF tokens
//! belong to before there is a session. With [`WebBuilder::with_tokens`] `-access` and `-refresh` take the place of `-session`. What a user is shown
//! is not kept by the browser (`Cache-Control: no-store`, unless the handler says otherwise), and a logout has it forget the pages that it keeps for
//! its back button (`Clear-Site-Data`), so that shows nothing afterwards.
//!
//! # CSRF
//!
//! A request that may change something (any but `GET`, `HEAD`, `OPTIONS` and `TRACE`: RFC 9110, section 9.2.1) and does not show a token in
//! `Authorization` has to come from the app's own origin, by its `Sec-Fetch-Site` or `Origin`, and has to carry a text from [`Visit::csrf`] in the
//! field `csrf` of a form or in the header `x-csrf-token`. Where neither header says where it comes from, as from what is no browser, the text alone
//! decides. Logging in is such a request too. Forms are looked into up to 64 KiB; multipart forms and scripts use the header.
//!
//! # Addresses
//!
//! Failed logins are counted by the address that they come from, and where the app knows none all of its users are one place: anybody's wrong guesses
//! at a name make its owner wait, but on a device that is known. With axum, serve the app by `into_make_service_with_connect_info::<SocketAddr>()`;
//! with another server put a [`PeerAddress`] into each request; behind a proxy, which is the only peer then, see [`WebBuilder::trusted_proxies`].
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn serve(app: axum::Router) -> std::io::Result<()> {
//! use std::net::SocketAddr;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
//! # }
//! ```
//!
//! # Errors
//!
//! [`Denied`] and [`Error`](crate::Error) are answers: 401 with a challenge (RFC 6750, RFC 9470) where logging in or another proof would help, 403
//! where it would not, 429 and 503 with `Retry-After` where waiting would, and 400, 404, 409, 413 or 422 for what is wrong as it stands. A browser
//! that asks for a page is sent to [`WebBuilder::login_page`] or [`WebBuilder::proof_page`] instead, where those are set and would help. Where the
//! daemon cannot be asked, nobody is shown as logged out: the answer is 503.
//!
//! # CORS
//!
//! Pages of other origins get nothing with cookies from behind this layer, which is what most apps want. An API for such pages takes tokens in `Authorization`
//! and `tower_http`'s `CorsLayer` *outside* of this layer, so that refusals can be read by those pages too, with its origins named and without `allow_credentials`:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn with_cors(app: axum::Router, web: &hallpass_client::web::Web) -> axum::Router {
//! use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
//! use axum::http::{HeaderValue, Method};
//! use tower_http::cors::CorsLayer;
//!
//! let cors = CorsLayer::new()
//!     .allow_origin([HeaderValue::from_static("https://dashboard.example")])
//!     .allow_methods([Method::GET, Method::POST])
//!     .allow_headers([AUTHORIZATION, CONTENT_TYPE])
//!     .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE]);
//! app.layer(web.layer()).layer(cors)
//! # }
//! ```

mod cookies;
mod denied;
#[cfg(feature = "axum")]
mod extract;
mod form;
mod guard;
mod layer;
mod renewal;
mod setup;
mod shown;
mod visit;
mod wanted;

pub use denied::Denied;
#[cfg(feature = "axum")]
pub use extract::{Required, Requirement};
pub use form::{Credentials, CsrfField, Next};
pub use layer::{Guarded, Layer};
pub use setup::{PeerAddress, Web, WebBuilder};
pub use visit::{Identity, Visit};

/// Where to go after a login: what the query's `next` says, if that is a page of this very app, else `/`.
///
/// ```
/// use hallpass_client::web::next_page;
///
/// assert_eq!(next_page("/me?tab=2"), "/me?tab=2");
/// assert_eq!(next_page("https://evil.example/"), "/");
/// assert_eq!(next_page("//evil.example/"), "/");
/// ```
#[must_use]
pub fn next_page(wanted: &str) -> &str {
    let mut bytes = wanted.bytes();
    // Browsers read `//` and `/\` as the beginning of another host's name, and leave out tabs and line breaks before they look.
    let is_local = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    if is_local && wanted.bytes().all(|byte| byte.is_ascii_graphic()) { wanted } else { "/" }
}
