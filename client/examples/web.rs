//! A web app with a page for those who have logged in: what README shows, and a test holds that it does.

use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use hallpass_client::web::{Denied, Identity, Visit, Web};
use hallpass_client::{Error, Password};

#[derive(serde::Deserialize)]
struct Credentials {
    name: String,
    password: Password,
}

async fn page(visit: Visit) -> Result<Html<String>, Denied> {
    let csrf = visit.csrf()?;
    Ok(Html(format!(
        r#"<form method="post"><input type="hidden" name="csrf" value="{csrf}"><input name="name">
           <input name="password" type="password"><button>Log in</button></form>"#
    )))
}

async fn log_in(visit: Visit, Form(form): Form<Credentials>) -> Result<Redirect, Error> {
    visit.log_in(form.name, form.password).await?;
    Ok(Redirect::to("/"))
}

async fn log_out(visit: Visit) -> Result<Redirect, Error> {
    visit.log_out().await?;
    Ok(Redirect::to("/login"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // For plain http://localhost; leave it out where the app is reached over TLS.
    let web = Web::builder().login_page("/login").plain_localhost().connect_default().await?;
    let app = Router::new()
        .route("/", get(async |who: Identity| format!("roles: {:?}", who.roles())))
        .route("/login", get(page).post(log_in))
        .route("/logout", post(log_out))
        .layer(web.layer());
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
