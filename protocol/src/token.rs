//! The text of session, refresh and device tokens: a prefix that says the kind, then base64url of the fields and their MAC.
//!
//! This module knows the form. Whether a MAC is genuine only the daemon can say: it alone holds the keys.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, SessionId, UserId};
use crate::secret::Token;

/// Length of the HMAC-SHA256 that ends every token, in bytes.
pub const MAC_BYTES: usize = 32;

/// Longest body of a token without its MAC, in bytes: that of a device token.
const BODY_MAX: usize = 16 + 16 + 2;

/// Which generation of the MAC root key made a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MacKeyId(pub u16);

/// Not the text of a token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the text of a token")]
pub struct BadToken;

/// The kinds of token, told apart by the first four characters. An access token is a compact JWS and has no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `hps_`: stands for a session in a cookie.
    Session,
    /// `hpr_`: is exchanged for the next access token.
    Refresh,
    /// `hpd_`: proves a known device at login.
    Device,
    /// A compact JWS.
    Access,
}

impl TokenKind {
    /// The kind this text claims to be; nothing is checked but the prefix.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text.get(..4) {
            Some("hps_") => Self::Session,
            Some("hpr_") => Self::Refresh,
            Some("hpd_") => Self::Device,
            _ => Self::Access,
        }
    }

    /// The prefix of its text.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "hps_",
            Self::Refresh => "hpr_",
            Self::Device => "hpd_",
            Self::Access => "",
        }
    }
}

/// What a session, refresh or device token says, before anybody has checked that it is genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A session token.
    Session(SessionId),
    /// A refresh token: the session, and which of its tokens this is.
    Refresh(SessionId, u32),
    /// A device token: whose device, and which.
    Device(UserId, DeviceId),
}

impl Subject {
    /// The kind of token that says this.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        match self {
            Self::Session(_) => TokenKind::Session,
            Self::Refresh(..) => TokenKind::Refresh,
            Self::Device(..) => TokenKind::Device,
        }
    }
}

/// A token taken apart: what it says, under which key, and the MAC over both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// What the token says.
    pub subject: Subject,
    /// The generation of the key that its MAC was made with.
    pub key: MacKeyId,
    /// HMAC-SHA256 over [`Body::signed`].
    pub mac: [u8; MAC_BYTES],
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("subject", &self.subject)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The bytes a MAC is made over: the prefix, which is the kind, then the fields.
#[derive(Debug)]
pub struct Body {
    bytes: [u8; 4 + BODY_MAX],
    len: usize,
}

impl Body {
    /// Lays out what a token of this subject under this key says.
    #[must_use]
    pub fn new(subject: &Subject, key: MacKeyId) -> Self {
        let mut body = Self { bytes: [0; 4 + BODY_MAX], len: 0 };
        body.push(subject.kind().prefix().as_bytes());
        match subject {
            Subject::Session(session) => body.push(session.as_bytes()),
            Subject::Refresh(session, counter) => {
                body.push(session.as_bytes());
                body.push(&counter.to_be_bytes());
            }
            Subject::Device(user, device) => {
                body.push(user.as_bytes());
                body.push(device.as_bytes());
            }
        }
        body.push(&key.0.to_be_bytes());
        body
    }

