//! What axum's handlers take: who a request comes from, and what they must meet.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use hallpass_protocol::auth::Needs;
use http::request::Parts;

use super::denied::Denied;
use super::form::{CsrfField, Next};
use super::visit::{Identity, Visit};
use crate::error::Error;

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        self.response()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Denied::refused(self).response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Denied> {
        Self::of(parts).cloned()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Denied> {
        Visit::of(parts)?.signed_in().cloned()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CsrfField {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Denied> {
        Visit::of(parts)?.csrf_field()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Next {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query()))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Denied;

    /// Nobody, where nobody is logged in. Where that is not known, nothing is shown as if nobody were.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Denied> {
        Ok(Visit::of(parts)?.identity()?.cloned())
    }
}

/// What a handler asks of whoever calls it: see [`Required`].
///
/// ```
/// use hallpass_client::Needs;
/// use hallpass_client::web::Requirement;
///
/// /// For what cannot be undone: the password was asked for again, less than five minutes ago.
/// struct JustProved;
///
/// impl Requirement for JustProved {
///     fn needs() -> Needs {
///         Needs { level: Some(2), max_auth_age: Some(300), ..Needs::default() }
///     }
/// }
/// ```
pub trait Requirement: Send + Sync {
    /// The roles, the audience, the longest time since the user's last proof, or its level.
    fn needs() -> Needs;
}

/// Who a request comes from, if they meet a requirement. Otherwise the answer is 403 for a role that is missing, and for an old or weak proof 401
/// with a challenge (RFC 9470), or for a browser the way to [`WebBuilder::proof_page`](super::WebBuilder::proof_page).
///
/// ```
/// use hallpass_client::Needs;
/// use hallpass_client::web::{Required, Requirement};
///
/// struct Editor;
///
/// impl Requirement for Editor {
///     fn needs() -> Needs {
///         Needs { roles: vec!["editor".into()], ..Needs::default() }
///     }
/// }
///
/// async fn publish(editor: Required<Editor>) -> String {
///     format!("published by {}", editor.user_id())
/// }
/// # let _: axum::Router = axum::Router::new().route("/publish", axum::routing::post(publish));
/// ```
#[derive(Debug)]
pub struct Required<R> {
    identity: Identity,
    requirement: PhantomData<R>,
}

impl<R> Deref for Required<R> {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl<S: Send + Sync, R: Requirement> FromRequestParts<S> for Required<R> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Denied> {
        let identity = Visit::of(parts)?.require(&R::needs()).await?;
        Ok(Self { identity, requirement: PhantomData })
    }
}
