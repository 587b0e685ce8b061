//! How people get in.
//!
//! The app cannot add users, and that is on purpose: the apps' socket has no such call, so whoever takes the app over cannot make themselves an
//! administrator. Who may add users is decided by who may open the admin socket. This page writes down what to type there; what the new user needs is
//! a code, which works once and which the app never learns before it is used.

use axum::extract::Query;
use axum::response::Response;
use hallpass_client::Needs;
use hallpass_client::web::{Denied, Required, Requirement, Visit};
use serde::Deserialize;

use super::page::{Text, page};

/// Whoever may let others in.
pub(super) struct Admin;

impl Requirement for Admin {
    fn needs() -> Needs {
        Needs { roles: vec!["admin".to_owned()], ..Needs::default() }
    }
}

#[derive(Deserialize)]
pub(super) struct Newcomer {
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
}

pub(super) async fn show(
    _: Required<Admin>,
    visit: Visit,
    Query(newcomer): Query<Newcomer>,
) -> Result<Response, Denied> {
    let Newcomer { name, role } = newcomer;
    let (mut invalid, mut after) = (["", ""], String::new());
    let fault =
        |text: &str| if is_plain(text) { "" } else { r#" aria-invalid="true" aria-describedby="problem""# };
    if !name.is_empty() {
        invalid = [fault(&name), if role.is_empty() { "" } else { fault(&role) }];
        after = if invalid == ["", ""] { commands(&name, &role) } else { PROBLEM.to_owned() };
    }
    let body = format!(
        r#"<p>Users are added on the host, by whoever may open the admin socket: an app cannot do it, not even this one.
        Say who it is, and run what you are shown.</p>
        <form action="/people"><div class="field"><label for="name">Name to log in with</label>
        <input id="name" name="name" value="{}" required autocapitalize="none" spellcheck="false" autocomplete="off"{}></div>
        <div class="field"><label for="role">Role, if any</label>
        <input id="role" name="role" value="{}" autocapitalize="none" spellcheck="false" autocomplete="off"{}></div>
        <button>Show the commands</button></form>{after}"#,
        Text(&name),
        invalid[0],
        Text(&role),
        invalid[1],
    );
    page(&visit, "/people", "People", &body)
}

const PROBLEM: &str = r#"<p class="problem" id="problem" role="alert">Names and roles are made of the letters a to z, digits and the signs
. _ @ -, and begin with a letter or a digit.</p>"#;

/// Whether it can be a name, and stand in a command as it is.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 64 && text.starts_with(plain) && text.chars().all(|c| plain(c) || "._@-".contains(c))
}

fn commands(name: &str, role: &str) -> String {
    let role = if role.is_empty() { String::new() } else { format!(" --role {role}") };
    format!(
        r#"<h2>On the host, as administrator</h2>
        <pre><code>hallpass user add {name}{role} --no-password
hallpass user code {name}</code></pre>
        <p>Give {name} the code that the second one prints, by a way that you trust, and the address of
        <a href="/join">the page where it is used</a>.</p>"#
    )
}
