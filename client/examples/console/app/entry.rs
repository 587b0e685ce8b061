//! The ways in and out: login, a code from an administrator, another proof, logout.

use axum::Form;
use axum::response::{IntoResponse, Redirect, Response};
use hallpass_client::web::{Credentials, Denied, Identity, Next, Visit};
use hallpass_client::{Error, Password, Token};
use serde::Deserialize;

use super::page::{self, Field, page};

const CURRENT: Field<'_> = Field {
    name: "password",
    label: "Password",
    kind: "password",
    autocomplete: "current-password",
    value: "",
    hint: "",
};
/// A password that is made up now.
pub(super) const NEW: Field<'_> = Field {
    name: "new_password",
    label: "New password",
    kind: "password",
    autocomplete: "new-password",
    value: "",
    hint: "At least 15 characters. A few words that only you would put together are easy to keep in mind.",
};

const fn name_field(value: &str) -> Field<'_> {
    Field { name: "name", label: "Name", kind: "text", autocomplete: "username", value, hint: "" }
}

/// The same page again after something was refused, and the first time without.
fn login_form(visit: &Visit, next: &Next, name: &str, problem: Option<&Error>) -> Result<Response, Denied> {
    let form = page::Form {
        action: with_next("/login", next),
        fields: &[name_field(name), CURRENT],
        button: "Log in",
        problem: problem.map(|error| ("password", error)),
    };
    let (status, form) = form.html(visit)?;
    let join = r#"<p>You were given a code? <a href="/join">Set your password</a></p>"#;
    Ok((status, page(visit, "/login", "Log in", &format!("{form}{join}"))?).into_response())
}

pub(super) async fn login_page(visit: Visit, next: Next) -> Result<Response, Denied> {
    login_form(&visit, &next, "", None)
}

pub(super) async fn log_in(
    visit: Visit,
    next: Next,
    Form(form): Form<Credentials>,
) -> Result<Response, Denied> {
    match visit.log_in(&form.name, form.password).await {
        Ok(_) => Ok(next.redirect().into_response()),
        Err(error) => login_form(&visit, &next, &form.name, Some(&error)),
    }
}

#[derive(Deserialize)]
pub(super) struct Join {
    name: String,
    code: Token,
    new_password: Password,
}

fn join_form(visit: &Visit, name: &str, problem: Option<&Error>) -> Result<Response, Denied> {
    let code = Field {
        name: "code",
        label: "Code",
        kind: "text",
        autocomplete: "one-time-code",
        value: "",
        hint: "As your administrator gave it to you. It works once.",
    };
    let form = page::Form {
        action: "/join".to_owned(),
        fields: &[name_field(name), code, NEW],
        button: "Set password and log in",
        problem: problem.map(|error| (page::field_of(error, "code"), error)),
    };
    let (status, form) = form.html(visit)?;
    Ok((status, page(visit, "/join", "Set your password", &form)?).into_response())
}

pub(super) async fn join_page(visit: Visit) -> Result<Response, Denied> {
    join_form(&visit, "", None)
}

pub(super) async fn join(visit: Visit, Form(form): Form<Join>) -> Result<Response, Denied> {
    match visit.redeem(&form.name, form.code, form.new_password).await {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(error) => join_form(&visit, &form.name, Some(&error)),
    }
}

#[derive(Deserialize)]
pub(super) struct Proof {
    password: Password,
}

fn proof_form(visit: &Visit, next: &Next, problem: Option<&Error>) -> Result<Response, Denied> {
    let form = page::Form {
        action: with_next("/prove", next),
        fields: &[CURRENT],
        button: "Go on",
        problem: problem.map(|error| ("password", error)),
    };
    let (status, form) = form.html(visit)?;
    let why = "<p>What you are about to do cannot be undone, so please show that it is still you.</p>";
    Ok((status, page(visit, "/prove", "Confirm it is you", &format!("{why}{form}"))?).into_response())
}

pub(super) async fn proof_page(_: Identity, visit: Visit, next: Next) -> Result<Response, Denied> {
    proof_form(&visit, &next, None)
}

pub(super) async fn prove(
    _: Identity,
    visit: Visit,
    next: Next,
    Form(form): Form<Proof>,
) -> Result<Response, Denied> {
    match visit.prove_again(form.password).await {
        Ok(_) => Ok(next.redirect().into_response()),
        Err(error) => proof_form(&visit, &next, Some(&error)),
    }
}

pub(super) async fn log_out(visit: Visit) -> Result<Redirect, Denied> {
    visit.log_out().await?;
    Ok(Redirect::to("/login"))
}

/// A form that comes back to this page, and from there to where the browser wanted to go.
fn with_next(path: &str, next: &Next) -> String {
    format!("{path}?{}", next.query())
}
