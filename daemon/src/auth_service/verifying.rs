//! Verifications, one or many at a time: what is shown, what the store knows of it, and what the answer bears so that it can be held.

use hallpass_protocol::auth::{Answer, Identity, Verified, Verify};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::jws::{self, Refused};
use hallpass_protocol::limits::{AUTH_FRAME, VERIFY_BATCH};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::{Subject, TokenKind};

use super::{AuthService, context, parts};
use crate::domain::check::{self, Asked, Shown};
use crate::domain::policy::{Operation, Permit, admit};
use crate::domain::session::{next_touch, wants_touch};
use crate::shared::unreadable;
use crate::store::Snapshot;
use crate::store::order::stamped;

/// Room of an answer that is left to what it is wrapped in.
const WRAPPING: usize = 64;
/// More than the fixed parts of one answer take up, and than the lengths of its texts do.
const FIXED: usize = 256;

/// What verifications of one moment have in common.
struct Moment {
    life: Stamp,
    stamp: Stamp,
    snapshot: Snapshot,
    now: Millis,
}

impl AuthService {
    /// Verifies one token.
    pub(super) fn answer_verify(&self, request: &Verify) -> Answer<Identity> {
        let permit = admit(&self.caller, Operation::Verify)?;
        Ok(self.verified(&permit, request, &self.moment()?)?.identity)
    }

    /// Verifies as many tokens as there is room for in an answer.
    pub(super) fn answer_verify_many(&self, requests: &[Verify]) -> Answer<Vec<Answer<Verified>>> {
        let permit = admit(&self.caller, Operation::Verify)?;
        if requests.len() > VERIFY_BATCH {
            let sentence = format!("at most {VERIFY_BATCH} tokens are verified in one call");
            return Err(Refusal::because(ErrorCode::InvalidRequest, sentence));
        }
        let moment = self.moment()?;
        let (mut answers, mut room) = (Vec::with_capacity(requests.len()), AUTH_FRAME - WRAPPING);
        for request in requests {
            let answer = self.verified(&permit, request, &moment);
            let Some(left) = room.checked_sub(bytes(&answer)) else { break };
            room = left;
            answers.push(answer);
        }
        Ok(answers)
    }

    fn moment(&self) -> Answer<Moment> {
        let life = self.shared.writer.life();
        let (stamp, snapshot) = stamped(|| self.shared.writer.visible(), || self.shared.snapshot())?;
        Ok(Moment { life, stamp, snapshot, now: self.shared.clock.now() })
    }

    fn verified(&self, permit: &Permit, request: &Verify, moment: &Moment) -> Answer<Verified> {
        let Moment { life, stamp, snapshot, now } = moment;
        let shown = self.shown(permit, &request.token, request.needs.audience.as_deref(), *now)?;
        let fingerprint = match &request.context {
            Some(context) => context::origin(context)?.0.fingerprint,
            None => None,
        };
        let found = snapshot.found(shown.session()).map_err(unreadable)?;
        let binding = self.shared.live.policy().rotation.binding;
        let asked = Asked { permit, shown, needs: &request.needs, fingerprint, binding, now: *now };
        let expires_at = check::verify(&asked, &found)?;
        let (session, user) = found.session.zip(found.user).ok_or(ErrorCode::Expired)?;
        if wants_touch(&session, *now) {
            self.shared.touch(permit.clone(), session.id, fingerprint);
        }
        let identity = Identity {
            user_id: user.id,
            name: user.name.as_str().to_owned(),
            roles: user.roles.as_slice().to_vec(),
            attributes: user.attributes.as_map().clone(),
            session_id: session.id,
            level: check::level(&session, *now),
            kind: session.cold.kind,
            auth_time: session.hot.auth_time,
            expires_at,
            app: session.cold.app.clone(),
            amr: session.cold.amr.clone(),
        };
        Ok(Verified { identity, stamp: *stamp, life: *life, touch_after: next_touch(&session, *now) })
    }

