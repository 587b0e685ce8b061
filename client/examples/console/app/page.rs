//! What every page has: its frame, its forms, and text made safe to stand in HTML.

use std::fmt::{self, Display, Write};
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use hallpass_client::web::{Denied, Visit};
use hallpass_client::{Error, ErrorCode, Millis};

/// The pages in the navigation, for somebody who has logged in.
const PAGES: [(&str, &str); 5] = [
    ("/", "Account"),
    ("/sessions", "Devices"),
    ("/password", "Password"),
    ("/archive", "Archive"),
    ("/people", "People"),
];

/// Text that stands in HTML as what it is, between tags and within quotes.
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string().chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A page in its frame. `body` is HTML.
pub(super) fn page(visit: &Visit, here: &str, title: &str, body: &str) -> Result<Response, Denied> {
    let mut top = String::new();
    if visit.identity()?.is_some() {
        let links = PAGES.iter().map(|(path, name)| {
            let current = if *path == here { r#" aria-current="page""# } else { "" };
            format!(r#"<li><a href="{path}"{current}>{name}</a></li>"#)
        });
        let links: String = links.collect();
        let csrf = visit.csrf_field()?;
        top = format!(
            r#"<nav aria-label="Main"><ul>{links}</ul></nav>
            <form method="post" action="/logout">{csrf}<button class="quiet">Log out</button></form>"#
        );
    }
    Ok(Html(frame(title, &top, body)).into_response())
}

/// What a browser is shown of a request that goes no further.
pub(crate) fn denied(denied: &Denied) -> String {
    let body = format!(
        r#"<p class="problem" role="alert">{}</p><p><a href="/">Back to your account</a></p>"#,
        Text(capital(&denied.sentence()))
    );
    frame(denied.status().canonical_reason().unwrap_or("Not carried out"), "", &body)
}

fn frame(title: &str, top: &str, body: &str) -> String {
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Console</title><link rel="stylesheet" href="/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><a class="brand" href="/">Console</a>{top}</header>
<main id="main"><h1>{title}</h1>
{body}
</main>
</body>
</html>
"##
    )
}

/// A form of labelled fields. What is wrong stands above them, and is read out with the field that it is about.
pub(super) struct Form<'a> {
    pub(super) action: String,
    pub(super) fields: &'a [Field<'a>],
    pub(super) button: &'a str,
    /// The name of the field that is wrong, and why.
    pub(super) problem: Option<(&'a str, &'a Error)>,
}

/// One field.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    pub(super) kind: &'a str,
    /// What the browser may fill in (HTML, "Autofill").
    pub(super) autocomplete: &'a str,
    pub(super) value: &'a str,
    pub(super) hint: &'a str,
}

impl Form<'_> {
    /// The form as HTML, and the status of the page that it is on.
    pub(super) fn html(&self, visit: &Visit) -> Result<(StatusCode, String), Denied> {
        let mut html = String::new();
        let mut status = StatusCode::OK;
        if let Some((_, error)) = self.problem {
            status = Denied::from(error.clone()).status();
            let sentence = Text(sentence(error));
            let _ = write!(html, r#"<p class="problem" id="problem" role="alert">{sentence}</p>"#);
        }
        let _ =
            write!(html, r#"<form method="post" action="{}">{}"#, Text(&self.action), visit.csrf_field()?);
        let wrong = self.problem.map(|(name, _)| name);
        for (at, field) in self.fields.iter().enumerate() {
            field.write(&mut html, wrong == Some(field.name), wrong.is_none() && at == 0);
        }
        let _ = write!(html, "<button>{}</button></form>", self.button);
        Ok((status, html))
    }
}

impl Field<'_> {
    fn write(&self, html: &mut String, is_wrong: bool, is_first: bool) {
        let Self { name, label, kind, autocomplete, value, hint } = self;
        let described = match (is_wrong, hint.is_empty()) {
            (true, true) => r#" aria-describedby="problem""#.to_owned(),
            (true, false) => format!(r#" aria-describedby="problem {name}-hint""#),
            (false, false) => format!(r#" aria-describedby="{name}-hint""#),
            (false, true) => String::new(),
        };
        let invalid = if is_wrong { r#" aria-invalid="true""# } else { "" };
        let focus = if is_wrong || is_first { " autofocus" } else { "" };
        let plain = if *kind == "password" { "" } else { r#" autocapitalize="none" spellcheck="false""# };
        let _ = write!(
            html,
            r#"<div class="field"><label for="{name}">{label}</label>
            <input id="{name}" name="{name}" type="{kind}" autocomplete="{autocomplete}" value="{}" required{plain}{described}{invalid}{focus}>"#,
            Text(value)
        );
        if !hint.is_empty() {
            let _ = write!(html, r#"<p class="hint" id="{name}-hint">{hint}</p>"#);
        }
        html.push_str("</div>");
    }
}

/// The field that an error is about: a new password that will not do, or else what was to be proved.
pub(super) fn field_of(error: &Error, proof: &'static str) -> &'static str {
    if error.code() == ErrorCode::WeakPassword { "new_password" } else { proof }
}

/// What is wrong, and how long to wait where waiting helps.
fn sentence(error: &Error) -> String {
    let seconds = error.retry_after().map_or(0, |wait| wait.as_millis().div_ceil(1000));
    let wait = if seconds > 0 { format!(" Wait {seconds} s before you try again.") } else { String::new() };
    match error.code() {
        // The daemon gives the same answer to whoever has tried too often, so that nobody learns which of them it is.
        ErrorCode::InvalidCredentials => format!("The name or the password is wrong.{wait}"),
        _ => format!("{}.{wait}", capital(&error.to_string())),
    }
}

/// How long ago that was, as people say it.
pub(super) fn ago(then: Millis) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = now.saturating_sub(Duration::from_secs(then.as_secs()));
    match since.as_secs() {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => counted(seconds / 60, "minute"),
        seconds @ 3600..86_400 => counted(seconds / 3600, "hour"),
        seconds => counted(seconds / 86_400, "day"),
    }
}

fn counted(count: u64, unit: &str) -> String {
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

fn capital(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
