//! Tokens that the app has made itself: HS256 with a secret of its own, in a cookie.

use std::time::SystemTime;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::carry_over::Before;

/// Tokens under this secret, which the app makes no more.
pub(crate) struct HandMade {
    pub(crate) secret: Vec<u8>,
}

impl Before for HandMade {
    const COOKIE: &'static str = "token";

    async fn user(&self, token: &str) -> Option<String> {
        let (said, signature) = token.rsplit_once('.')?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(said.as_bytes());
        mac.verify_slice(&Base64UrlUnpadded::decode_vec(signature).ok()?).ok()?;
        // The header is not asked: what it names is not believed, and this is the one algorithm.
        let claims = Base64UrlUnpadded::decode_vec(said.split_once('.')?.1).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        let now = SystemTime::UNIX_EPOCH.elapsed().ok()?.as_secs();
        claims["exp"].as_u64().filter(|exp| *exp > now)?;
        claims["sub"].as_str().map(str::to_owned)
    }

    async fn end(&self, _: &str) {
        // Nothing can end such a token but its time, which is why you are moving.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moved;

    fn token(secret: &[u8], header: &str, exp: u64) -> String {
        let claims = format!(r#"{{"sub":"alice","exp":{exp}}}"#);
        let [header, claims] =
            [header, &claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes()));
        let said = format!("{header}.{claims}");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(said.as_bytes());
        format!("{said}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
    }

    #[tokio::test]
    async fn who_is_logged_in_by_a_hand_made_token_stays_logged_in() {
        const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
        let secret = b"0123456789abcdef0123456789abcdef";
        let soon = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 600;
        let moved = Moved::from(HandMade { secret: secret.to_vec() }).await;
        moved.carries_over(&format!("token={}", token(secret, HEADER, soon))).await;
        let unsigned = token(secret, r#"{"alg":"none"}"#, soon);
        let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
        for bad in [
            token(b"another secret", HEADER, soon),
            token(secret, HEADER, 1),
            unsigned.to_owned(),
            "x.y.z".into(),
        ] {
            moved.does_not_know(&format!("token={bad}")).await;
        }
    }
}
