//! Why a request goes no further, and the answer that says so.

use std::fmt::Write;
use std::time::Duration;

use hallpass_protocol::auth::Needs;
use hallpass_protocol::error::{ErrorClass, ErrorCode};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::error::Error;

/// How long to wait where the daemon has not said.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Why a request goes no further. As an answer it has the status and headers of its reason; see [`Denied::status`]. The answer carries it in its
/// extensions, and the layer makes of it what a browser is shown: see [`WebBuilder::login_page`](super::WebBuilder::login_page)
/// and [`WebBuilder::denied_page`](super::WebBuilder::denied_page).
///
/// ```
/// use hallpass_client::Error;
/// use hallpass_client::web::Denied;
///
/// let denied = Denied::from(Error::NoAnswer);
/// assert_eq!(denied.status(), 503);
/// assert!(denied.sentence().contains("ask again"));
/// assert!(matches!(denied.error(), Some(Error::NoAnswer)));
///
/// let answer: http::Response<String> = denied.response();
/// assert_eq!(answer.headers()["retry-after"], "1");
/// ```
///
/// A handler of axum returns it as its error, or an [`Error`] in its place, which is the same answer.
#[derive(Debug, Clone)]
pub struct Denied {
    why: Why,
    challenge: Option<String>,
}

#[derive(Debug, Clone)]
enum Why {
    /// The request shows nothing.
    Anonymous,
    /// What it shows, or asks for, was refused.
    Refused(Error),
    /// It does not come from a page of the app.
    Forged(&'static str),
    /// Its form is larger than one with a CSRF token may be.
    TooLarge(usize),
    /// The route lies outside the layer.
    #[cfg(feature = "axum")]
    Unguarded,
}

impl Denied {
    pub(super) fn anonymous() -> Self {
        Self::because(Why::Anonymous)
    }

    pub(super) fn refused(error: Error) -> Self {
        Self::because(Why::Refused(error))
    }

    pub(super) fn forged(why: &'static str) -> Self {
        Self::because(Why::Forged(why))
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::because(Why::TooLarge(limit))
    }

    #[cfg(feature = "axum")]
    pub(super) fn unguarded() -> Self {
        Self::because(Why::Unguarded)
    }

    fn because(why: Why) -> Self {
        Self { why, challenge: None }
    }

    /// The same, saying what was needed where another proof would do (RFC 9470).
    pub(super) fn needing(self, needs: &Needs) -> Self {
        let mut challenge = String::new();
        if let Some(level) = needs.level {
            let _ = write!(challenge, ", acr_values=\"{level}\"");
        }
        if let Some(age) = needs.max_auth_age {
            let _ = write!(challenge, ", max_age=\"{age}\"");
        }
        Self { challenge: Some(challenge), ..self }
    }

    /// What was refused, if a call or a verification was. Nothing where the request shows nobody, comes from another site, or is too large.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.why {
            Why::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// Whether it would help to log in.
    pub(super) fn wants_login(&self) -> bool {
        match &self.why {
            Why::Anonymous => true,
            Why::Refused(error) => {
                matches!(error.class(), ErrorClass::Login | ErrorClass::Refresh | ErrorClass::Invalid)
            }
            _ => false,
        }
    }

    /// Whether it would help to prove the user again.
    pub(super) fn wants_proof(&self) -> bool {
        self.error().is_some_and(|error| error.class() == ErrorClass::Reauthenticate)
    }

    /// The status: 401 where logging in or proving the user again would help, 403 where it would not, 503 or 429 where waiting would. What is wrong
    /// as it stands has 400, 404, 409, 413 or 422, and a route that lies outside the layer 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.why {
            Why::Anonymous => StatusCode::UNAUTHORIZED,
            Why::Refused(error) => status(error),
            Why::Forged(_) => StatusCode::FORBIDDEN,
            Why::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            #[cfg(feature = "axum")]
            Why::Unguarded => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A sentence for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.why {
            Why::Anonymous => "this is for users who have logged in; log in first".to_owned(),
            Why::Refused(error) => error.to_string(),
            Why::Forged(why) => (*why).to_owned(),
            Why::TooLarge(limit) => format!(
                "a form is read up to {limit} bytes; send the CSRF token in the header x-csrf-token with larger ones"
            ),
            #[cfg(feature = "axum")]
            Why::Unguarded => {
                "this route lies outside Hallpass's layer; add .layer(web.layer()) behind it".to_owned()
            }
        }
    }

