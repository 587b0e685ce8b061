//! What is done with sessions that are open: their tokens are exchanged, they are listed, and they are ended.

use serde::{Deserialize, Serialize};

use super::{Context, SessionKind};
use crate::id::{SessionId, UserId};
use crate::secret::{AttemptId, Token};
use crate::time::Millis;

/// A request to exchange a refresh token.
///
/// ```
/// # use hallpass_protocol::{auth::{Context, Refresh}, secret::{AttemptId, Token}};
/// fn refresh(token: Token, attempt: AttemptId, context: Context) -> Refresh {
///     Refresh { token, attempt: Some(attempt), audience: None, context }
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refresh {
    /// The refresh token.
    pub token: Token,
    /// Made by the client for this exchange and sent again if its answer is lost.
    pub attempt: Option<AttemptId>,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// Where the request came from.
    pub context: Context,
}

/// Which sessions of the calling app to end.
///
/// ```
/// # use hallpass_protocol::{auth::{Identity, Revoke}, secret::Token};
/// fn log_out(session_token: Token) -> Revoke {
///     Revoke::Token(session_token)
/// }
///
/// fn log_out_elsewhere(identity: &Identity) -> Revoke {
///     Revoke::User { user: identity.user_id, except: Some(identity.session_id) }
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Revoke {
    /// The one this token belongs to, whatever its kind.
    Token(Token),
    /// This one.
    Session(SessionId),
    /// All of a user's with the calling app, but for one if it is named.
    User {
        /// Whose.
        user: UserId,
        /// The one to leave alive.
        except: Option<SessionId>,
    },
    /// All of a user's with the calling app on devices of this label.
    Device {
        /// Whose.
        user: UserId,
        /// The label, as it was given at the login.
        label: String,
    },
}

/// What a revocation did.
///
/// ```
/// # use hallpass_protocol::auth::Revoked;
/// fn told(revoked: Revoked) -> String {
///     match revoked.sessions {
///         0 => "you were logged out already".into(),
///         sessions => format!("logged out on {sessions} devices"),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Revoked {
    /// Living sessions that it ended; zero when they were over before. Where every session is ended they are not looked at one by one: then it is
    /// how many were opened since the last time, those that had ended by themselves included.
    pub sessions: u64,
}

/// A request to list sessions.
///
/// ```
/// # use hallpass_protocol::auth::{Identity, ListSessions, SessionPage};
/// fn first(identity: &Identity) -> ListSessions {
///     ListSessions { user: identity.user_id, after: None }
/// }
///
/// fn next(before: &ListSessions, page: &SessionPage) -> Option<ListSessions> {
///     Some(ListSessions { after: Some(page.next?), ..before.clone() })
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSessions {
    /// Whose.
    pub user: UserId,
    /// Continue after this session, the last of the page before.
    pub after: Option<SessionId>,
}

/// One page of sessions, oldest first.
///
/// ```
/// # use hallpass_protocol::{auth::SessionPage, id::SessionId};
/// fn others(page: &SessionPage, own: SessionId) -> impl Iterator<Item = SessionId> {
///     page.sessions.iter().map(|session| session.session_id).filter(move |id| *id != own)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionInfo>,
    /// Where the next page starts, if there is one.
    pub next: Option<SessionId>,
}

/// A living session as its owner or an administrator sees it. The identifier opens nothing.
///
/// ```
/// # use hallpass_protocol::{auth::SessionInfo, time::Millis};
/// fn line(session: &SessionInfo, now: Millis) -> String {
///     let device = session.context.device_label.as_deref().or(session.context.user_agent.as_deref());
///     let minutes = now.since(session.last_seen).as_secs() / 60;
///     format!("{}, used {minutes} minutes ago", device.unwrap_or("some device"))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionInfo {
    /// The session.
    pub session_id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The app that opened it.
    pub app: String,
    /// Its kind.
    pub kind: SessionKind,
    /// When it was opened.
    pub created: Millis,
    /// When it was last used, to the minute.
    pub last_seen: Millis,
    /// When it ends if it is not used.
    pub idle_deadline: Millis,
    /// When it ends in any case.
    pub absolute_deadline: Millis,
    /// When the user last proved who they are.
    pub auth_time: Millis,
    /// How often it was refreshed.
    pub refreshes: u32,
    /// Where it was opened from, as the app said.
    pub context: Context,
}
