//! One request of a browser or another caller: who it comes from, and what the app does about that.

mod account;

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64ct::{Base64UrlUnpadded, Encoding};
use hallpass_protocol::auth::{Context, Grant, GrantedTokens, Needs};
use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::Millis;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderName, HeaderValue, Response};

use super::cookies::Jar;
use super::denied::Denied;
use super::form::CsrfField;
use super::guard;
use super::setup::Web;
use super::shown::Shown;
use crate::error::Error;
use crate::verifier::{Bearer, Verdict};

/// Has a browser forget pages that it has shown (W3C, "Clear Site Data"). `"cookies"` would take those of other apps on the host too.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// How long a device is known after its last login.
const DEVICE_AGE: Duration = Duration::from_hours(400 * 24);

/// Who a request comes from, verified for this request. It is a [`Bearer`].
///
/// With `axum` a handler takes it as an argument: nobody gets in without. `Option<Identity>` lets everybody in.
///
/// ```
/// use hallpass_client::web::Identity;
///
/// async fn me(who: Identity) -> String {
///     format!("{} with {:?}", who.user_id(), who.roles())
/// }
///
/// async fn home(who: Option<Identity>) -> &'static str {
///     if who.is_some() { "welcome back" } else { "welcome" }
/// }
/// # let _: axum::Router = axum::Router::new()
/// #     .route("/me", axum::routing::get(me))
/// #     .route("/", axum::routing::get(home));
/// ```
#[derive(Debug, Clone)]
pub struct Identity(Verdict);

impl Deref for Identity {
    type Target = Bearer;

    fn deref(&self) -> &Bearer {
        &self.0
    }
}

impl Identity {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self(verdict)
    }
}

/// One request, with who it comes from and what can be done about that.
///
/// What it does to cookies is in the answer that the layer sends: a handler returns whatever it likes.
///
/// With `axum` a handler takes it as an argument; otherwise it lies in the request's extensions.
///
/// ```
/// use hallpass_client::web::{Denied, Visit};
///
/// async fn log_out(visit: Visit) -> Result<&'static str, Denied> {
///     visit.log_out().await?;
///     Ok("bye")
/// }
/// ```
#[derive(Clone)]
pub struct Visit(Arc<Inner>);

struct Inner {
    web: Web,
    shown: Shown,
    outcome: Result<Option<Identity>, Error>,
    context: Context,
    device: Option<Token>,
    answer: Mutex<Answer>,
}

/// What the answer brings along.
#[derive(Default)]
struct Answer {
    /// By cookie, so that what is set last counts.
    cookies: Vec<(Jar, HeaderValue)>,
    visitor: Option<Token>,
    /// Whether a session's cookies are taken away.
    leaves: bool,
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit").field("outcome", &self.0.outcome).finish_non_exhaustive()
    }
}

impl Visit {
    pub(super) fn new(
        web: Web,
        shown: Shown,
        context: Context,
        device: Option<Token>,
        visitor: Option<Token>,
        outcome: Result<Option<Identity>, Error>,
    ) -> Self {
        let answer = Mutex::new(Answer { visitor, ..Answer::default() });
        Self(Arc::new(Inner { web, shown, outcome, context, device, answer }))
    }

    /// Who it comes from; nobody, if it shows nothing or what it shows is over.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Visit};
    ///
    /// fn greeting(visit: &Visit) -> Result<String, Denied> {
    ///     let name = visit.identity()?.and_then(|who| who.name());
    ///     Ok(format!("hello, {}", name.unwrap_or("stranger")))
    /// }
    /// ```
    ///
    /// # Errors
    /// The daemon could not be asked: it is not known whether somebody is logged in.
    pub fn identity(&self) -> Result<Option<&Identity>, Denied> {
        match &self.0.outcome {
            Ok(identity) => Ok(identity.as_ref()),
            Err(error) if error.class() == ErrorClass::Retry => Err(Denied::refused(error.clone())),
            Err(_) => Ok(None),
        }
    }

    /// Who it comes from.
    ///
    /// ```
    /// use hallpass_client::UserId;
    /// use hallpass_client::web::{Denied, Visit};
    ///
    /// fn owner(visit: &Visit) -> Result<UserId, Denied> {
    ///     Ok(visit.signed_in()?.user_id())
    /// }
    /// ```
    ///
    /// # Errors
    /// Nobody is logged in, or that is not known.
    pub fn signed_in(&self) -> Result<&Identity, Denied> {
        match &self.0.outcome {
            Ok(Some(identity)) => Ok(identity),
            Ok(None) => Err(Denied::anonymous()),
            Err(error) => Err(Denied::refused(error.clone())),
        }
    }