    /// What the MAC covers.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl Sealed {
    /// Takes a token's text apart. Costs no allocation, whatever the text.
    ///
    /// # Errors
    /// [`BadToken`] for another prefix, another length, padding, or base64url that is not canonical.
    pub fn parse(text: &str) -> Result<Self, BadToken> {
        let kind = TokenKind::of(text);
        let body = match kind {
            TokenKind::Session => 16 + 2,
            TokenKind::Refresh => 16 + 4 + 2,
            TokenKind::Device => 16 + 16 + 2,
            TokenKind::Access => return Err(BadToken),
        };
        let mut bytes = [0; BODY_MAX + MAC_BYTES];
        let encoded = &text[4..];
        if encoded.len() != (8 * (body + MAC_BYTES)).div_ceil(6) {
            return Err(BadToken);
        }
        let decoded = BASE64URL.decode_slice(encoded, &mut bytes).map_err(|_| BadToken)?;
        let fields = &bytes[..decoded];
        let (head, rest) = fields.split_first_chunk::<16>().ok_or(BadToken)?;
        let subject = match kind {
            TokenKind::Session => Subject::Session(SessionId::from_bytes(*head)),
            TokenKind::Refresh => {
                let counter = rest.first_chunk::<4>().ok_or(BadToken)?;
                Subject::Refresh(SessionId::from_bytes(*head), u32::from_be_bytes(*counter))
            }
            TokenKind::Device | TokenKind::Access => {
                let device = rest.first_chunk::<16>().ok_or(BadToken)?;
                Subject::Device(UserId::from_bytes(*head), DeviceId::from_bytes(*device))
            }
        };
        let (key, mac) = fields[body - 2..].split_first_chunk::<2>().ok_or(BadToken)?;
        let mac = mac.first_chunk::<MAC_BYTES>().ok_or(BadToken)?;
        Ok(Self { subject, key: MacKeyId(u16::from_be_bytes(*key)), mac: *mac })
    }

    /// The token's text.
    #[must_use]
    pub fn to_token(&self) -> Token {
        let body = Body::new(&self.subject, self.key);
        let fields = &body.signed()[4..];
        let mut bytes = [0; BODY_MAX + MAC_BYTES];
        bytes[..fields.len()].copy_from_slice(fields);
        bytes[fields.len()..fields.len() + MAC_BYTES].copy_from_slice(&self.mac);
        let encoded = BASE64URL.encode(&bytes[..fields.len() + MAC_BYTES]);
        Token::new(format!("{}{encoded}", self.subject.kind().prefix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> [Sealed; 3] {
        let session = SessionId::from_bytes([0xA5; 16]);
        let device = Subject::Device(UserId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        [Subject::Session(session), Subject::Refresh(session, 0x0102_0304), device].map(|subject| Sealed {
            subject,
            key: MacKeyId(513),
            mac: [0xFE; 32],
        })
    }

    #[test]
    fn text_comes_back_as_it_was() {
        for sealed in samples() {
            let text = sealed.to_token();
            assert_eq!(Sealed::parse(text.expose()), Ok(sealed));
            let printed = format!("{sealed:?}");
            assert!(printed.contains("513") && !printed.contains("254"), "all but the MAC: {printed}");
        }
    }

    #[test]
    fn b15_any_other_text_is_refused() {
        for sealed in samples() {
            let text = sealed.to_token().expose().to_owned();
            let mut others = vec![
                format!("{text}="),
                format!("{text}A"),
                format!(" {text}"),
                text.replacen("hp", "HP", 1),
            ];
            others.extend((0..text.len()).map(|cut| text[..cut].to_owned()));
            for other in ["hps_", "hpr_", "hpd_"].iter().filter(|prefix| !text.starts_with(**prefix)) {
                others.push(format!("{other}{}", &text[4..]));
            }
            for other in others {
                assert_eq!(Sealed::parse(&other), Err(BadToken), "{other}");
            }
        }
        for odd in ["", "hps", "hps_\u{e9}\u{e9}", "\u{1F600}", "a.b.c"] {
            assert_eq!(Sealed::parse(odd), Err(BadToken), "{odd}");
        }
    }

    #[test]
    fn the_last_character_has_one_spelling() {
        let text = samples()[0].to_token().expose().to_owned();
        let same_bits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            .chars()
            .filter(|last| Sealed::parse(&format!("{}{last}", &text[..text.len() - 1])).is_ok())
            .count();
        // 50 bytes are 400 of the 402 bits that 67 characters hold: only the 16 letters whose last two bits are zero may end the text.
        assert_eq!(same_bits, 16);
    }
}
