//! What an app adds while its users move: a browser with a session of before gets one of Hallpass's, once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use hallpass_client::UserRef;
use hallpass_client::web::{Denied, Visit};

/// The sessions of before, wherever they are.
pub(crate) trait Before: Send + Sync + 'static {
    /// The cookie that they lie in.
    const COOKIE: &'static str;

    /// The name of the user whose session this is, if it is one.
    fn user(&self, session: &str) -> impl Future<Output = Option<String>> + Send;

    /// Ends it, where that can be done.
    fn end(&self, session: &str) -> impl Future<Output = ()> + Send;
}

/// Goes between the layer and the pages: `.layer(from_fn_with_state(before, carry_over)).layer(web.layer())`.
pub(crate) async fn carry_over<B: Before>(
    State(before): State<Arc<B>>,
    visit: Visit,
    request: Request,
    next: Next,
) -> Result<Response, Denied> {
    let shown = cookie(request.headers(), B::COOKIE).map(str::to_owned);
    // Only on the way to a page: a form of before has a CSRF token of before, and is loaded again.
    if let Some(session) = shown.filter(|_| request.method() == Method::GET)
        && visit.identity()?.is_none()
        && let Some(user) = before.user(&session).await
    {
        visit.vouch_for(UserRef::Name(user), vec!["pwd".into()]).await?;
        before.end(&session).await;
        let here = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let gone = format!("{}=; Max-Age=0; Path=/", B::COOKIE);
        return Ok(([(SET_COOKIE, gone)], Redirect::to(here)).into_response());
    }
    Ok(next.run(request).await)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
}
