//! A web app with a page for those who have logged in: what README shows, and a test holds that it does.

use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use hallpass_client::web::{Credentials, CsrfField, Denied, Identity, Next, Visit, Web};

async fn home(who: Identity, csrf: CsrfField) -> Html<String> {
    let roles = who.roles();
    Html(format!(r#"{roles:?} <form method="post" action="/logout">{csrf}<button>Log out</button></form>"#))
}

async fn page(csrf: CsrfField) -> Html<String> {
    Html(format!(
        r#"<form method="post">{csrf}<label>Name <input name="name"></label>
           <label>Password <input name="password" type="password"></label><button>Log in</button></form>"#
    ))
}

async fn log_in(visit: Visit, next: Next, Form(form): Form<Credentials>) -> Result<Redirect, Denied> {
    visit.log_in(form.name, form.password).await?;
    Ok(next.redirect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // For plain http://localhost; leave `plain_localhost` out where the app is reached over TLS.
    let web = Web::builder().login_page("/login").plain_localhost().connect_default().await?;
    let app = Router::new()
        .route("/", get(home))
        .route("/login", get(page).post(log_in))
        .route("/logout", post(async |visit: Visit| visit.log_out().await.map(|()| Redirect::to("/login"))))
        .layer(web.layer())
        .into_make_service_with_connect_info::<std::net::SocketAddr>();
    Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?)
}
