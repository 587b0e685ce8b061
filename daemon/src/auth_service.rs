//! The apps' calls: what is on the wire becomes a command or a check, and the outcome an answer. One straight line for each.

pub(crate) mod context;
pub(crate) mod pages;
mod proofs;
mod told;
mod verifying;

use std::sync::Arc;

use hallpass_protocol::auth::{
    Answer, Auth, AuthRequest, AuthResponse, ChangePassword, Grant, GrantedTokens, Hello, Identity,
    ListSessions, Login, OpenSession, PublishedKeys, Reauthenticate, RedeemCode, Refresh, Revoke, Revoked,
    ServiceToken, SessionPage, Verified, VerifierReport, Verify,
};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::jws::{AccessClaims, jti};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::Millis;
use hallpass_protocol::token::{Subject, TokenKind};
use tarpc::context as call;
use tracing::{Instrument, Span};

use crate::clock::Stopwatch;
use crate::connection::{guarded, guarded_at_once};
use crate::domain::command::{Command, RefreshCommand};
use crate::domain::effect::{GrantPlan, Outcome, Tokens};
use crate::domain::policy::{Operation, Permit, Principal, admit};
use crate::domain::revocation::{Target, Which};
use crate::followed;
use crate::keys::Gone;
use crate::metrics::OfApp;
use crate::shared::Shared;
use told::AtOnce;
use verifying::owned;

/// The apps' service, for one caller.
#[derive(Clone)]
pub(crate) struct AuthService {
    shared: Arc<Shared>,
    caller: Arc<Principal>,
    /// Where its calls are counted.
    app: Arc<OfApp>,
}

impl Auth for AuthService {
    async fn hello(self, context: call::Context) -> Answer<Hello> {
        self.counted(Operation::Hello, &context, async { self.answer_hello() }).await
    }

    async fn login(self, context: call::Context, request: Login) -> Answer<Grant> {
        self.counted(Operation::Login, &context, self.answer_login(request)).await
    }

    async fn verify(self, context: call::Context, request: Verify) -> Answer<Identity> {
        self.counted(Operation::Verify, &context, async { self.answer_verify(&request) }).await
    }

    async fn refresh(self, context: call::Context, request: Refresh) -> Answer<Grant> {
        self.counted(Operation::Refresh, &context, self.answer_refresh(request)).await
    }

    async fn revoke(self, context: call::Context, request: Revoke) -> Answer<Revoked> {
        self.counted(Operation::Revoke, &context, self.answer_revoke(request)).await
    }

    async fn sessions(self, context: call::Context, request: ListSessions) -> Answer<SessionPage> {
        self.counted(Operation::Sessions, &context, async {
            let permit = self.admit(Operation::Sessions)?;
            pages::session_page(&self.shared, &permit, &request).await
        })
        .await
    }

    async fn open_session(self, context: call::Context, request: OpenSession) -> Answer<Grant> {
        self.counted(Operation::OpenSession, &context, self.answer_open_session(request)).await
    }

    async fn reauthenticate(self, context: call::Context, request: Reauthenticate) -> Answer<Grant> {
        self.counted(Operation::Reauthenticate, &context, self.answer_reauthenticate(request)).await
    }

    async fn change_password(self, context: call::Context, request: ChangePassword) -> Answer<Grant> {
        self.counted(Operation::ChangePassword, &context, self.answer_change_password(request)).await
    }

    async fn redeem_code(self, context: call::Context, request: RedeemCode) -> Answer<Grant> {
        self.counted(Operation::RedeemCode, &context, self.answer_redeem_code(request)).await
    }

    async fn service_token(self, context: call::Context, audience: Option<String>) -> Answer<ServiceToken> {
        self.counted(Operation::ServiceToken, &context, async {
            self.answer_service_token(audience.as_deref())
        })
        .await
    }

    async fn jwks(self, context: call::Context) -> Answer<PublishedKeys> {
        self.counted(Operation::Jwks, &context, async { self.answer_jwks() }).await
    }

    async fn verify_many(
        self,
        context: call::Context,
        requests: Vec<Verify>,
    ) -> Answer<Vec<Answer<Verified>>> {
        self.counted(Operation::Verify, &context, async {
            Ok(self.answer_verify_many(&requests)?.into_iter().map(owned).collect())
        })
        .await
    }

    async fn report(self, context: call::Context, counted: VerifierReport) -> Answer<()> {
        self.counted(Operation::Report, &context, async { self.answer_report(counted) }).await
    }
}

impl AuthService {
    /// The service for this caller.
    pub(crate) fn new(shared: Arc<Shared>, caller: Arc<Principal>) -> Self {
        let app = shared.requests.of_app(caller.known_as());
        Self { shared, caller, app }
    }

