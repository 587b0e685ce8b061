//! What a browser wanted, and what it is shown when that is denied.

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Uri};

use super::denied::Denied;
use super::setup::WebBuilder;

/// What a request asks for, kept until its answer is there.
pub(super) struct Wanted {
    /// Nothing for what is no browser: a script is told the status, and acts by that.
    page: Option<Uri>,
    /// Whether the page can be gone to once more. What would have changed something is not done a second time unasked.
    is_safe: bool,
}

impl Wanted {
    pub(super) fn of(parts: &Parts) -> Self {
        let accepts = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let is_browser = accepts.is_some_and(|accept| accept.contains("text/html"));
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
        Self { page: is_browser.then(|| parts.uri.clone()), is_safe }
    }

    /// The answer, or what a browser is shown in its place if it is a denial: where it can go on, or the app's own page.
    pub(super) fn show<B: From<String>>(
        &self,
        mut response: Response<B>,
        settings: &WebBuilder,
    ) -> Response<B> {
        let Some(page) = &self.page else { return response };
        let Some(denied) = response.extensions_mut().remove::<Denied>() else { return response };
        let way_on = match settings {
            settings if denied.wants_login() => settings.login_page.as_deref(),
            settings if denied.wants_proof() => settings.proof_page.as_deref(),
            _ => None,
        };
        let place = way_on.and_then(|way_on| HeaderValue::from_str(&self.with_next(way_on, page)).ok());
        if let Some(place) = place {
            response.headers_mut().remove(WWW_AUTHENTICATE);
            response.headers_mut().insert(LOCATION, place);
            *response.status_mut() = StatusCode::SEE_OTHER;
        } else if let Some(denied_page) = settings.denied_page {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, html);
            response.headers_mut().remove(CONTENT_LENGTH);
            *response.body_mut() = B::from(denied_page(&denied));
        }
        response
    }

    /// The page that a browser is sent to, with where it wanted to go.
    fn with_next(&self, way_on: &str, page: &Uri) -> String {
        if !self.is_safe {
            return way_on.to_owned();
        }
        let wanted = page.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let wanted: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        let mark = if way_on.contains('?') { '&' } else { '?' };
        format!("{way_on}{mark}next={wanted}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::web::Web;
    use http::Request;

    fn shown(request: http::request::Builder, denied: &Denied, settings: &WebBuilder) -> Response<String> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Wanted::of(&parts).show(denied.response(), settings)
    }

    fn browser(path: &str) -> http::request::Builder {
        Request::get(path).header(ACCEPT, "text/html,*/*")
    }

    #[test]
    fn a_browser_is_sent_where_it_can_go_on_and_a_script_is_told() {
        let settings = Web::builder().login_page("/login");
        let response = shown(browser("/me?tab=2"), &Denied::anonymous(), &settings);
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[LOCATION], "/login?next=%2Fme%3Ftab%3D2");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
        let response = shown(Request::get("/me"), &Denied::anonymous(), &settings);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.body(), "this is for users who have logged in; log in first");
    }

    #[test]
    fn what_would_have_changed_something_is_not_gone_to_again() {
        let settings = Web::builder().login_page("/login?by=form");
        let request = Request::post("/delete").header(ACCEPT, "text/html");
        let response = shown(request, &Denied::anonymous(), &settings);
        assert_eq!(response.headers()[LOCATION], "/login?by=form");
        let response = shown(browser("/"), &Denied::anonymous(), &settings);
        assert_eq!(response.headers()[LOCATION], "/login?by=form&next=%2F");
    }

    #[test]
    fn the_apps_own_page_stands_where_there_is_no_way_on() {
        let settings = Web::builder().login_page("/login").denied_page(|denied| format!("<h1>{denied}"));
        let response = shown(browser("/"), &Denied::from(Error::NoAnswer), &settings);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(response.body().starts_with("<h1>the daemon gave no answer"), "{}", response.body());
        let response = shown(Request::get("/"), &Denied::from(Error::NoAnswer), &settings);
        assert!(response.body().starts_with("the daemon gave no answer"));
    }
}
