//! A web app behind the layer, on a real daemon: requests go through the app's own routes, and what browsers would keep is kept.

mod browser;
mod cors;
mod forged;
mod refusing;
mod renewing;
mod signing;

use axum::extract::Query;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use hallpass_client::web::{Denied, Identity, Required, Requirement, Visit, Web, WebBuilder, next_page};
use hallpass_client::{Error, Needs, Password, SessionId};
use hallpassd::testing::TestDaemon;
use serde::Deserialize;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const NEW_PASSWORD: &str = "another horse battery staple";

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: Password,
}

#[derive(Deserialize)]
struct Change {
    old: Password,
    new: Password,
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

/// Whoever may do what only editors may.
struct Editor;

impl Requirement for Editor {
    fn needs() -> Needs {
        Needs { roles: vec!["editor".to_owned()], ..Needs::default() }
    }
}

/// Whoever has just proved who they are, more than by a login.
struct Raised;

impl Requirement for Raised {
    fn needs() -> Needs {
        Needs { level: Some(2), max_auth_age: Some(300), ..Needs::default() }
    }
}

async fn log_in(
    visit: Visit,
    Query(next): Query<Next>,
    Form(form): Form<Credentials>,
) -> Result<Redirect, Error> {
    visit.log_in(form.name, form.password).await?;
    Ok(Redirect::to(next_page(next.next.as_deref().unwrap_or("/"))))
}

async fn end(visit: Visit, Form(ending): Form<Ending>) -> Result<&'static str, Error> {
    visit.end_session(ending.session).await?;
    Ok("ended")
}

#[derive(Deserialize)]
struct Ending {
    session: SessionId,
}

async fn sessions(visit: Visit) -> Result<String, Error> {
    let sessions = visit.sessions().await?;
    let lines = sessions.iter().map(|session| format!("{} {}", session.session_id, session.refreshes));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// An app with a route for everything that the web side offers.
pub(crate) fn app(web: &Web) -> Router {
    Router::new()
        .route(
            "/",
            get(async |who: Option<Identity>| {
                who.map_or("nobody".to_owned(), |who| who.user_id().to_string())
            }),
        )
        .route("/me", get(async |who: Identity| who.name().unwrap_or("?").to_owned()))
        .route("/edit", get(async |who: Required<Editor>| who.user_id().to_string()))
        .route("/danger", get(async |who: Required<Raised>| who.level().to_string()))
        .route("/csrf", get(async |visit: Visit| visit.csrf()))
        .route("/change", post(async |_: Identity| "changed"))
        .route("/login", get(async |visit: Visit| visit.csrf()).post(log_in))
        .route("/logout", post(async |visit: Visit| visit.log_out().await))
        .route("/logout-everywhere", post(async |visit: Visit| visit.log_out_everywhere().await))
        .route("/sessions", get(sessions))
        .route("/end", post(end))
        .route(
            "/prove",
            post(async |visit: Visit, Form(form): Form<Credentials>| {
                visit.prove_again(form.password).await.map(drop)
            }),
        )
        .route(
            "/password",
            post(async |visit: Visit, Form(form): Form<Change>| {
                visit.change_password(form.old, form.new).await.map(drop)
            }),
        )
        .route("/public", get(async || ([("cache-control", "max-age=60")], "public")))
        .layer(web.layer())
        .route("/outside", get(async |_: Identity| "never"))
}

pub(crate) async fn web(daemon: &TestDaemon, builder: WebBuilder) -> Web {
    builder.connect(daemon.socket()).await.expect("the daemon serves")
}

/// A daemon with a user, and an app on it.
pub(crate) async fn served() -> (TestDaemon, Router) {
    let daemon = TestDaemon::start().expect("a daemon");
    daemon.add_user("alice", PASSWORD, &["editor"]).expect("a user");
    let builder = Web::builder().login_page("/login").proof_page("/prove");
    let app = app(&web(&daemon, builder).await);
    (daemon, app)
}

#[test]
fn readme_shows_the_example_that_compiles() {
    let (readme, example) = (include_str!("../../../README.md"), include_str!("../../examples/web.rs"));
    let (_, code) = example.split_once("\n\n").expect("a header");
    assert!(
        readme.contains(&format!("```rust\n{code}```")),
        "README shows another app than client/examples/web.rs"
    );
}

#[test]
fn a_denial_says_what_to_do() {
    let denied = Denied::from(Error::NoAnswer);
    assert_eq!(denied.status().as_u16(), 503);
    assert!(denied.to_string().contains("ask again"));
}
