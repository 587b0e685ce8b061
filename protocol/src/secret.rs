//! Texts that must not be seen: they print nothing and are wiped when dropped.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text over; the caller keeps no copy.
            #[must_use]
            pub fn new(text: String) -> Self {
                Self(text)
            }

            /// The text itself, for the one place that needs it. Never log, format or store what this returns.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

secret_text! {
    /// A password as somebody typed it.
    ///
    /// ```
    /// # use hallpass_protocol::secret::Password;
    /// let password = Password::new("correct horse battery staple".into());
    /// assert_eq!(format!("{password:?}"), "Password(..)");
    /// assert_eq!(password.expose().len(), 28);
    /// ```
    Password
}
secret_text! {
    /// A session, refresh, device or access token.
    ///
    /// ```
    /// # use hallpass_protocol::secret::Token;
    /// let token = Token::new("hps_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into());
    /// assert_eq!(format!("{token:?}"), "Token(..)"); // safe in a log
    /// let cookie = format!("__Host-shop-session={}", token.expose()); // not this
    /// ```
    Token
}

/// A token that is kept to be compared with others. A short one, as session tokens are, lies in the value itself, so that whoever compares it looks at no other
/// place in memory.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub struct KeptToken {
    /// The text, unless it is short.
    long: Token,
    /// The length of the text if it is short.
    length: u8,
    short: [u8; Self::SHORT],
}

impl KeptToken {
    /// Texts up to this length are short.
    const SHORT: usize = 87;

    /// Keeps a copy of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut kept = Self { long: Token(String::new()), length: 0, short: [0; Self::SHORT] };
        match (kept.short.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(short), Ok(length)) => {
                short.copy_from_slice(text.as_bytes());
                kept.length = length;
            }
            _ => kept.long = Token(text.to_owned()),
        }
        kept
    }

    /// Whether it is this text, all of it.
    #[inline]
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        if self.long.0.is_empty() { self.short() == text.as_bytes() } else { self.long.0 == text }
    }

    /// The text itself, for the one place that needs it. Never log, format or store what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        if self.long.0.is_empty() {
            std::str::from_utf8(self.short()).unwrap_or_default()
        } else {
            &self.long.0
        }
    }

    #[inline]
    fn short(&self) -> &[u8] {
        self.short.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// 32 random bytes that an administrator brings as the next master key, on their way to the daemon.
///
/// ```
/// # use hallpass_protocol::secret::NewMasterKey;
/// fn from_file(bytes: &[u8]) -> Option<NewMasterKey> {
///     Some(NewMasterKey::from_bytes(bytes.try_into().ok()?))
/// }
/// let key = from_file(&[7; 32]);
/// assert_eq!(format!("{key:?}"), "Some(NewMasterKey(..))");
/// assert_eq!(key.map(|key| key.expose()[0]), Some(7));
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NewMasterKey([u8; 32]);

impl NewMasterKey {
    /// The key of these bytes; the caller keeps no copy.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that needs them. Never log, format or store what this returns.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for NewMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewMasterKey(..)")
    }
}

/// 128 random bits that a client makes for one rotation and keeps beside the token, so that a lost answer can be asked for again.
///
/// ```
/// # use hallpass_protocol::secret::AttemptId;
/// # let random = [7; 16];
/// let attempt = AttemptId::from_bytes(random);
/// assert_eq!(attempt.expose(), &random); // to be written down beside the token
/// ```
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId([u8; 16]);

impl AttemptId {
    /// The attempt with these random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be hashed or kept beside the token.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_nothing_of_the_text() {
        let shown = format!("{:?} {:?}", Password::new("correct horse".into()), Token::new("hps_abc".into()));
        assert_eq!(shown, "Password(..) Token(..)");
        assert_eq!(format!("{:?}", NewMasterKey::from_bytes([7; 32])), "NewMasterKey(..)");
        assert_eq!(format!("{:?}", AttemptId::from_bytes([7; 16])), "AttemptId(..)");
    }

    #[test]
    fn a_kept_token_is_its_whole_text_and_no_other() {
        for length in [1, 74, KeptToken::SHORT, KeptToken::SHORT + 1, 255, 256, 700] {
            let text = "a".repeat(length);
            let kept = KeptToken::new(&text);
            assert!(kept.is(&text), "{length}");
            assert_eq!(kept.expose(), text);
            assert!(!kept.is(&format!("{text}a")), "{length}");
            for at in [0, length / 2, length - 1] {
                let mut other = text.clone();
                other.replace_range(at..=at, "b");
                assert!(!kept.is(&other), "{length} at {at}");
                assert!(!kept.is(&text[..at]), "{length} to {at}");
            }
        }
    }
}
