//! How an app's web side is set up, and what it does for each request.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hallpass_protocol::auth::{Context, GrantedTokens, Needs, SessionKind};
use hallpass_protocol::error::ErrorClass;
use hallpass_protocol::secret::Token;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;

use super::cookies::{Cookies, Jar};
use super::denied::Denied;
use super::layer::Layer;
use super::renewal::Renewals;
use super::shown::Shown;
use super::visit::{Identity, Visit};
use crate::client::Client;
use crate::error::Error;
use crate::verifier::{Verifier, VerifierBuilder};

/// Where a proxy writes whom it has asked for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request came from, for servers other than axum's: put it into the request's extensions before the layer sees it.
///
/// ```
/// use std::net::SocketAddr;
/// use hallpass_client::web::PeerAddress;
///
/// fn with_peer<B>(mut request: http::Request<B>, peer: SocketAddr) -> http::Request<B> {
///     request.extensions_mut().insert(PeerAddress(peer.ip()));
///     request
/// }
/// # let request = with_peer(http::Request::new(()), ([192, 0, 2, 7], 443).into());
/// # assert!(request.extensions().get::<PeerAddress>().is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// The web side of an app: its way to the daemon, its cookies, and its layer. Clones are cheap and share everything.
///
/// ```no_run
/// # async fn f() -> Result<(), hallpass_client::Error> {
/// use axum::Router;
/// use axum::routing::get;
/// use hallpass_client::web::{Identity, Web};
///
/// let web = Web::builder().login_page("/login").connect_default().await?;
/// let app: Router = Router::new()
///     .route("/me", get(async |who: Identity| who.user_id().to_string()))
///     .layer(web.layer());
///
/// // For what is not about one request:
/// println!("{:?} {:?}", web.client().socket(), web.verifier().asked());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    client: Client,
    verifier: Verifier,
    cookies: Cookies,
    renewals: Renewals,
    settings: WebBuilder,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// Sets a [`Web`] up.
///
/// ```no_run
/// # async fn f() -> Result<(), hallpass_client::Error> {
/// use std::time::Duration;
/// use hallpass_client::Verifier;
/// use hallpass_client::web::Web;
///
/// let web = Web::builder()
///     .login_page("/login")
///     .proof_page("/prove")
///     .verifier(Verifier::builder().report_every(Duration::from_secs(5)))
///     .origin("https://shop.example")
///     .trusted_proxies(1) // nginx, on this host
///     .connect_default()
///     .await?;
/// # Ok(()) }
/// ```
///
/// On a developer's machine, and for an app whose browsers hold an access token that it hands on:
///
/// ```
/// # use hallpass_client::web::Web;
/// let local = Web::builder().plain_localhost();
/// let with_tokens = Web::builder().with_tokens();
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct WebBuilder {
    pub(super) login_page: Option<String>,
    pub(super) proof_page: Option<String>,
    origin: Option<String>,
    proxies: usize,
    plain: bool,
    tokens: bool,
    verifier: VerifierBuilder,
    pub(super) denied_page: Option<fn(&Denied) -> String>,
}

impl WebBuilder {
    /// Sends a browser that has to log in to this page, with where it wanted to go in the query's `next`: see [`next_page`](super::next_page). Without
    /// it the answer is 401.
    pub fn login_page(self, path: impl Into<String>) -> Self {
        Self { login_page: Some(path.into()), ..self }
    }

    /// Sends a browser whose user has to prove again who they are to this page, in the same way. Without it the answer is 401 with a challenge (RFC 9470).
    pub fn proof_page(self, path: impl Into<String>) -> Self {
        Self { proof_page: Some(path.into()), ..self }
    }

    /// What browsers are shown of a denial that sends them nowhere: a page of HTML in the app's own looks, made of [`Denied::status`] and
    /// [`Denied::sentence`]. Without it they are shown the sentence alone.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Web};
    ///
    /// fn page(denied: &Denied) -> String {
    ///     let sentence = denied.sentence().replace('&', "&amp;").replace('<', "&lt;");
    ///     format!("<!doctype html><title>{0}</title><h1>{0}</h1><p>{sentence}", denied.status())
    /// }
    ///
    /// let web = Web::builder().login_page("/login").denied_page(page);
    /// ```
    pub fn denied_page(self, page: fn(&Denied) -> String) -> Self {
        Self { denied_page: Some(page), ..self }
    }

    /// The app's origin as browsers see it, such as `https://shop.example`: needed behind a proxy that changes the `Host` of requests, for browsers
    /// that do not send `Sec-Fetch-Site`.
    pub fn origin(self, origin: impl Into<String>) -> Self {
        Self { origin: Some(origin.into()), ..self }
    }

    /// How many proxies of yours stand before the app, each adding to `X-Forwarded-For`: 0 by default, when the header is not believed at all. It decides
    /// which address failed logins are counted by, so one too many lets strangers choose it.
    pub fn trusted_proxies(self, count: usize) -> Self {
        Self { proxies: count, ..self }
    }