    /// Answers calls that only read memory, and nothing else.
    pub(crate) fn answer_at_once(&self, context: &call::Context, request: &AuthRequest) -> Option<AtOnce> {
        Some(match request {
            AuthRequest::Verify { request } => {
                let answer = self.counted_at_once(Operation::Verify, context, || self.answer_verify(request));
                AtOnce::Other(AuthResponse::Verify(answer).into())
            }
            AuthRequest::VerifyMany { requests } => {
                AtOnce::VerifyMany(
                    self.counted_at_once(Operation::Verify, context, || self.answer_verify_many(requests)),
                )
            }
            AuthRequest::Hello {} => {
                let answer = self.counted_at_once(Operation::Hello, context, || self.answer_hello());
                AtOnce::Other(AuthResponse::Hello(answer).into())
            }
            AuthRequest::Jwks {} => {
                let answer = self.counted_at_once(Operation::Jwks, context, || self.answer_jwks());
                AtOnce::Other(AuthResponse::Jwks(answer).into())
            }
            AuthRequest::Report { counted } => {
                let report = || self.answer_report(*counted);
                AtOnce::Other(
                    AuthResponse::Report(self.counted_at_once(Operation::Report, context, report)).into(),
                )
            }
            _ => return None,
        })
    }

    /// Answers and counts a call, whatever comes of it.
    async fn counted<T>(
        &self,
        operation: Operation,
        context: &call::Context,
        call: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let span = followed::span(context, operation, self.caller.known_as(), self.shared.started);
        self.app.begins();
        let begun = Stopwatch::start();
        let answer = guarded(call).instrument(span.clone()).await;
        self.count(operation, Some(begun), &span, &answer);
        answer
    }

    /// The same for a call that waits for nothing.
    fn counted_at_once<T>(
        &self,
        operation: Operation,
        context: &call::Context,
        call: impl FnOnce() -> Answer<T>,
    ) -> Answer<T> {
        let span = followed::brief_span(context, operation, self.caller.known_as(), self.shared.started);
        let begun = (self.app.begins_at_once() || !span.is_disabled()).then(Stopwatch::start);
        let answer = span.in_scope(|| guarded_at_once(call));
        self.count(operation, begun, &span, &answer);
        answer
    }

    fn count<T>(&self, operation: Operation, begun: Option<Stopwatch>, span: &Span, answer: &Answer<T>) {
        let refused = answer.as_ref().err().map(|refusal| refusal.code);
        let nanos = begun.map(Stopwatch::nanos);
        self.shared.requests.answered(&self.app, operation, refused, nanos);
        followed::answered(span, refused, nanos.unwrap_or_default());
    }

    fn admit(&self, operation: Operation) -> Answer<Permit> {
        self.shared.admit(&self.caller, operation)
    }

    /// The audience that was asked for, or a refusal that is remembered.
    fn audience(&self, permit: &Permit, operation: Operation, asked: Option<&str>) -> Answer<String> {
        let refused = |refusal: &Refusal| self.shared.remember_refused(&self.caller, operation, refusal.code);
        permit.audience(asked).inspect_err(refused)
    }

    fn answer_report(&self, counted: VerifierReport) -> Answer<()> {
        let _permit = self.admit(Operation::Report)?;
        self.app.reports(counted);
        Ok(())
    }

    fn answer_jwks(&self) -> Answer<PublishedKeys> {
        let _permit = self.admit(Operation::Jwks)?;
        Ok(self.shared.keys.ring().published().clone())
    }