    /// Who it comes from, if they meet these needs: roles, a recent proof, a level.
    ///
    /// ```
    /// use hallpass_client::Needs;
    /// use hallpass_client::web::{Denied, Visit};
    ///
    /// async fn delete(visit: &Visit, project: &str) -> Result<String, Denied> {
    ///     let needs = Needs { roles: vec![format!("owner-{project}")], max_auth_age: Some(300), ..Needs::default() };
    ///     let owner = visit.require(&needs).await?;
    ///     Ok(format!("{} may delete {project}", owner.user_id()))
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Visit::signed_in`], and what is not met.
    pub async fn require(&self, needs: &Needs) -> Result<Identity, Denied> {
        self.signed_in()?;
        let token = self.token().map_err(Denied::refused)?;
        let web = &self.0.web;
        let verdict = web.verifier().verify_async(token.expose(), needs, Some(&self.0.context)).await;
        verdict.map(Identity::new).map_err(|error| Denied::refused(error).needing(needs))
    }

    /// A CSRF token for a form or a script of this page: the field `csrf`, or the header `x-csrf-token`.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Visit};
    ///
    /// /// Read by the page's script, which sends it as `x-csrf-token`.
    /// fn head(visit: &Visit) -> Result<String, Denied> {
    ///     Ok(format!(r#"<meta name="csrf" content="{}">"#, visit.csrf()?))
    /// }
    /// ```
    ///
    /// # Errors
    /// The system has no random bits to give.
    pub fn csrf(&self) -> Result<String, Denied> {
        let session = match &self.0.shown {
            Shown::Session(token) if matches!(self.0.outcome, Ok(Some(_))) => Some(token.clone()),
            _ => None,
        };
        let cookie = session.map_or_else(|| self.visitor(), Ok)?;
        guard::key(&cookie).token().map_err(|_| no_random_bits())
    }

    /// The hidden field with such a token, for a form of this page.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Visit};
    ///
    /// fn form(visit: &Visit) -> Result<String, Denied> {
    ///     Ok(format!(r#"<form method="post" action="/logout">{}<button>Log out</button></form>"#, visit.csrf_field()?))
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Visit::csrf`].
    pub fn csrf_field(&self) -> Result<CsrfField, Denied> {
        self.csrf().map(CsrfField)
    }

    /// What this visitor is told apart by. One who has nothing yet is given it with the answer.
    fn visitor(&self) -> Result<Token, Denied> {
        if let Some(visitor) = &self.answer().visitor {
            return Ok(visitor.clone());
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| no_random_bits())?;
        let visitor = Token::new(Base64UrlUnpadded::encode_string(&bytes));
        self.set(Jar::Visitor, &visitor, None);
        self.answer().visitor = Some(visitor.clone());
        Ok(visitor)
    }

    /// What stands for the session in calls that take a session or access token.
    fn token(&self) -> Result<&Token, Error> {
        self.0.shown.verifiable().ok_or_else(nobody)
    }

    /// Has the answer set the cookies of a grant.
    pub(super) fn set_grant(&self, grant: &Grant) {
        let left = |until: Millis| Some(until.since(now()));
        match &grant.tokens {
            GrantedTokens::Cookie { session_token } => {
                self.set(Jar::Session, session_token, left(grant.absolute_deadline));
            }
            GrantedTokens::Token { access_token, access_expires, refresh_token, .. } => {
                self.set(Jar::Access, access_token, left(*access_expires));
                self.set(Jar::Refresh, refresh_token, left(grant.absolute_deadline));
            }
        }
        if let Some(device) = &grant.device_token {
            self.set(Jar::Device, device, Some(DEVICE_AGE));
        }
    }

    /// Has the answer take the session's cookies away. The device stays known.
    pub(super) fn clear(&self) {
        if let Ok(Some(identity)) = &self.0.outcome {
            self.0.web.renewals().forget(identity.session_id());
        }
        for jar in Jar::SESSION {
            if self.0.shown.is_in(jar) {
                let header = self.0.web.cookies().clear(jar);
                self.put(jar, header);
                self.answer().leaves = true;
            }
        }
    }

    fn set(&self, jar: Jar, value: &Token, longest: Option<Duration>) {
        let header = self.0.web.cookies().set(jar, value.expose(), longest);
        self.put(jar, header);
    }

    fn put(&self, jar: Jar, header: Option<HeaderValue>) {
        let mut answer = self.answer();
        answer.cookies.retain(|(other, _)| *other != jar);
        answer.cookies.extend(header.map(|header| (jar, header)));
    }

    /// Writes into an answer what it brings along.
    pub(super) fn finish<B>(&self, mut response: Response<B>) -> Response<B> {
        let answer = self.answer();
        // What one user is shown is for nobody else, and for nobody who comes back to the browser after they have left.
        let is_private = !answer.cookies.is_empty() || !matches!(self.0.shown, Shown::Nothing);
        let headers = response.headers_mut();
        for (_, cookie) in &answer.cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
        if answer.leaves {
            // Chromium keeps pages for its back button in spite of `no-store`, as whole pages and not as what was fetched; this is what they listen to.
            headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static(r#""cache""#));
        }
        if is_private && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }

    /// A panic of another thread leaves a whole list behind.
    fn answer(&self) -> MutexGuard<'_, Answer> {
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nobody() -> Error {
    Error::Refused(Refusal::because(ErrorCode::InvalidToken, "nobody is logged in here; log in first"))
}

fn no_random_bits() -> Denied {
    let sentence = "the system has no random bits to give, so no form could be protected; nothing was done";
    Denied::refused(Error::Refused(Refusal::because(ErrorCode::Unavailable, sentence)))
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Millis::default().plus(since)
}
