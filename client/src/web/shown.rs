//! What a request shows to be let in.

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::secret::Token;
use http::{HeaderMap, header};

use super::cookies::{Cookies, Jar};

/// What a request shows.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// A token in the header `Authorization`. No page of another site can make a browser send it.
    Bearer(Token),
    /// A session token in a cookie.
    Session(Token),
    /// The tokens of a token session, each in a cookie. The access token may be over already.
    Pair { access: Option<Token>, refresh: Option<Token> },
    /// Nothing.
    Nothing,
}

impl Shown {
    /// What these headers show. A token in `Authorization` counts alone.
    pub(super) fn of(headers: &HeaderMap, cookies: &Cookies, kind: SessionKind) -> Self {
        if let Some(token) = bearer(headers) {
            return Self::Bearer(token);
        }
        match kind {
            SessionKind::Cookie => cookies.read(headers, Jar::Session).map_or(Self::Nothing, Self::Session),
            SessionKind::Token => {
                let (access, refresh) =
                    (cookies.read(headers, Jar::Access), cookies.read(headers, Jar::Refresh));
                if access.is_none() && refresh.is_none() {
                    Self::Nothing
                } else {
                    Self::Pair { access, refresh }
                }
            }
        }
    }

    /// What can be verified.
    pub(super) fn verifiable(&self) -> Option<&Token> {
        match self {
            Self::Bearer(token) | Self::Session(token) => Some(token),
            Self::Pair { access, .. } => access.as_ref(),
            Self::Nothing => None,
        }
    }

    /// Whatever stands for the session: what lasts longest.
    pub(super) fn any(&self) -> Option<&Token> {
        match self {
            Self::Pair { access, refresh } => refresh.as_ref().or(access.as_ref()),
            other => other.verifiable(),
        }
    }

    /// Whether a cookie of the request is part of it.
    pub(super) fn is_in(&self, jar: Jar) -> bool {
        match self {
            Self::Session(_) => jar == Jar::Session,
            Self::Pair { .. } => matches!(jar, Jar::Access | Jar::Refresh),
            Self::Bearer(_) | Self::Nothing => false,
        }
    }
}

/// The token of `Authorization: Bearer` (RFC 6750). The scheme's name may be written in any case.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Token::new(token.to_owned()))
}
