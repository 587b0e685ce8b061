//! Verifications, one or many at a time: what is shown, what the store knows of it, and what the answer bears so that it can be held.

use std::sync::Arc;

use hallpass_protocol::auth::{Answer, Identity, Verified, Verify};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::jws::{self, Refused};
use hallpass_protocol::limits::{AUTH_FRAME, VERIFY_BATCH};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::{Subject, TokenKind};

use super::told::{Bears, Told};
use super::{AuthService, context, parts};
use crate::domain::check::{self, Asked, Shown};
use crate::domain::policy::{Operation, Permit};
use crate::domain::session::wants_touch;
use crate::shared::unreadable;
use crate::store::View;

/// Room of an answer that is left to what it is wrapped in.
const WRAPPING: usize = 64;
/// More than the fixed parts of one answer take up, and than the lengths of its texts do.
const FIXED: usize = 256;
/// What one call verifies before others have their turn: so many session tokens, or a part as many access tokens, since a signature costs as much more.
const WORK: usize = VERIFY_BATCH;
const SIGNATURE: usize = 16;

/// What verifications of one moment have in common.
struct Moment {
    bears: Bears,
    view: Arc<View>,
    now: Millis,
}

impl AuthService {
    /// Verifies one token.
    pub(super) fn answer_verify(&self, request: &Verify) -> Answer<Identity> {
        let permit = self.admit(Operation::Verify)?;
        let told = self.told(&permit, request, &self.moment()?);
        self.shared.requests.verified(&self.app, std::iter::once(refused(&told)));
        owned(told).map(|verified| verified.identity)
    }

    /// Verifies as many tokens as there is room for in an answer, and time.
    pub(super) fn answer_verify_many(&self, requests: &[Verify]) -> Answer<Vec<Answer<Told>>> {
        let permit = self.admit(Operation::Verify)?;
        if requests.len() > VERIFY_BATCH {
            let sentence = format!("at most {VERIFY_BATCH} tokens are verified in one call");
            return Err(Refusal::because(ErrorCode::InvalidRequest, sentence));
        }
        let moment = self.moment()?;
        let (mut answers, mut room) = (Vec::with_capacity(requests.len()), AUTH_FRAME - WRAPPING);
        let mut work = WORK;
        for request in requests {
            let is_signed = TokenKind::of(request.token.expose()) == TokenKind::Access;
            let Some(left) = work.checked_sub(if is_signed { SIGNATURE } else { 1 }) else { break };
            work = left;
            let answer = self.told(&permit, request, &moment);
            let Some(left) = room.checked_sub(bytes(&answer)) else { break };
            room = left;
            answers.push(answer);
        }
        self.shared.requests.verified(&self.app, answers.iter().map(refused));
        Ok(answers)
    }

    /// Has it remembered if a genuine token was refused because it is not the caller's to show.
    pub(super) fn remember_foreign(&self, operation: Operation, refusal: &Refusal) {
        if refusal.code == ErrorCode::InvalidToken {
            self.shared.remember_refused(&self.caller, operation, refusal.code);
        }
    }

    fn moment(&self) -> Answer<Moment> {
        let life = self.shared.writer.life();
        let (stamp, view) = self.shared.store.view(|| self.shared.writer.visible()).map_err(unreadable)?;
        Ok(Moment { bears: Bears { stamp, life }, view, now: self.shared.clock.now() })
    }

    fn told(&self, permit: &Permit, request: &Verify, moment: &Moment) -> Answer<Told> {
        let Moment { bears, view, now } = moment;
        let shown =
            self.shown(permit, &request.token, (Operation::Verify, request.needs.audience.as_deref()), *now)?;
        let fingerprint = match &request.context {
            Some(context) => context::origin(context)?.0.fingerprint,
            None => None,
        };
        let found = view.found(shown.session()).map_err(unreadable)?;
        let binding = self.shared.live.policy().rotation.binding;
        let asked = Asked { permit, shown, needs: &request.needs, fingerprint, binding, now: *now };
        let expires_at = check::verify(&asked, &found)
            .inspect_err(|refusal| self.remember_foreign(Operation::Verify, refusal))?;
        if let Some(session) = found.session.as_ref().filter(|session| wants_touch(session, *now)) {
            self.shared.touch(permit.clone(), session.id, fingerprint);
        }
        Ok(Told::new(found, *now, expires_at, *bears).ok_or(ErrorCode::Expired)?)
    }