    /// The answer, with a body of whatever type the app uses.
    pub fn response<B: From<String>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.sentence()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let status = self.status();
        if let Some(challenge) = self.challenge(status) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let wait = self.error().and_then(Error::retry_after).unwrap_or(A_MOMENT);
            // Rounded up: whoever waits so long has waited long enough.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        *response.status_mut() = status;
        // For the layer, which knows whether a browser has asked, and for layers of the app's own.
        response.extensions_mut().insert(self.clone());
        response
    }

    /// What a caller would have to show (RFC 6750, RFC 9470).
    fn challenge(&self, status: StatusCode) -> Option<HeaderValue> {
        let text = match (status, self.error().map(Error::class)) {
            (StatusCode::UNAUTHORIZED, None) => "Bearer".to_owned(),
            (StatusCode::UNAUTHORIZED, Some(ErrorClass::Reauthenticate)) => {
                let needed = self.challenge.as_deref().unwrap_or_default();
                format!("Bearer error=\"insufficient_user_authentication\"{needed}")
            }
            (StatusCode::UNAUTHORIZED, Some(_)) => "Bearer error=\"invalid_token\"".to_owned(),
            (StatusCode::FORBIDDEN, Some(_)) => "Bearer error=\"insufficient_scope\"".to_owned(),
            _ => return None,
        };
        HeaderValue::from_str(&text).ok()
    }
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::refused(error)
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl std::error::Error for Denied {}

/// The status that says the same as an error.
fn status(error: &Error) -> StatusCode {
    match error.code() {
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::AlreadyExists => StatusCode::CONFLICT,
        ErrorCode::WeakPassword => StatusCode::UNPROCESSABLE_ENTITY,
        code => match code.class() {
            ErrorClass::Forbidden => StatusCode::FORBIDDEN,
            ErrorClass::Login | ErrorClass::Refresh | ErrorClass::Reauthenticate | ErrorClass::Invalid => {
                StatusCode::UNAUTHORIZED
            }
            ErrorClass::Retry => StatusCode::SERVICE_UNAVAILABLE,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::error::Refusal;

    fn answer(code: ErrorCode) -> Response<String> {
        Denied::refused(Error::Refused(Refusal::new(code))).response()
    }

    fn challenge(response: &Response<String>) -> Option<&str> {
        response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn every_code_has_the_status_of_what_would_help() {
        for &code in ErrorCode::ALL {
            let status = answer(code).status().as_u16();
            let expected: &[u16] = match code.class() {
                ErrorClass::Retry => &[503, 429],
                ErrorClass::Forbidden => &[403],
                ErrorClass::Login | ErrorClass::Refresh | ErrorClass::Reauthenticate => &[401],
                ErrorClass::Invalid => &[400, 401, 404, 409, 422],
            };
            assert!(expected.contains(&status), "{code} {status}");
            assert_eq!(
                answer(code).headers().contains_key(RETRY_AFTER),
                [503, 429].contains(&status),
                "{code}"
            );
        }
    }

    #[test]
    fn a_challenge_says_what_is_wrong_with_what_was_shown() {
        assert_eq!(challenge(&Denied::anonymous().response()), Some("Bearer"));
        assert_eq!(challenge(&answer(ErrorCode::Expired)), Some("Bearer error=\"invalid_token\""));
        assert_eq!(challenge(&answer(ErrorCode::RoleMissing)), Some("Bearer error=\"insufficient_scope\""));
        assert_eq!(challenge(&answer(ErrorCode::Busy)), None);
        let needs = Needs { level: Some(2), max_auth_age: Some(300), ..Needs::default() };
        let denied = Denied::refused(Error::Refused(Refusal::new(ErrorCode::Reauthenticate))).needing(&needs);
        let expected = "Bearer error=\"insufficient_user_authentication\", acr_values=\"2\", max_age=\"300\"";
        assert_eq!(challenge(&denied.response()), Some(expected));
    }

    #[test]
    fn the_wait_is_the_daemons_rounded_up() {
        let refusal = Refusal::new(ErrorCode::RateLimited).after(Duration::from_millis(2001));
        let response: Response<String> = Denied::refused(Error::Refused(refusal)).response();
        assert_eq!(response.headers()[RETRY_AFTER], "3");
    }
}
