//! Proof that a form came from the app's own page, without state and without a call.
//!
//! A browser sends a session's cookie with any request, whoever made the page that sends it. What such a page cannot know is a text made
//! from the cookie's value: the app puts one into each form it serves, and takes no change without it.

use std::fmt;
use std::io;

use base64ct::{Base64UrlUnpadded, Encoding};
use hallpass_protocol::secret::Token;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What the HMAC is made over, so that its value is good for nothing else.
const LABEL: &[u8] = b"hallpass csrf v1";
/// Length of the value and of each page's mask, in bytes.
const VALUE_BYTES: usize = 32;
/// Length of a token's text: base64url of a mask and a masked value.
const TEXT_LEN: usize = 86;
/// Fewest characters of a visitor's cookie: those of 128 bits in base64url. Less could be guessed, and nothing at all is known to everybody.
const VISITOR_MIN: usize = 22;

/// Makes and checks the CSRF tokens that belong to one session, or to one visitor who has not logged in yet.
///
/// ```
/// use hallpass_client::{CsrfKey, Token};
///
/// let cookie = Token::new("hps_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into());
/// let csrf = CsrfKey::for_session(&cookie);
/// let form = format!(r#"<input type="hidden" name="csrf" value="{}">"#, csrf.token()?);
/// # let posted = form.split('"').nth(5).unwrap_or_default();
///
/// // Later, for the request that the form makes:
/// let csrf = CsrfKey::for_session(&cookie);
/// assert!(csrf.check(posted));
/// assert!(!csrf.check(""));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A token is masked anew for each page, so that a page whose length shows through compression does not give it away a character at a
/// time. It ends with its session: a new login, or a session token that was replaced, has tokens of its own. Check `Origin` or
/// `Sec-Fetch-Site` too; this is the second lock, not the only one.
#[derive(Clone)]
pub struct CsrfKey {
    /// Nothing for a visitor whose cookie is no secret: then nothing is made and nothing is accepted.
    value: Option<[u8; VALUE_BYTES]>,
}

impl CsrfKey {
    /// The key for the session that this session token stands for.
    #[must_use]
    pub fn for_session(token: &Token) -> Self {
        Self { value: Some(value(token.expose().as_bytes())) }
    }

    /// The key for a visitor who has not logged in: the value of their `__Host-<app>-pre` cookie takes the session token's place.
    ///
    /// The value must be random, at least 22 characters of base64url, which is 128 bits. With a shorter one, or with none, [`CsrfKey::token`] fails and
    /// [`CsrfKey::check`] refuses everything.
    ///
    /// ```
    /// use hallpass_client::CsrfKey;
    ///
    /// let csrf = CsrfKey::for_visitor("q83vASNFZ4mrze8BI0VniQ");
    /// assert!(csrf.check(&csrf.token()?));
    /// assert!(CsrfKey::for_visitor("").token().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn for_visitor(pre_cookie: &str) -> Self {
        Self { value: (pre_cookie.len() >= VISITOR_MIN).then(|| value(pre_cookie.as_bytes())) }
    }

    /// A token for one page: each call gives another text, and every one of them is good.
    ///
    /// ```
    /// use hallpass_client::{CsrfKey, Token};
    ///
    /// let csrf = CsrfKey::for_session(&Token::new("hps_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()));
    /// let (one, two) = (csrf.token()?, csrf.token()?);
    /// assert!(one != two && csrf.check(&one) && csrf.check(&two));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system has no random bits to give, or the visitor's cookie is too short.
    pub fn token(&self) -> io::Result<String> {
        let value = self.value.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the visitor's cookie has fewer than {VISITOR_MIN} characters"),
            )
        })?;
        let mut mask = [0; VALUE_BYTES];
        getrandom::fill(&mut mask)?;
        Ok(masked(&mask, &value))
    }

    /// Whether this text is a token for this session or visitor. How long that takes tells nothing of the right value.
    #[must_use]
    pub fn check(&self, presented: &str) -> bool {
        let mut bytes = [0; 2 * VALUE_BYTES];
        if presented.len() != TEXT_LEN || Base64UrlUnpadded::decode(presented, &mut bytes).is_err() {
            return false;
        }
        let (mask, masked) = bytes.split_at(VALUE_BYTES);
        let mut shown = [0; VALUE_BYTES];
        for (shown, (mask, masked)) in shown.iter_mut().zip(mask.iter().zip(masked)) {
            *shown = mask ^ masked;
        }
        self.value.is_some_and(|value| value.ct_eq(&shown).into())
    }
}

