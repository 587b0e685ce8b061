//! What a browser keeps and sends, as far as sessions depend on it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt;

use crate::PASSWORD;

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    app: Router,
    pub(crate) cookies: BTreeMap<String, String>,
    /// What it sends along besides.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("ASCII")).collect()
    }
}

impl Browser {
    pub(crate) fn new(app: &Router) -> Self {
        Self { app: app.clone(), cookies: BTreeMap::new(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same browser, where the app is another process now.
    pub(crate) fn at(self, app: &Router) -> Self {
        Self { app: app.clone(), ..self }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Sends a form, with a CSRF token as the app's own page would have it.
    pub(crate) async fn post(&mut self, path: &str, fields: &str) -> Page {
        let csrf = self.clone().get_keeping(self, "/csrf").await;
        self.post_bare(path, &format!("{fields}&csrf={csrf}")).await
    }

    /// Sends a form as it is.
    pub(crate) async fn post_bare(&mut self, path: &str, form: &str) -> Page {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request, Body::from(form.to_owned())).await
    }

    /// Asks, as browsers do before a page's call to another origin, whether it may make it.
    pub(crate) async fn preflight(&mut self, path: &str, method: &str, headers: &str) -> Page {
        let request = Request::options(path)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers);
        self.send(request, Body::empty()).await
    }

    pub(crate) async fn log_in(&mut self) -> Page {
        let page = self.post("/login", &format!("name=alice&password={}", PASSWORD.replace(' ', "+"))).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        page
    }

    async fn get_keeping(mut self, into: &mut Self, path: &str) -> String {
        let text = self.get(path).await.text;
        into.cookies = self.cookies;
        text
    }

    async fn send(&mut self, request: Builder, body: Body) -> Page {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let mut request = request.header("host", "shop.example");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let answer =
            self.app.clone().oneshot(request.body(body).expect("a request")).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let text = to_bytes(body, 1 << 20).await.expect("a page that is not endless");
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        let page = Page { status: parts.status, headers: parts.headers, text };
        for cookie in page.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        page
    }
}
