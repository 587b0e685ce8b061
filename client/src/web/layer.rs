//! The layer that every request goes through: who it comes from, whether it may change anything, and the cookies of its answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::denied::Denied;
use super::guard;
use super::setup::Web;
use super::shown::Shown;
use super::visit::Visit;
use super::wanted::Wanted;

/// The layer of [`Web::layer`]. Every request behind it has a [`Visit`] in its extensions, whatever the framework.
///
/// ```
/// use bytes::Bytes;
/// use hallpass_client::web::{Denied, Visit, Web};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// fn page(request: &Request<Full<Bytes>>) -> Result<Response<String>, Denied> {
///     let visit = request.extensions().get::<Visit>().expect("this lies behind the layer");
///     Ok(Response::new(format!("you are {}", visit.signed_in()?.user_id())))
/// }
///
/// async fn serve(request: Request<Full<Bytes>>) -> Result<Response<String>, std::convert::Infallible> {
///     Ok(page(&request).unwrap_or_else(|denied| denied.response()))
/// }
///
/// fn app(web: &Web) -> impl Service<Request<Full<Bytes>>, Response = Response<String>> {
///     ServiceBuilder::new().layer(web.layer()).service(service_fn(serve))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Layer(pub(super) Web);

/// A service behind the layer.
///
/// ```
/// use hallpass_client::web::{Guarded, Web};
/// use tower::Layer;
///
/// fn guarded<S>(web: &Web, service: S) -> Guarded<S> {
///     web.layer().layer(service)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    web: Web,
    inner: S,
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { web: self.0.clone(), inner }
    }
}

impl<S, B, R> tower_service::Service<Request<B>> for Guarded<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + From<Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: From<String> + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was asked whether it is ready is the one that may be called; its clone is for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let web = self.web.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (shown, cookies) = web.shown(&parts.headers);
            let wanted = Wanted::of(&parts);
            let body = match guarded(&web, &parts, body, &shown, &cookies).await {
                Ok(body) => body,
                Err(denied) => return Ok(wanted.show(denied.response(), web.settings())),
            };
            let visit = web.visit(&parts, shown).await;
            parts.extensions.insert(visit.clone());
            let response = inner.call(Request::from_parts(parts, body)).await?;
            Ok(visit.finish(wanted.show(response, web.settings())))
        })
    }
}

/// Lets a request through that changes nothing, shows a token that only its own caller can have sent, or comes from a page of the app.
async fn guarded<B>(
    web: &Web,
    parts: &http::request::Parts,
    body: B,
    shown: &Shown,
    cookies: &[hallpass_protocol::secret::Token],
) -> Result<B, Denied>
where
    B: Body<Data = Bytes> + From<Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if guard::is_safe(&parts.method) || matches!(shown, Shown::Bearer(_)) {
        return Ok(body);
    }
    guard::check_site(parts, web.origin())?;
    guard::check_token(&parts.headers, body, cookies).await
}

impl Visit {
    /// What a handler takes from a request.
    #[cfg(feature = "axum")]
    pub(super) fn of(parts: &http::request::Parts) -> Result<&Self, Denied> {
        parts.extensions.get::<Self>().ok_or_else(Denied::unguarded)
    }
}
