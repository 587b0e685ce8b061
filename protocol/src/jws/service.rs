//! Tokens for apps themselves: another type of token, and another verifier, so that neither is ever taken for the other.

use serde::{Deserialize, Serialize};

use super::verify::{LAST_DATE, is_plain, read_known};
use super::{JwksError, KeySet, Refused, SERVICE_TYPE, stamp_of};

/// What a token for an app itself says, in the order in which it is written. There is no user and no session in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceClaims {
    /// Who issued the token.
    pub iss: String,
    /// The app, as `app:` and its name.
    pub sub: String,
    /// The one service the token is meant for.
    pub aud: String,
    /// The app's name.
    pub client_id: String,
    /// The first second at which the token is no longer good, in Unix time.
    pub exp: u64,
    /// When the token was issued, in Unix seconds. It never makes a token refused.
    pub iat: u64,
    /// The token's own id, which carries its stamp: see [`super::jti`].
    pub jti: String,
}

/// Checks tokens that apps show for themselves, of one issuer and for one audience.
#[derive(Clone, Debug)]
pub struct ServiceVerifier {
    keys: KeySet,
    issuer: String,
    audience: String,
}

impl ServiceVerifier {
    /// A verifier that trusts the keys of a JWK set (RFC 7517), as published by the issuer.
    pub fn from_jwks(json: &str, issuer: &str, audience: &str) -> Result<Self, JwksError> {
        Ok(Self { keys: KeySet::from_jwks(json)?, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// The claims of a token that is good at this moment. A user's access token is refused like any other token of another type.
    pub fn verify_at(&self, token: &str, unix_seconds: u64) -> Result<ServiceClaims, Refused> {
        let claims: ServiceClaims = read_known(&self.keys.signed_payload(token, SERVICE_TYPE)?)?;
        let named =
            claims.sub.strip_prefix("app:").is_some_and(|name| name == claims.client_id && is_plain(name));
        let dated = claims.exp <= LAST_DATE && claims.iat <= LAST_DATE && stamp_of(&claims.jti).is_some();
        if !named || !dated {
            return Err(Refused::BadClaims);
        }
        if claims.iss != self.issuer {
            return Err(Refused::WrongIssuer);
        }
        if claims.aud != self.audience {
            return Err(Refused::WrongAudience);
        }
        if claims.exp <= unix_seconds { Err(Refused::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::jws::{AccessClaims, Jwk, JwkSet, Verifier, encode, encode_service, jti};

    fn claims() -> ServiceClaims {
        ServiceClaims {
            iss: "hallpass".into(),
            sub: "app:shop".into(),
            aud: "stock".into(),
            client_id: "shop".into(),
            exp: 1_000,
            iat: 400,
            jti: jti(7, [8; 8]),
        }
    }

    struct Issuer(SigningKey);

    impl Issuer {
        fn new() -> Self {
            Self(SigningKey::from_bytes(&[3; 32]))
        }

        fn jwk(&self) -> Jwk {
            Jwk::from_public_key(self.0.verifying_key().as_bytes())
        }

        fn jwks(&self) -> String {
            serde_json::to_string(&JwkSet { keys: vec![self.jwk()] }).unwrap()
        }

        fn service(&self, claims: &ServiceClaims) -> String {
            encode_service(claims, self.jwk().kid(), |input| self.0.sign(input).to_bytes()).unwrap()
        }

        fn verify(&self, token: &str, now: u64) -> Result<ServiceClaims, Refused> {
            ServiceVerifier::from_jwks(&self.jwks(), "hallpass", "stock").unwrap().verify_at(token, now)
        }
    }

    #[test]
    fn a_service_token_is_good_until_its_end() {
        let issuer = Issuer::new();
        let token = issuer.service(&claims());
        assert_eq!(issuer.verify(&token, 999), Ok(claims()));
        assert_eq!(issuer.verify(&token, 1_000), Err(Refused::Expired));
    }

    #[test]
    fn neither_kind_is_ever_taken_for_the_other() {
        let issuer = Issuer::new();
        let users = Verifier::from_jwks(&issuer.jwks(), "hallpass", "stock").unwrap();
        assert_eq!(users.verify_at(&issuer.service(&claims()), 500), Err(Refused::UnsupportedHeader));
        let ServiceClaims { iss, sub, aud, client_id, exp, iat, jti } = claims();
        let (sid, acr) = ("s".to_owned(), "1".to_owned());
        let (amr, roles) = (Vec::new(), Vec::new());
        let access =
            AccessClaims { iss, sub, aud, client_id, exp, iat, jti, sid, auth_time: 1, amr, acr, roles };
        let token = encode(&access, issuer.jwk().kid(), |input| issuer.0.sign(input).to_bytes()).unwrap();
        assert!(users.verify_at(&token, 500).is_ok());
        assert_eq!(issuer.verify(&token, 500), Err(Refused::UnsupportedHeader));
    }

    #[test]
    fn claims_that_are_not_an_apps_are_refused() {
        let issuer = Issuer::new();
        let with = |change: fn(&mut ServiceClaims)| {
            let mut claims = claims();
            change(&mut claims);
            issuer.verify(&issuer.service(&claims), 500).unwrap_err()
        };
        assert_eq!(with(|claims| claims.sub = "shop".into()), Refused::BadClaims);
        assert_eq!(with(|claims| claims.sub = "app:blog".into()), Refused::BadClaims);
        assert_eq!(with(|claims| claims.jti = "x".into()), Refused::BadClaims);
        assert_eq!(with(|claims| claims.exp = u64::MAX), Refused::BadClaims);
        assert_eq!(with(|claims| claims.iss = "other".into()), Refused::WrongIssuer);
        assert_eq!(with(|claims| claims.aud = "other".into()), Refused::WrongAudience);
    }
}