impl fmt::Debug for CsrfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfKey(..)")
    }
}

/// What a page that does not know the cookie cannot know either.
fn value(cookie: &[u8]) -> [u8; VALUE_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(cookie).expect("HMAC takes a key of any length");
    mac.update(LABEL);
    mac.finalize().into_bytes().into()
}

fn masked(mask: &[u8; VALUE_BYTES], value: &[u8; VALUE_BYTES]) -> String {
    let mut bytes = [0; 2 * VALUE_BYTES];
    bytes[..VALUE_BYTES].copy_from_slice(mask);
    for (byte, (mask, value)) in bytes[VALUE_BYTES..].iter_mut().zip(mask.iter().zip(value)) {
        *byte = mask ^ value;
    }
    Base64UrlUnpadded::encode_string(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &str = "hps_AYvP5WgAAgICAgICAgICAgABq83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k";
    const VISITOR: &str = "q83vASNFZ4mrze8BI0VniQ";

    fn session() -> CsrfKey {
        CsrfKey::for_session(&Token::new(COOKIE.into()))
    }

    #[test]
    fn two_pages_differ_and_both_are_good() {
        for key in [session(), CsrfKey::for_visitor(VISITOR)] {
            let (one, two) = (key.token().unwrap(), key.token().unwrap());
            assert_ne!(one, two);
            // Nothing stays the same that compression could find: neither half is the other page's.
            assert!(one[..43] != two[..43] && one[43..] != two[43..]);
            assert!(key.check(&one) && key.check(&two) && key.clone().check(&one));
        }
    }

    #[test]
    fn another_sessions_token_is_refused() {
        let mut other = COOKIE.to_owned();
        other.replace_range(4..5, "B");
        let other = CsrfKey::for_session(&Token::new(other));
        let visitor = CsrfKey::for_visitor(VISITOR);
        assert!(!session().check(&other.token().unwrap()) && !other.check(&session().token().unwrap()));
        assert!(!session().check(&visitor.token().unwrap()) && !visitor.check(&session().token().unwrap()));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let text = session().token().unwrap();
        let bytes = Base64UrlUnpadded::decode_vec(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!session().check(&Base64UrlUnpadded::encode_string(&flipped)), "bit {bit}");
        }
    }

    #[test]
    fn any_other_form_is_refused() {
        let text = session().token().unwrap();
        let mut others: Vec<String> = (0..text.len()).map(|cut| text[..cut].to_owned()).collect();
        others.extend([
            format!("{text}=="),
            format!("{text}="),
            format!("{text}A"),
            format!(" {text}"),
            format!("{text}\n"),
            "\u{e9}".repeat(TEXT_LEN / 2),
            "A".repeat(TEXT_LEN),
            COOKIE.to_owned(),
            Base64UrlUnpadded::encode_string(&value(COOKIE.as_bytes())),
            // The last character holds four bits that belong to nothing: one spelling only.
            format!("{}{}", &text[..85], if text.ends_with(['A', 'Q', 'g', 'w']) { "B" } else { "A" }),
        ]);
        for other in others {
            assert!(!session().check(&other), "{other:?}");
        }
    }

    #[test]
    fn a_visitor_without_a_secret_gets_nothing() {
        for short in ["", "pre", &VISITOR[..21]] {
            let key = CsrfKey::for_visitor(short);
            assert_eq!(key.token().unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert!(!key.check(&masked(&[7; 32], &value(short.as_bytes()))), "{short:?}");
        }
    }

    #[test]
    fn the_value_is_the_one_that_others_compute() {
        // Made with Python: hmac.new(cookie, b"hallpass csrf v1", "sha256"), under the mask 00 01 .. 1f.
        let (session_text, visitor_text) = KNOWN;
        assert!(session().check(session_text));
        assert!(CsrfKey::for_visitor(VISITOR).check(visitor_text));
        let mask: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(masked(&mask, &value(COOKIE.as_bytes())), session_text);
        assert_eq!(masked(&mask, &value(VISITOR.as_bytes())), visitor_text);
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", session()), "CsrfKey(..)");
    }

    const KNOWN: (&str, &str) = (
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh_4KnwjwooZglITUslTD27WyvfFThu72URozIgwGcOQkg",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9dLOFkUGQhLPEGK5W6DFOt21XRD_afMjL8EgHYlvr8bA",
    );
}
