//! What nearly every app's login consists of: two fields, and where the browser goes on to.

use std::fmt;

use hallpass_protocol::secret::Password;

use super::next_page;

/// The fields of a login form: `name` and `password`.
///
/// ```
/// use axum::Form;
/// use axum::response::Redirect;
/// use hallpass_client::Error;
/// use hallpass_client::web::{Credentials, Next, Visit};
///
/// async fn log_in(visit: Visit, next: Next, Form(form): Form<Credentials>) -> Result<Redirect, Error> {
///     visit.log_in(form.name, form.password).await?;
///     Ok(next.redirect())
/// }
/// # let _: axum::Router = axum::Router::new().route("/login", axum::routing::post(log_in));
/// ```
#[derive(Debug, serde::Deserialize)]
#[non_exhaustive]
pub struct Credentials {
    /// The name to log in with.
    pub name: String,
    /// The password.
    pub password: Password,
}

/// The hidden field of a form that shows that the form came from a page of the app. Put it, as it is, into each form that changes something.
///
/// With `axum` a handler takes it as an argument; others get it from [`Visit::csrf_field`](super::Visit::csrf_field).
///
/// ```
/// use axum::response::Html;
/// use hallpass_client::web::CsrfField;
///
/// async fn page(csrf: CsrfField) -> Html<String> {
///     Html(format!(r#"<form method="post" action="/logout">{csrf}<button>Log out</button></form>"#))
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(page));
/// ```
#[derive(Debug, Clone)]
pub struct CsrfField(pub(super) String);

impl fmt::Display for CsrfField {
    /// It is HTML, and what is in it needs no escaping: letters, digits, `-` and `_`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"<input type="hidden" name="{}" value="{}">"#, super::guard::FIELD, self.0)
    }
}

/// Where a browser goes on to after a login or another proof: what `next` in the query says, if that is a page of this very app, else `/`.
///
/// With `axum` a handler takes it as an argument.
///
/// ```
/// use hallpass_client::web::Next;
///
/// let next = Next::of(Some("next=%2Fme%3Ftab%3D2"));
/// assert_eq!(next.path(), "/me?tab=2");
/// assert_eq!(Next::of(Some("next=https%3A%2F%2Fevil.example")).path(), "/");
/// assert_eq!(Next::of(None).path(), "/");
///
/// // The login's own form has to lead there too:
/// assert_eq!(format!("/login?{}", next.query()), "/login?next=%2Fme%3Ftab%3D2");
/// let answer = next.redirect();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next(String);

impl Next {
    /// Reads it from the query of a request.
    #[must_use]
    pub fn of(query: Option<&str>) -> Self {
        let mut fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let wanted = fields.find(|(name, _)| name == "next").map(|(_, value)| value);
        Self(next_page(wanted.as_deref().unwrap_or("/")).to_owned())
    }

    /// The path, and the query if there is one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// The same as a query, for the address of a form that leads there: `next=%2Fme`.
    #[must_use]
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).append_pair("next", &self.0).finish()
    }

    /// Sends the browser there.
    #[cfg(feature = "axum")]
    pub fn redirect(&self) -> axum::response::Redirect {
        axum::response::Redirect::to(&self.0)
    }
}
