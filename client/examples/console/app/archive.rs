//! Something dangerous, which takes more than an open browser: a proof that is no older than five minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::response::{Redirect, Response};
use hallpass_client::Needs;
use hallpass_client::web::{Denied, Identity, Required, Requirement, Visit};

use super::page::page;

/// How many documents there are. A real app would have a database.
#[derive(Clone)]
pub(super) struct Archive(Arc<AtomicU32>);

impl Default for Archive {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(12)))
    }
}

/// Whoever has just proved who they are, beyond their login.
pub(super) struct Certain;

impl Requirement for Certain {
    fn needs() -> Needs {
        Needs { level: Some(2), max_auth_age: Some(300), ..Needs::default() }
    }
}

pub(super) async fn show(
    _: Identity,
    visit: Visit,
    State(archive): State<Archive>,
) -> Result<Response, Denied> {
    let csrf = visit.csrf_field()?;
    // Asked before the button is shown: a browser is sent to prove its user on the way to a page, not on the way back from a form.
    let certain = visit.require(&Certain::needs()).await.is_ok();
    let body = match archive.0.load(Ordering::SeqCst) {
        0 => "<p>The archive is empty.</p>".to_owned(),
        count if certain => format!(
            r#"<p>There are {count} documents. Deleting them cannot be undone.</p>
            <form method="post" action="/archive">{csrf}<button class="danger">Delete {count} documents</button></form>"#
        ),
        count => format!(
            r#"<p>There are {count} documents.</p><p><a class="button" href="/prove?next=%2Farchive">Delete them…</a></p>"#
        ),
    };
    page(&visit, "/archive", "Archive", &body)
}

pub(super) async fn empty(_: Required<Certain>, State(archive): State<Archive>) -> Redirect {
    archive.0.store(0, Ordering::SeqCst);
    Redirect::to("/archive")
}