    /// What a token says, if it is genuine and of a kind that can be verified.
    pub(super) fn shown(
        &self,
        permit: &Permit,
        token: &Token,
        (operation, audience): (Operation, Option<&str>),
        now: Millis,
    ) -> Answer<Shown> {
        let ring = self.shared.keys.ring();
        if TokenKind::of(token.expose()) != TokenKind::Access {
            return match ring.unseal(token) {
                Some(Subject::Session(session)) => Ok(Shown::Session(session)),
                _ => Err(Refusal::new(ring.why_not(token))),
            };
        }
        let audience = self.audience(permit, operation, audience)?;
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

/// The same answer, as a value of its own.
pub(super) fn owned(told: Answer<Told>) -> Answer<Verified> {
    Ok(told?.verified().ok_or(ErrorCode::Expired)?)
}

fn refused(told: &Answer<Told>) -> Option<ErrorCode> {
    told.as_ref().err().map(|refusal| refusal.code)
}

/// At least the bytes that an answer takes up.
fn bytes(answer: &Answer<Told>) -> usize {
    FIXED
        + match answer {
            Ok(told) => told.text_bytes(),
            Err(refusal) => refusal.message.len(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{Attributes, Name, Roles};
    use crate::domain::check::Found;
    use crate::domain::fixture::{session, user};
    use hallpass_protocol::codec::encode;
    use hallpass_protocol::id::{SessionId, UserId};
    use hallpass_protocol::limits::{
        AMR, ATTRIBUTE_NAME_BYTES, ATTRIBUTE_VALUE_BYTES, ATTRIBUTES, MESSAGE_BYTES, NAME_BYTES, ROLES,
    };

    fn widest() -> Told {
        let name = |number: usize| format!("{number:x>NAME_BYTES$}");
        let attribute =
            |n: usize| (format!("{n:0>ATTRIBUTE_NAME_BYTES$}"), "v".repeat(ATTRIBUTE_VALUE_BYTES));
        let (mut user, mut session) = (user(), session());
        user.id = UserId::from_bytes([255; 16]);
        user.name = Name::parse(&name(0)).unwrap();
        // As many as there can be, and as long as so many can be: they must fit an access token.
        user.roles = Roles::parse((0..ROLES).map(|number| format!("{number:x>3}")).collect()).unwrap();
        user.attributes = Attributes::parse((0..ATTRIBUTES).map(attribute).collect()).unwrap();
        session.id = SessionId::from_bytes([255; 16]);
        session.cold.app = "a".repeat(NAME_BYTES);
        session.cold.amr = vec!["a".repeat(8); AMR];
        session.hot.auth_time = Millis::MAX;
        let found = Found { session: Some(session), user: Some(user), ..Found::default() };
        let bears = Bears { stamp: Stamp(u64::MAX), life: Stamp(u64::MAX) };
        Told::new(Arc::new(found), Millis::MAX, Millis::MAX, bears).unwrap()
    }

    #[test]
    fn e18_no_answer_takes_more_room_than_it_is_counted_for() {
        let refusal = Refusal {
            code: ErrorCode::TooManySessions,
            message: "m".repeat(MESSAGE_BYTES),
            retry_after_ms: Some(u64::MAX),
        };
        for answer in [Ok(widest()), Err(refusal)] {
            let encoded = encode(&answer).unwrap();
            assert!(encoded.len() <= bytes(&answer), "{encoded:?}");
        }
        assert!(bytes(&Ok(widest())) <= AUTH_FRAME - WRAPPING, "one fits in any case");
    }
}