    /// What a token says, if it is genuine and of a kind that can be verified.
    pub(super) fn shown(
        &self,
        permit: &Permit,
        token: &Token,
        audience: Option<&str>,
        now: Millis,
    ) -> Answer<Shown> {
        let ring = self.shared.keys.ring();
        if TokenKind::of(token.expose()) != TokenKind::Access {
            return match ring.unseal(token) {
                Some(Subject::Session(session)) => Ok(Shown::Session(session)),
                _ => Err(Refusal::new(ring.why_not(token))),
            };
        }
        let audience = permit.audience(audience)?;
        let claims = ring.verify(token, |aud| aud == audience, now.as_secs()).map_err(|refused| {
            match refused {
                Refused::Expired => ErrorCode::TokenExpired,
                Refused::UnknownKey if self.is_of_before(token) => ErrorCode::Revoked,
                // After an emergency the key of a good token is gone. Whoever holds such a token can refresh; a forger cannot.
                Refused::UnknownKey => ErrorCode::TokenStale,
                _ => ErrorCode::InvalidToken,
            }
        })?;
        let (session, user, expires) = parts(&claims).ok_or(ErrorCode::InvalidToken)?;
        Ok(Shown::Access { session, user, expires })
    }

    /// Whether a token that cannot be looked into says itself that it is older than what ended everything. If it is genuine its session is over, and if
    /// it is not there is none.
    fn is_of_before(&self, token: &Token) -> bool {
        let cut_offs = self.shared.snapshot().ok().and_then(|snapshot| snapshot.cut_offs().ok());
        let claimed = jws::claimed_stamp(token.expose());
        claimed.zip(cut_offs).is_some_and(|(stamp, cut_offs)| Stamp(stamp) <= cut_offs.everything)
    }
}

/// At least the bytes that an answer takes up.
fn bytes(answer: &Answer<Verified>) -> usize {
    let texts = match answer {
        Ok(Verified { identity, .. }) => {
            let lists = identity.roles.iter().chain(&identity.amr).map(|text| text.len() + 4);
            let pairs = identity.attributes.iter().map(|(name, value)| name.len() + value.len() + 8);
            identity.name.len() + identity.app.len() + lists.chain(pairs).sum::<usize>()
        }
        Err(refusal) => refusal.message.len(),
    };
    FIXED + texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::auth::SessionKind;
    use hallpass_protocol::codec::encode;
    use hallpass_protocol::id::{SessionId, UserId};
    use hallpass_protocol::limits::{
        AMR, ATTRIBUTE_NAME_BYTES, ATTRIBUTE_VALUE_BYTES, ATTRIBUTES, MESSAGE_BYTES, NAME_BYTES, ROLES,
    };

    fn widest() -> Verified {
        let attribute =
            |n: usize| (format!("{n:0>ATTRIBUTE_NAME_BYTES$}"), "v".repeat(ATTRIBUTE_VALUE_BYTES));
        let identity = Identity {
            user_id: UserId::from_bytes([255; 16]),
            name: "n".repeat(NAME_BYTES),
            roles: vec!["r".repeat(NAME_BYTES); ROLES],
            attributes: (0..ATTRIBUTES).map(attribute).collect(),
            session_id: SessionId::from_bytes([255; 16]),
            app: "a".repeat(NAME_BYTES),
            kind: SessionKind::Token,
            auth_time: Millis::MAX,
            level: u8::MAX,
            amr: vec!["a".repeat(8); AMR],
            expires_at: Millis::MAX,
        };
        Verified { identity, stamp: Stamp(u64::MAX), life: Stamp(u64::MAX), touch_after: Millis::MAX }
    }

    #[test]
    fn e18_no_answer_takes_more_room_than_it_is_counted_for() {
        let refusal = Refusal {
            code: ErrorCode::TooManySessions,
            message: "m".repeat(MESSAGE_BYTES),
            retry_after_ms: Some(u64::MAX),
        };
        for answer in [Ok(widest()), Err(refusal)] {
            assert!(encode(&answer).unwrap().len() <= bytes(&answer), "{answer:?}");
        }
        assert!(bytes(&Ok(widest())) <= AUTH_FRAME - WRAPPING, "one fits in any case");
    }
}
