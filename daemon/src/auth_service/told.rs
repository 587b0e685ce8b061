//! What is told of a token, written onto the wire from where the store has read it to. Copied into an answer first, it would cost more than the judging.

use std::collections::BTreeMap;
use std::sync::Arc;

use hallpass_protocol::auth::{Answer, AuthResponse, Identity, SessionKind, Verified};
use hallpass_protocol::id::{SessionId, UserId, packed};
use hallpass_protocol::time::{Millis, Stamp};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use crate::domain::account::User;
use crate::domain::check::{Found, level};
use crate::domain::session::{Session, next_touch};

/// A verified identity, where it lies. On the wire it is a [`Verified`].
pub(crate) struct Told {
    found: Arc<Found>,
    level: u8,
    touch_after: Millis,
    expires_at: Millis,
    stamp: Stamp,
    life: Stamp,
}

/// What an answer bears so that it can be held: see [`Verified`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Bears {
    pub(super) stamp: Stamp,
    pub(super) life: Stamp,
}

impl Told {
    /// What is told now of what was found, if both the session and its user were.
    pub(super) fn new(found: Arc<Found>, now: Millis, expires_at: Millis, bears: Bears) -> Option<Self> {
        let (session, _) = parts(&found)?;
        let (level, touch_after) = (level(session, now), next_touch(session, now));
        Some(Self { found, level, touch_after, expires_at, stamp: bears.stamp, life: bears.life })
    }

    /// The same as a value of its own.
    pub(super) fn verified(&self) -> Option<Verified> {
        let IdentityHere { user_id, name, roles, attributes, session_id, app, .. } = self.identity()?;
        let IdentityHere { kind, auth_time, level, amr, expires_at, .. } = self.identity()?;
        let identity = Identity {
            user_id,
            name: name.to_owned(),
            roles: roles.to_vec(),
            attributes: attributes.clone(),
            session_id,
            app: app.to_owned(),
            kind,
            auth_time,
            level,
            amr: amr.to_vec(),
            expires_at,
        };
        Some(Verified { identity, stamp: self.stamp, life: self.life, touch_after: self.touch_after })
    }

    fn identity(&self) -> Option<IdentityHere<'_>> {
        let (session, user) = parts(&self.found)?;
        Some(IdentityHere {
            user_id: user.id,
            name: user.name.as_str(),
            roles: user.roles.as_slice(),
            attributes: user.attributes.as_map(),
            session_id: session.id,
            app: &session.cold.app,
            kind: session.cold.kind,
            auth_time: session.hot.auth_time,
            level: self.level,
            amr: &session.cold.amr,
            expires_at: self.expires_at,
        })
    }

    /// At least the bytes that its texts take up, with their lengths.
    pub(super) fn text_bytes(&self) -> usize {
        let Some((session, user)) = parts(&self.found) else { return 0 };
        let lists = user.roles.as_slice().iter().chain(&session.cold.amr).map(|text| text.len() + 4);
        let pairs = user.attributes.as_map().iter().map(|(name, value)| name.len() + value.len() + 8);
        user.name.as_str().len() + session.cold.app.len() + lists.chain(pairs).sum::<usize>()
    }
}

fn parts(found: &Found) -> Option<(&Session, &User)> {
    found.session.as_ref().zip(found.user.as_ref())
}

/// An [`Identity`], field by field, that borrows its texts.
#[derive(Serialize)]
struct IdentityHere<'a> {
    #[serde(with = "packed")]
    user_id: UserId,
    name: &'a str,
    roles: &'a [String],
    attributes: &'a BTreeMap<String, String>,
    #[serde(with = "packed")]
    session_id: SessionId,
    app: &'a str,
    kind: SessionKind,
    auth_time: Millis,
    level: u8,
    amr: &'a [String],
    expires_at: Millis,
}

/// A [`Verified`] around it.
#[derive(Serialize)]
struct VerifiedHere<'a> {
    identity: IdentityHere<'a>,
    stamp: Stamp,
    life: Stamp,
    touch_after: Millis,
}

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let identity = self.identity().ok_or_else(|| S::Error::custom("nobody was found"))?;
        let Self { stamp, life, touch_after, .. } = *self;
        VerifiedHere { identity, stamp, life, touch_after }.serialize(serializer)
    }
}

/// What is answered at once. On the wire it is the [`AuthResponse`] of the same call.
pub(crate) enum AtOnce {
    /// To many verifications.
    VerifyMany(Answer<Vec<Answer<Told>>>),
    /// To anything else.
    Other(Box<AuthResponse>),
}

/// The place of `verify_many` among the calls, which is what crosses the wire.
const VERIFY_MANY: u32 = 12;

impl Serialize for AtOnce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::VerifyMany(answers) => {
                serializer.serialize_newtype_variant("AuthResponse", VERIFY_MANY, "VerifyMany", answers)
            }
            Self::Other(response) => response.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::{START, session, user};
    use hallpass_protocol::codec::encode;
    use hallpass_protocol::error::{ErrorCode, Refusal};

    #[test]
    fn what_is_told_from_where_it_lies_is_the_same_bytes() {
        let mut user = user();
        let attributes = [("team".to_owned(), "red".to_owned())].into();
        user.attributes = crate::domain::account::Attributes::parse(attributes).unwrap();
        let found = Found { session: Some(session()), user: Some(user), ..Found::default() };
        let bears = Bears { stamp: Stamp(7), life: Stamp(3) };
        let told = || Told::new(Arc::new(found.clone()), START, Millis::MAX, bears).unwrap();
        let verified = told().verified().unwrap();
        assert_eq!((verified.stamp, verified.life), (Stamp(7), Stamp(3)));
        assert_eq!(verified.identity.name, "alice");
        let refusal = Refusal::because(ErrorCode::Expired, "it is over");
        let here = AtOnce::VerifyMany(Ok(vec![Ok(told()), Err(refusal.clone())]));
        let copied = AuthResponse::VerifyMany(Ok(vec![Ok(verified), Err(refusal.clone())]));
        assert_eq!(encode(&here).unwrap(), encode(&copied).unwrap());
        let refused = AuthResponse::VerifyMany(Err(refusal.clone()));
        assert_eq!(encode(&AtOnce::VerifyMany(Err(refusal))).unwrap(), encode(&refused).unwrap());
    }

    #[test]
    fn nothing_is_told_where_nobody_was_found() {
        let bears = Bears { stamp: Stamp(7), life: Stamp(3) };
        for found in [Found::default(), Found { session: Some(session()), ..Found::default() }] {
            assert!(Told::new(Arc::new(found), START, Millis::MAX, bears).is_none());
        }
    }
}
