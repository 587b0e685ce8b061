//! Where you are logged in, and how to end that.

use std::fmt::Write;

use axum::Form;
use axum::response::{Redirect, Response};
use hallpass_client::web::{Denied, Identity, Visit};
use hallpass_client::{SessionId, SessionInfo};
use serde::Deserialize;

use super::page::{Text, ago, page};

pub(super) async fn list(who: Identity, visit: Visit) -> Result<Response, Denied> {
    let csrf = visit.csrf_field()?;
    let mut body = String::from(r#"<ul class="cards">"#);
    for session in visit.sessions().await?.iter().rev() {
        let device = Text(device(session));
        let place = session.context.ip.map_or_else(String::new, |ip| format!(" from {ip}"));
        let (opened, seen, id) = (ago(session.created), ago(session.last_seen), session.session_id);
        let end = if id == who.session_id() {
            r#"<p class="role">This device</p>"#.to_owned()
        } else {
            format!(
                r#"<form method="post" action="/sessions/end">{csrf}<input type="hidden" name="session" value="{id}">
                <button class="quiet" aria-label="Log out {device}, {opened}">Log out that device</button></form>"#
            )
        };
        let _ = write!(
            body,
            r#"<li class="card"><div><h2>{device}</h2><p class="hint">Logged in {opened}{place}; last used {seen}</p></div>{end}</li>"#
        );
    }
    let _ = write!(
        body,
        r#"</ul><h2>Something looks wrong?</h2>
        <p>This ends your sessions on every device, this one too. Then log in and change your password.</p>
        <form method="post" action="/logout-everywhere">{csrf}<button class="danger">Log out everywhere</button></form>"#
    );
    page(&visit, "/sessions", "Your devices", &body)
}

#[derive(Deserialize)]
pub(super) struct Ending {
    session: SessionId,
}

pub(super) async fn end(visit: Visit, Form(ending): Form<Ending>) -> Result<Redirect, Denied> {
    visit.end_session(ending.session).await?;
    Ok(Redirect::to("/sessions"))
}

pub(super) async fn log_out_everywhere(visit: Visit) -> Result<Redirect, Denied> {
    visit.log_out_everywhere().await?;
    Ok(Redirect::to("/login"))
}

/// What a browser calls itself, as people call it. It is a help to the eye and nothing more: anybody can send any name.
fn device(session: &SessionInfo) -> String {
    let agent = session.context.user_agent.as_deref().unwrap_or_default();
    let known = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    // Most browsers name others too, so the order counts.
    let browser = known(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = known(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "An unknown device".to_owned(),
    }
}
