//! The apps' calls: what is on the wire becomes a command or a check, and the outcome an answer. One straight line for each.

use std::sync::Arc;

use hallpass_protocol::auth::{
    Answer, Auth, AuthRequest, Context, Grant, GrantedTokens, Hello, Identity, ListSessions, Login, Refresh,
    Revoke, Revoked, SessionInfo, SessionPage, Verify,
};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::jws::{AccessClaims, Refused};
use hallpass_protocol::limits::{
    DEVICE_FINGERPRINT_BYTES, DEVICE_LABEL_BYTES, SESSIONS_PER_PAGE, TOKEN_BYTES, USER_AGENT_BYTES,
};
use hallpass_protocol::secret::{AttemptId, Token};
use hallpass_protocol::time::Millis;
use hallpass_protocol::token::{Subject, TokenKind};
use sha2::{Digest, Sha256};
use tarpc::context;

use crate::connection::guarded;
use crate::domain::check::{self, Shown};
use crate::domain::command::{self, Command, RefreshCommand, Settle};
use crate::domain::effect::{GrantPlan, Outcome, Tokens};
use crate::domain::family::{AttemptHash, ContextTag};
use crate::domain::policy::{Operation, Permit, Principal, admit};
use crate::domain::revocation::Target;
use crate::domain::session::{Origin, Session, is_alive, wants_touch};
use crate::domain::throttle::Source;
use crate::shared::{Shared, unreadable};

/// The apps' service, for one caller.
#[derive(Clone)]
pub(crate) struct AuthService {
    shared: Arc<Shared>,
    caller: Arc<Principal>,
}

/// Calls that only read memory, which are answered where they arrive.
pub(crate) fn is_cheap(request: &AuthRequest) -> bool {
    matches!(request, AuthRequest::Verify { .. } | AuthRequest::Hello { .. } | AuthRequest::Jwks { .. })
}

impl Auth for AuthService {
    async fn hello(self, _: context::Context) -> Answer<Hello> {
        guarded(async { self.answer_hello() }).await
    }

    async fn login(self, _: context::Context, request: Login) -> Answer<Grant> {
        guarded(self.answer_login(request)).await
    }

    async fn verify(self, _: context::Context, request: Verify) -> Answer<Identity> {
        guarded(async { self.answer_verify(&request) }).await
    }

    async fn refresh(self, _: context::Context, request: Refresh) -> Answer<Grant> {
        guarded(self.answer_refresh(request)).await
    }

    async fn revoke(self, _: context::Context, request: Revoke) -> Answer<Revoked> {
        guarded(self.answer_revoke(request)).await
    }

    async fn sessions(self, _: context::Context, request: ListSessions) -> Answer<SessionPage> {
        guarded(async { self.answer_sessions(&request) }).await
    }

    async fn jwks(self, _: context::Context) -> Answer<String> {
        guarded(async {
            let _permit = admit(&self.caller, Operation::Jwks)?;
            Ok(self.shared.keys.jwks().to_owned())
        })
        .await
    }
}

impl AuthService {
    /// The service for this caller.
    pub(crate) fn new(shared: Arc<Shared>, caller: Arc<Principal>) -> Self {
        Self { shared, caller }
    }