    fn answer_hello(&self) -> Answer<Hello> {
        let permit = self.admit(Operation::Hello)?;
        Ok(Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            database_id: crate::hex::encode(self.shared.store.database_id()),
            issuer: self.shared.issuer.clone(),
            app: permit.app().to_owned(),
            audiences: permit.audiences().to_vec(),
            may_verify: admit(&self.caller, Operation::Verify).is_ok(),
            life: self.shared.writer.life(),
            board: self.shared.board.place(),
        })
    }

    async fn answer_refresh(&self, request: Refresh) -> Answer<Grant> {
        let permit = self.admit(Operation::Refresh)?;
        let (origin, tag) = context::origin(&request.context)?;
        let ring = self.shared.keys.ring();
        let Some(Subject::Refresh(session, counter)) = ring.unseal(&request.token) else {
            return Err(Refusal::new(ring.why_not(&request.token)));
        };
        let attempt = request.attempt.as_ref().map(context::attempt_hash);
        let refresh = RefreshCommand { session, counter, attempt, audience: request.audience, origin, tag };
        self.granted(self.shared.write(permit, Command::Refresh(Box::new(refresh))).await?)
    }

    async fn answer_revoke(&self, request: Revoke) -> Answer<Revoked> {
        let permit = self.admit(Operation::Revoke)?;
        let target = match request {
            Revoke::Token(token) => Target::Session(self.session_of(&permit, &token)?),
            Revoke::Session(session) => Target::Session(session),
            Revoke::User { user, except } => {
                Target::UserOfApp { user, which: except.map_or(Which::All, Which::AllBut) }
            }
            Revoke::Device { user, label } => Target::UserOfApp { user, which: Which::Device(label) },
        };
        ended(self.shared.write(permit, Command::Revoke(target)).await?)
    }

    /// The session of any genuine token. One that is over can still be logged out with.
    fn session_of(&self, permit: &Permit, token: &Token) -> Answer<hallpass_protocol::id::SessionId> {
        let session = match TokenKind::of(token.expose()) {
            TokenKind::Access => {
                let owned = |aud: &str| permit.audiences().iter().any(|audience| audience == aud);
                self.shared
                    .keys
                    .ring()
                    .verify(token, owned, 0)
                    .ok()
                    .as_ref()
                    .and_then(parts)
                    .map(|(session, ..)| session)
            }
            _ => match self.shared.keys.ring().unseal(token) {
                Some(Subject::Session(session) | Subject::Refresh(session, _)) => Some(session),
                _ => None,
            },
        };
        session.ok_or_else(|| Refusal::new(ErrorCode::InvalidToken))
    }

    /// A token for the app itself. It rests on nothing but who calls, which the kernel says; so it is signed here and written nowhere.
    fn answer_service_token(&self, audience: Option<&str>) -> Answer<ServiceToken> {
        let permit = self.admit(Operation::ServiceToken)?;
        let audience = self.audience(&permit, Operation::ServiceToken, audience)?;
        let now = self.shared.clock.now();
        let fresh = self.shared.entropy.fresh()?;
        let expires = Millis::from_u64(
            now.plus(self.shared.live.policy().lifetimes.jittered_access(fresh.jitter)).as_secs() * 1000,
        );
        let stamp = self.shared.writer.visible();
        let token = self.shared.keys.ring().sign_service(
            permit.app(),
            &audience,
            now,
            expires,
            jti(stamp.0, fresh.jti),
        );
        Ok(ServiceToken { token: token.map_err(gone)?, expires })
    }

    /// Makes the tokens that a decision has granted.
    fn granted(&self, outcome: Outcome) -> Answer<Grant> {
        let Outcome::Granted(plan) = outcome else { return Err(Refusal::new(ErrorCode::Internal)) };
        let GrantPlan { user, session, idle_deadline, absolute_deadline, tokens, device } = *plan;
        let keys = self.shared.keys.ring();
        let tokens = match tokens {
            Tokens::Cookie { mac_key } => GrantedTokens::Cookie {
                session_token: keys.seal(Subject::Session(session), mac_key).map_err(gone)?,
            },
            Tokens::Token { access, counter, mac_key } => GrantedTokens::Token {
                access_token: keys.sign(&access).map_err(gone)?,
                access_expires: access.expires,
                refresh_token: keys.seal(Subject::Refresh(session, counter), mac_key).map_err(gone)?,
                generation: counter,
            },
        };
        let device_token = device
            .map(|(device, mac_key)| keys.seal(Subject::Device(user, device), mac_key).map_err(gone))
            .transpose()?;
        Ok(Grant {
            user_id: user,
            session_id: session,
            tokens,
            idle_deadline,
            absolute_deadline,
            device_token,
        })
    }
}

/// The identifiers and the end in an access token's claims, if they are ours.
fn parts(
    claims: &AccessClaims,
) -> Option<(hallpass_protocol::id::SessionId, hallpass_protocol::id::UserId, Millis)> {
    Some((
        claims.sid.parse().ok()?,
        claims.sub.parse().ok()?,
        Millis::from_u64(claims.exp.checked_mul(1000)?),
    ))
}

/// The key that was to make a token is gone since; what was decided stands, and asking again gets a token of the new key.
fn gone(_: Gone) -> Refusal {
    Refusal::new(ErrorCode::Unknown)
}

/// How many sessions a revocation ended.
pub(crate) fn ended(outcome: Outcome) -> Answer<Revoked> {
    match outcome {
        Outcome::Ended(sessions) => Ok(Revoked { sessions }),
        _ => Err(Refusal::new(ErrorCode::Internal)),
    }
}
