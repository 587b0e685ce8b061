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
    Password
}
secret_text! {
    /// A session, refresh, device or access token.
    Token
}

/// 32 random bytes that an administrator brings as the next master key, on their way to the daemon.
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
}