    fn answer_hello(&self) -> Answer<Hello> {
        let permit = admit(&self.caller, Operation::Hello)?;
        Ok(Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            database_id: crate::hex::encode(self.shared.store.database_id()),
            issuer: self.shared.issuer.clone(),
            app: permit.app().to_owned(),
            audiences: permit.audiences().to_vec(),
        })
    }

    /// Counts the try, hashes the password, and settles the result. Every way to fail does the same work.
    async fn answer_login(&self, request: Login) -> Answer<Grant> {
        let permit = admit(&self.caller, Operation::Login)?;
        let (origin, tag) = origin(&request.context)?;
        let login = command::Login {
            name: request.name,
            source: Source {
                app: permit.app().to_owned(),
                address: origin.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            },
            device: request.device_token.as_ref().and_then(|token| self.known_device(token)),
        };
        let Outcome::Attempt(attempt) =
            self.shared.write(permit.clone(), Command::Attempt(login.clone())).await?
        else {
            return Err(Refusal::new(ErrorCode::Internal));
        };
        let against = attempt.credential.as_ref().map(|credential| credential.hash.clone());
        let checked = self.shared.hasher.check(&request.password, against).await?;
        let settle = Settle {
            login,
            proved: attempt.credential.filter(|_| checked.fits),
            rehash: checked.rehash,
            retry_after: attempt.retry_after,
            kind: request.kind,
            audience: request.audience,
            origin,
            tag,
        };
        self.granted(self.shared.write(permit, Command::Settle(Box::new(settle))).await?)
    }

    fn known_device(
        &self,
        token: &Token,
    ) -> Option<(hallpass_protocol::id::UserId, hallpass_protocol::id::DeviceId)> {
        match self.shared.keys.unseal(token) {
            Some(Subject::Device(user, device)) => Some((user, device)),
            _ => None,
        }
    }

    fn answer_verify(&self, request: &Verify) -> Answer<Identity> {
        let permit = admit(&self.caller, Operation::Verify)?;
        let now = self.shared.clock.now();
        let shown = self.shown(&permit, &request.token, request.needs.audience.as_deref(), now)?;
        let found = self.shared.snapshot()?.found(shown.session()).map_err(unreadable)?;
        let expires_at = check::verify(&permit, &shown, &request.needs, &found, now)?;
        let (session, user) = found.session.zip(found.user).ok_or(ErrorCode::Expired)?;
        if wants_touch(&session, now) {
            self.shared.touch(permit, session.id);
        }
        Ok(Identity {
            user_id: user.id,
            name: user.name.as_str().to_owned(),
            roles: user.roles.as_slice().to_vec(),
            session_id: session.id,
            level: check::level(&session, now),
            app: session.cold.app,
            kind: session.cold.kind,
            auth_time: session.hot.auth_time,
            amr: session.cold.amr,
            expires_at,
        })
    }

    /// What a token says, if it is genuine and of a kind that can be verified.
    fn shown(&self, permit: &Permit, token: &Token, audience: Option<&str>, now: Millis) -> Answer<Shown> {
        if TokenKind::of(token.expose()) != TokenKind::Access {
            return match self.shared.keys.unseal(token) {
                Some(Subject::Session(session)) => Ok(Shown::Session(session)),
                _ => Err(Refusal::new(ErrorCode::InvalidToken)),
            };
        }
        let audience = permit.audience(audience)?;
        let claims =
            self.shared.keys.verify(token, |aud| aud == audience, now.as_secs()).map_err(|refused| {
                match refused {
                    Refused::Expired => ErrorCode::TokenExpired,
                    _ => ErrorCode::InvalidToken,
                }
            })?;
        let (session, user, expires) = parts(&claims).ok_or(ErrorCode::InvalidToken)?;
        Ok(Shown::Access { session, user, expires })
    }

    async fn answer_refresh(&self, request: Refresh) -> Answer<Grant> {
        let permit = admit(&self.caller, Operation::Refresh)?;
        let (origin, tag) = origin(&request.context)?;
        let Some(Subject::Refresh(session, counter)) = self.shared.keys.unseal(&request.token) else {
            return Err(Refusal::new(ErrorCode::InvalidToken));
        };
        let attempt = request.attempt.as_ref().map(attempt_hash);
        let refresh = RefreshCommand { session, counter, attempt, audience: request.audience, origin, tag };
        self.granted(self.shared.write(permit, Command::Refresh(Box::new(refresh))).await?)
    }

    async fn answer_revoke(&self, request: Revoke) -> Answer<Revoked> {
        let permit = admit(&self.caller, Operation::Revoke)?;
        let target = match request {
            Revoke::Token(token) => Target::Session(self.session_of(&permit, &token)?),
            Revoke::Session(session) => Target::Session(session),
            Revoke::User { user, except } => Target::UserOfApp { user, except },
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
                    .verify(token, owned, 0)
                    .ok()
                    .as_ref()
                    .and_then(parts)
                    .map(|(session, ..)| session)
            }
            _ => match self.shared.keys.unseal(token) {
                Some(Subject::Session(session) | Subject::Refresh(session, _)) => Some(session),
                _ => None,
            },
        };
        session.ok_or_else(|| Refusal::new(ErrorCode::InvalidToken))
    }

    fn answer_sessions(&self, request: &ListSessions) -> Answer<SessionPage> {
        let permit = admit(&self.caller, Operation::Sessions)?;
        session_page(&self.shared, &permit, request)
    }

    /// Makes the tokens that a decision has granted.
    fn granted(&self, outcome: Outcome) -> Answer<Grant> {
        let Outcome::Granted(plan) = outcome else { return Err(Refusal::new(ErrorCode::Internal)) };
        let GrantPlan { user, session, idle_deadline, absolute_deadline, tokens, device } = *plan;
        let keys = &self.shared.keys;
        let tokens = match tokens {
            Tokens::Cookie { mac_key } => {
                GrantedTokens::Cookie { session_token: keys.seal(Subject::Session(session), mac_key) }
            }
            Tokens::Token { access, counter, mac_key } => GrantedTokens::Token {
                // The limits on names, audiences and roles leave no plan that could be too large; a test holds them to it.
                access_token: keys.sign(&access).map_err(|_| Refusal::new(ErrorCode::Internal))?,
                access_expires: access.expires,
                refresh_token: keys.seal(Subject::Refresh(session, counter), mac_key),
                generation: counter,
            },
        };
        let device_token = device.map(|(device, mac_key)| keys.seal(Subject::Device(user, device), mac_key));
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

/// How many sessions a revocation ended.
pub(crate) fn ended(outcome: Outcome) -> Answer<Revoked> {
    match outcome {
        Outcome::Ended(sessions) => Ok(Revoked { sessions }),
        _ => Err(Refusal::new(ErrorCode::Internal)),
    }
}

/// A page of a user's living sessions, as far as the caller may see them.
pub(crate) fn session_page(shared: &Shared, permit: &Permit, request: &ListSessions) -> Answer<SessionPage> {
    let now = shared.clock.now();
    let snapshot = shared.snapshot()?;
    let user = snapshot.user(request.user).map_err(unreadable)?;
    let cut_offs = snapshot.cut_offs().map_err(unreadable)?;
    let page = snapshot.sessions_of(request.user, request.after, SESSIONS_PER_PAGE).map_err(unreadable)?;
    let next = if page.len() == SESSIONS_PER_PAGE { page.last().map(|session| session.id) } else { None };
    let seen = |session: &Session| {
        permit.reaches(&session.cold.app) && is_alive(user.as_ref(), session, &cut_offs, now).is_ok()
    };
    Ok(SessionPage { sessions: page.into_iter().filter(seen).map(session_info).collect(), next })
}

fn session_info(session: Session) -> SessionInfo {
    let Session { id, cold, hot } = session;
    SessionInfo {
        session_id: id,
        user_id: cold.user,
        app: cold.app,
        kind: cold.kind,
        created: id.created(),
        last_seen: hot.last_seen,
        idle_deadline: hot.idle_deadline,
        absolute_deadline: cold.absolute_deadline,
        auth_time: hot.auth_time,
        refreshes: hot.counter - crate::domain::family::FIRST,
        context: Context {
            ip: cold.origin.ip,
            user_agent: cold.origin.user_agent,
            device_label: cold.origin.device_label,
            device_fingerprint: None,
        },
    }
}

/// What an app says of a request's origin, within bounds.
fn origin(context: &Context) -> Answer<(Origin, ContextTag)> {
    let too_long = |text: &Option<String>, most: usize| text.as_ref().is_some_and(|text| text.len() > most);
    if too_long(&context.device_label, DEVICE_LABEL_BYTES) {
        return Err(Refusal::because(
            ErrorCode::InvalidRequest,
            format!("a device label has at most {DEVICE_LABEL_BYTES} bytes"),
        ));
    }
    if too_long(&context.device_fingerprint, DEVICE_FINGERPRINT_BYTES) {
        return Err(Refusal::because(
            ErrorCode::InvalidRequest,
            format!("a device fingerprint has at most {DEVICE_FINGERPRINT_BYTES} bytes"),
        ));
    }
    let user_agent = context
        .user_agent
        .as_ref()
        .map(|agent| agent[..agent.floor_char_boundary(USER_AGENT_BYTES)].to_owned());
    let address = context.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let tag: [u8; 2] = short_hash(&[
        b"hallpass context v1",
        address.as_bytes(),
        user_agent.as_deref().unwrap_or_default().as_bytes(),
    ]);
    let fingerprint = context
        .device_fingerprint
        .as_ref()
        .map(|text| short_hash(&[b"hallpass fingerprint v1", text.as_bytes()]));
    let origin =
        Origin { ip: context.ip, user_agent, device_label: context.device_label.clone(), fingerprint };
    Ok((origin, ContextTag(u16::from_be_bytes(tag))))
}

fn attempt_hash(attempt: &AttemptId) -> AttemptHash {
    AttemptHash(short_hash(&[b"hallpass attempt v1", attempt.expose()]))
}

/// The first bytes of SHA-256 over parts that are kept apart.
fn short_hash<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    let mut short = [0; N];
    short.copy_from_slice(&full[..N]);
    short
}

/// Whether a token's text is worth looking at; longer ones cannot be ours.
const _: () = assert!(TOKEN_BYTES == hallpass_protocol::jws::MAX_TOKEN_SEEN);
