//! The cookies of one app. Setting and clearing are made from one value, and names carry the app, since browsers give cookies to every port of a host.

use std::time::Duration;

use hallpass_protocol::secret::Token;
use http::{HeaderMap, HeaderValue, header};

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jar {
    /// The session token of a cookie session.
    Session,
    /// The access token of a token session.
    Access,
    /// The refresh token of a token session.
    Refresh,
    /// What proves a known device at the next login. It opens nothing.
    Device,
    /// What a visitor who has not logged in is told apart by, for CSRF tokens.
    Visitor,
}

impl Jar {
    /// What a session lives in, whatever its kind.
    pub(super) const SESSION: [Self; 3] = [Self::Session, Self::Access, Self::Refresh];

    const fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Device => "device",
            Self::Visitor => "pre",
        }
    }
}

/// The cookies of one app.
#[derive(Debug, Clone)]
pub(super) struct Cookies {
    app: String,
    /// Whether the app is only reached over TLS, or at a place that browsers trust as much.
    secure: bool,
}

impl Cookies {
    /// The cookies of this app. Those that are not secure are for plain `http://localhost` alone.
    pub(super) fn new(app: String, secure: bool) -> Self {
        Self { app, secure }
    }

    /// The name. With the prefix a browser takes the cookie only from this very host, over TLS and for every path (RFC 6265bis, section 4.1.3).
    pub(super) fn name(&self, jar: Jar) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}{}-{}", self.app, jar.word())
    }

    /// The header that sets a cookie for so long; until the browser is closed, where nothing is said.
    pub(super) fn set(&self, jar: Jar, value: &str, longest: Option<Duration>) -> Option<HeaderValue> {
        let age = longest.map_or_else(String::new, |longest| format!("; Max-Age={}", longest.as_secs()));
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{}={value}{age}; Path=/{secure}; HttpOnly; SameSite=Lax", self.name(jar));
        let mut header = HeaderValue::from_str(&text).ok()?;
        // So that nothing that prints headers prints this one.
        header.set_sensitive(true);
        Some(header)
    }

    /// The header that takes a cookie away.
    pub(super) fn clear(&self, jar: Jar) -> Option<HeaderValue> {
        self.set(jar, "", Some(Duration::ZERO))
    }

    /// The value that a request brings along. An empty one is none.
    pub(super) fn read(&self, headers: &HeaderMap, jar: Jar) -> Option<Token> {
        let name = self.name(jar);
        let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(found, value)| found.trim() == name && !value.trim().is_empty());
        found.map(|(_, value)| Token::new(value.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(text))])
    }

    #[test]
    fn a_cookie_is_of_this_host_alone_and_out_of_a_scripts_reach() {
        let cookies = Cookies::new("shop".into(), true);
        let set = cookies.set(Jar::Session, "hps_x", Some(Duration::from_mins(2))).unwrap();
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-shop-session=hps_x; Max-Age=120; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert!(set.is_sensitive());
    }

    #[test]
    fn what_clears_a_cookie_differs_from_what_set_it_in_value_and_age_alone() {
        let cookies = Cookies::new("shop".into(), true);
        let set = cookies.set(Jar::Session, "", Some(Duration::from_hours(1))).unwrap();
        let clear = cookies.clear(Jar::Session).unwrap();
        let clear = clear.to_str().unwrap();
        assert!(clear.contains("Max-Age=0"));
        assert_eq!(set.to_str().unwrap().replace("Max-Age=3600", "Max-Age=0"), clear);
    }

    #[test]
    fn two_apps_on_one_host_do_not_meet() {
        let (shop, blog) = (Cookies::new("shop".into(), false), Cookies::new("blog".into(), false));
        let headers = brought("shop-session=hps_a; blog-session=hps_b");
        let read = |cookies: &Cookies| cookies.read(&headers, Jar::Session).unwrap().expose().to_owned();
        assert_eq!((read(&shop), read(&blog)), ("hps_a".into(), "hps_b".into()));
    }

    #[test]
    fn only_a_cookie_of_exactly_that_name_with_a_value_counts() {
        let cookies = Cookies::new("shop".into(), true);
        for text in ["shop-session=hps_x", "x__Host-shop-session=hps_x", "__Host-shop-session=", "", "=;;="] {
            assert!(cookies.read(&brought(text), Jar::Session).is_none(), "{text}");
        }
        let headers = brought("a=b;__Host-shop-session=hps_x");
        assert!(cookies.read(&headers, Jar::Session).is_some());
    }
}
