//! What keeps another site's page from acting for the user whose browser it is in.
//!
//! Two locks, and both must open: the browser says that the request comes from the app's own pages, and the request carries a text that only such a
//! page could know. What changes nothing (RFC 9110, section 9.2.1) is let through, and so is what shows a token in a header, which no
//! other site's page can make a browser do.

use bytes::Bytes;
use hallpass_protocol::secret::Token;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::Body;
use http_body_util::{BodyExt, Limited};

use super::denied::Denied;
use crate::csrf::CsrfKey;

/// The header that carries a CSRF token.
pub(super) const HEADER: &str = "x-csrf-token";
/// The field of a form that carries a CSRF token.
pub(super) const FIELD: &str = "csrf";
/// What a browser says of where a request comes from.
const FETCH_SITE: &str = "sec-fetch-site";
/// Largest form that is looked into, in bytes.
const FORM_BYTES: usize = 64 * 1024;

const OTHER_SITE: &str = "this request was made by a page of another site, so it was not carried out; open the app's own page and try again there";
const NO_TOKEN: &str = "this request carries no CSRF token of this browser's session, so it was not carried out; load the page again and try once more, \
                        with the token in the field `csrf` or the header `x-csrf-token`";

/// Whether a request of this method changes nothing.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether a request comes from a page of the app itself, as far as its browser says.
///
/// `own` is the app's origin as browsers see it; without it the `Host` that the request names is taken.
pub(super) fn check_site(parts: &Parts, own: Option<&str>) -> Result<(), Denied> {
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // Every present browser says this, and no page can. A page on another port or subdomain is the same site and still not ours.
    if let Some(site) = text(FETCH_SITE) {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(Denied::forged(OTHER_SITE)) };
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        // An old browser may leave both out, and so does what is no browser: there the token alone decides.
        return Ok(());
    };
    let is_own = match own {
        Some(own) => origin == own,
        None => {
            host(parts).is_some_and(|host| origin.split_once("://").is_some_and(|(_, from)| from == host))
        }
    };
    if is_own { Ok(()) } else { Err(Denied::forged(OTHER_SITE)) }
}

/// The host that a request names, by whichever version of HTTP.
fn host(parts: &Parts) -> Option<&str> {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    authority.or_else(|| parts.headers.get(HOST).and_then(|host| host.to_str().ok()))
}

/// Looks for a CSRF token that goes with one of these cookies, in the header or in a form, and gives the body back as it was.
pub(super) async fn check_token<B>(headers: &HeaderMap, body: B, cookies: &[Token]) -> Result<B, Denied>
where
    B: Body<Data = Bytes> + From<Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let known = |shown: &str| cookies.iter().any(|cookie| key(cookie).check(shown));
    if let Some(shown) = headers.get(HEADER) {
        let good = shown.to_str().is_ok_and(known);
        return if good { Ok(body) } else { Err(Denied::forged(NO_TOKEN)) };
    }
    let is_form = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(Denied::forged(NO_TOKEN));
    }
    let read = Limited::new(body, FORM_BYTES).collect().await;
    let bytes = read.map_err(|_| Denied::too_large(FORM_BYTES))?.to_bytes();
    let mut fields = form_urlencoded::parse(&bytes).filter(|(name, _)| name == FIELD);
    // Two fields of that name are nobody's form.
    let good = fields.next().is_some_and(|(_, shown)| known(&shown)) && fields.next().is_none();
    if good { Ok(B::from(bytes)) } else { Err(Denied::forged(NO_TOKEN)) }
}

/// The key that goes with a cookie. A visitor's must be long enough not to be guessed; any token of a session is.
pub(super) fn key(cookie: &Token) -> CsrfKey {
    CsrfKey::for_visitor(cookie.expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http_body_util::Full;

    fn parts(headers: &[(&'static str, &'static str)]) -> Parts {
        let request =
            headers.iter().fold(Request::post("/x"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_the_apps_own_pages_may_act_for_a_user() {
        for (headers, own, good) in [
            (&[("sec-fetch-site", "same-origin")][..], None, true),
            (&[("sec-fetch-site", "none")], None, true),
            (&[("sec-fetch-site", "same-site")], None, false),
            (&[("sec-fetch-site", "cross-site")], None, false),
            // What the browser says itself counts for more than what looks right beside it.
            (&[("sec-fetch-site", "cross-site"), ("host", "a"), ("origin", "http://a")], None, false),
            (&[("host", "shop.example:8080"), ("origin", "http://shop.example:8080")], None, true),
            (&[("host", "shop.example:8080"), ("origin", "http://shop.example:8081")], None, false),
            (&[("host", "shop.example"), ("origin", "https://evil.example")], None, false),
            (&[("host", "shop.example"), ("origin", "null")], None, false),
            (&[("host", "shop.example"), ("origin", "shop.example")], None, false),
            (
                &[("host", "inner:3000"), ("origin", "https://shop.example")],
                Some("https://shop.example"),
                true,
            ),
            (
                &[("host", "shop.example"), ("origin", "http://shop.example")],
                Some("https://shop.example"),
                false,
            ),
            (&[("host", "shop.example")], None, true),
        ] {
            assert_eq!(check_site(&parts(headers), own).is_ok(), good, "{headers:?} {own:?}");
        }
    }

    async fn shown(
        headers: &[(&'static str, &str)],
        body: &str,
        cookies: &[Token],
    ) -> Result<String, Denied> {
        let request =
            headers.iter().fold(Request::post("/x"), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let body = check_token(&parts.headers, Full::<Bytes>::from(body.to_owned()), cookies).await?;
        Ok(String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

    #[tokio::test]
    async fn a_token_counts_in_the_header_or_once_in_a_form_and_the_form_stays_whole() {
        let cookies = [Token::new("hps_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into())];
        let token = key(&cookies[0]).token().unwrap();
        assert_eq!(shown(&[(HEADER, &token)], "anything", &cookies).await.unwrap(), "anything");
        let form = format!("a=1&csrf={token}&b=%C3%A4");
        assert_eq!(shown(&[FORM], &form, &cookies).await.unwrap(), form);
        for (headers, body) in [
            (&[FORM][..], "a=1".to_owned()),
            (&[FORM], format!("csrf={token}&csrf={token}")),
            (&[FORM], format!("csrf=x&csrf={token}")),
            (&[FORM, (HEADER, "x")], form.clone()),
            (&[], form.clone()),
            (&[("content-type", "text/plain")], form.clone()),
        ] {
            let denied = shown(headers, &body, &cookies).await.unwrap_err();
            assert_eq!(denied.status().as_u16(), 403, "{headers:?} {body}");
        }
        assert!(shown(&[FORM], &form, &[]).await.is_err(), "no cookie, no key");
        let large = format!("csrf={token}&a={}", "x".repeat(FORM_BYTES));
        assert_eq!(shown(&[FORM], &large, &cookies).await.unwrap_err().status().as_u16(), 413);
    }

    #[tokio::test]
    async fn a_guessable_visitor_has_no_key() {
        let cookies = [Token::new("short".into())];
        assert!(key(&cookies[0]).token().is_err());
        assert!(shown(&[(HEADER, &"A".repeat(86))], "", &cookies).await.is_err());
    }
}