    /// For development on plain `http://localhost`: cookies without `Secure` and without the prefix that demands it. Never in production: such
    /// cookies travel in the clear, and other hosts of the domain can set them.
    pub fn plain_localhost(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Has browsers hold an access and a refresh token instead of a session token, for apps that hand the access token on to others. The layer refreshes
    /// them; a session token needs no refreshing, so take that unless you need this.
    pub fn with_tokens(self) -> Self {
        Self { tokens: true, ..self }
    }

    /// Has requests verified by a verifier that is set up like this: one that reports what it tells, or goes on for a while without the daemon.
    pub fn verifier(self, verifier: VerifierBuilder) -> Self {
        Self { verifier, ..self }
    }

    /// Connects to the daemon behind this socket. The cookies are named after what it knows this app as.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::web::Web;
    ///
    /// let web = Web::builder().login_page("/login").connect("/run/hallpass/hallpass.sock").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect`].
    pub async fn connect(self, path: impl Into<PathBuf>) -> Result<Web, Error> {
        self.over(Client::connect(path).await?).await
    }

    /// Connects to the daemon where it is by default.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::web::Web;
    ///
    /// let web = Web::builder().login_page("/login").connect_default().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect_default`].
    pub async fn connect_default(self) -> Result<Web, Error> {
        self.over(Client::connect_default().await?).await
    }

    async fn over(self, client: Client) -> Result<Web, Error> {
        let app = client.hello().await?.app;
        let socket = client.socket().to_owned();
        // It waits for the daemon on a thread of its own, which this one must not.
        let builder = self.verifier.clone();
        let connecting = tokio::task::spawn_blocking(move || builder.connect(socket));
        let verifier = connecting.await.unwrap_or(Err(Error::NoAnswer))?;
        let cookies = Cookies::new(app, !self.plain);
        Ok(Web(Arc::new(Inner { client, verifier, cookies, renewals: Renewals::default(), settings: self })))
    }
}

impl Web {
    /// Sets one up otherwise than usual.
    pub fn builder() -> WebBuilder {
        WebBuilder::default()
    }

    /// The usual: secure cookies with a session token, and the daemon where it is by default.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::web::Web;
    ///
    /// let web = Web::connect_default().await?; // who has to log in is answered 401
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect_default`].
    pub async fn connect_default() -> Result<Self, Error> {
        WebBuilder::default().connect_default().await
    }

    /// The layer that every route belongs behind.
    #[must_use]
    pub fn layer(&self) -> Layer {
        Layer(self.clone())
    }

    /// The way to the daemon, for what is not about one request.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// What verifies the requests.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    pub(super) fn cookies(&self) -> &Cookies {
        &self.0.cookies
    }

    pub(super) fn renewals(&self) -> &Renewals {
        &self.0.renewals
    }

    pub(super) fn settings(&self) -> &WebBuilder {
        &self.0.settings
    }

    pub(super) fn origin(&self) -> Option<&str> {
        self.0.settings.origin.as_deref()
    }

    /// The kind of session that a login opens.
    pub(super) fn kind(&self) -> SessionKind {
        if self.0.settings.tokens { SessionKind::Token } else { SessionKind::Cookie }
    }

    /// What a request shows, and the cookies that its CSRF token can go with.
    pub(super) fn shown(&self, headers: &HeaderMap) -> (Shown, Vec<Token>) {
        let cookies = self.cookies();
        let shown = Shown::of(headers, cookies, self.kind());
        let session = match &shown {
            Shown::Session(token) => Some(token.clone()),
            _ => None,
        };
        (shown, session.into_iter().chain(cookies.read(headers, Jar::Visitor)).collect())
    }

    /// Finds out who a request comes from.
    pub(super) async fn visit(&self, parts: &Parts, shown: Shown) -> Visit {
        let context = self.context(parts);
        let device = self.cookies().read(&parts.headers, Jar::Device);
        let visitor = self.cookies().read(&parts.headers, Jar::Visitor);
        let mut outcome = self.identity(&shown, &context).await;
        let (mut shown, mut renewed) = (shown, None);
        if let Shown::Pair { refresh: Some(refresh), .. } = &shown
            && needs_refresh(&outcome)
        {
            match self.renewals().renew(self.client(), refresh, &context).await {
                Ok(grant) => {
                    if let GrantedTokens::Token { access_token, refresh_token, .. } = &grant.tokens {
                        let (access, refresh) = (Some(access_token.clone()), Some(refresh_token.clone()));
                        shown = Shown::Pair { access, refresh };
                    }
                    outcome = self.identity(&shown, &context).await;
                    renewed = Some(grant);
                }
                Err(error) => outcome = Err(error),
            }
        }
        let visit = Visit::new(self.clone(), shown, context, device, visitor, outcome);
        if let Some(grant) = renewed {
            visit.set_grant(&grant);
        }
        // No other class says that the session is over.
        if visit
            .signed_in()
            .is_err_and(|denied| denied.error().is_some_and(|error| error.class() == ErrorClass::Login))
        {
            visit.clear();
        }
        visit
    }

    async fn identity(&self, shown: &Shown, context: &Context) -> Result<Option<Identity>, Error> {
        let Some(token) = shown.verifiable() else { return Ok(None) };
        let verdict = self.verifier().verify_async(token.expose(), &Needs::default(), Some(context)).await;
        verdict.map(|verdict| Some(Identity::new(verdict)))
    }

    /// Where a request came from, as far as that can be known.
    fn context(&self, parts: &Parts) -> Context {
        let user_agent =
            parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
        Context { ip: self.address(parts), user_agent, ..Context::default() }
    }

    fn address(&self, parts: &Parts) -> Option<IpAddr> {
        let Some(place) = self.0.settings.proxies.checked_sub(1) else { return peer(parts) };
        let values = parts.headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
        let named: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        // The last was written by the nearest proxy. What lies further than ours is anybody's word.
        named.iter().rev().nth(place)?.parse().ok()
    }
}

/// Whether a refresh token is what helps.
fn needs_refresh(outcome: &Result<Option<Identity>, Error>) -> bool {
    match outcome {
        Ok(identity) => identity.is_none(),
        Err(error) => matches!(error.class(), ErrorClass::Refresh | ErrorClass::Invalid),
    }
}

/// The address at the other end of the connection.
fn peer(parts: &Parts) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = parts.extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>() {
        return Some(info.0.ip());
    }
    parts.extensions.get::<PeerAddress>().map(|peer| peer.0)
}
