//! Who you are, and your password.

use axum::Form;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Redirect, Response};
use hallpass_client::web::{Denied, Identity, Visit};
use hallpass_client::{Error, Password};
use serde::Deserialize;

use super::entry::NEW;
use super::page::{self, Field, Text, ago, page};

pub(super) async fn show(who: Identity, visit: Visit, query: RawQuery) -> Result<Response, Denied> {
    let name = Text(who.name().unwrap_or("you"));
    let roles: Vec<String> =
        who.roles().iter().map(|role| format!(r#"<li class="role">{}</li>"#, Text(role))).collect();
    let roles = if roles.is_empty() { "none".to_owned() } else { format!("<ul>{}</ul>", roles.concat()) };
    let done = match query.0.as_deref() {
        Some("done=password") => {
            r#"<p class="done" role="status">Your password is changed. You are logged out on every other device.</p>"#
        }
        _ => "",
    };
    let (id, proved) = (who.user_id(), ago(who.auth_time()));
    let body = format!(
        r#"{done}<dl class="card">
        <div><dt>Name</dt><dd id="name">{name}</dd></div>
        <div><dt>Roles</dt><dd id="roles">{roles}</dd></div>
        <div><dt>User id</dt><dd><code>{id}</code></dd></div>
        <div><dt>Last proved who you are</dt><dd>{proved}</dd></div>
        </dl>"#
    );
    page(&visit, "/", "Your account", &body)
}

#[derive(Deserialize)]
pub(super) struct Change {
    password: Password,
    new_password: Password,
}

fn form(visit: &Visit, problem: Option<&Error>) -> Result<Response, Denied> {
    let old = Field {
        name: "password",
        label: "Present password",
        kind: "password",
        autocomplete: "current-password",
        value: "",
        hint: "",
    };
    let form = page::Form {
        action: "/password".to_owned(),
        fields: &[old, NEW],
        button: "Change password",
        problem: problem.map(|error| (page::field_of(error, "password"), error)),
    };
    let (status, form) = form.html(visit)?;
    let effect = "<p>Every other device is logged out when you change it.</p>";
    Ok((status, page(visit, "/password", "Change your password", &format!("{effect}{form}"))?)
        .into_response())
}

pub(super) async fn password_page(_: Identity, visit: Visit) -> Result<Response, Denied> {
    form(&visit, None)
}

pub(super) async fn change_password(
    _: Identity,
    visit: Visit,
    Form(change): Form<Change>,
) -> Result<Response, Denied> {
    match visit.change_password(change.password, change.new_password).await {
        Ok(_) => Ok(Redirect::to("/?done=password").into_response()),
        Err(error) => form(&visit, Some(&error)),
    }
}
