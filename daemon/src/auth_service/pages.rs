//! Pages of a user's sessions, made of what the caller may see and of nothing else.

use hallpass_protocol::auth::{Answer, Context, ListSessions, SessionInfo, SessionPage};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::limits::SESSIONS_PER_PAGE;

use crate::domain::policy::Permit;
use crate::domain::session::{Session, is_alive};
use crate::shared::{Shared, unreadable};

/// A page of a user's living sessions, as far as the caller may see them.
pub(crate) async fn session_page(
    shared: &Shared,
    permit: &Permit,
    request: &ListSessions,
) -> Answer<SessionPage> {
    let now = shared.clock.now();
    let snapshot = shared.snapshot()?;
    let user = snapshot.user(request.user).map_err(unreadable)?;
    let cut_offs = snapshot.cut_offs().map_err(unreadable)?;
    let rows = |after| snapshot.sessions_of(request.user, after, SESSIONS_PER_PAGE).map_err(unreadable);
    let seen = |session: &Session| {
        permit.reaches(&session.cold.app) && is_alive(user.as_ref(), session, &cut_offs, now).is_ok()
    };
    page(request.after, rows, seen).await
}

/// Fills a page from as many rows as it takes. It goes on after its own last session: a row that the caller may not see is no cursor of theirs.
async fn page(
    mut after: Option<SessionId>,
    rows: impl Fn(Option<SessionId>) -> Answer<Vec<Session>>,
    seen: impl Fn(&Session) -> bool,
) -> Answer<SessionPage> {
    let mut sessions = Vec::new();
    loop {
        let some = rows(after)?;
        let is_last = some.len() < SESSIONS_PER_PAGE;
        after = some.last().map(|session| session.id);
        let wanted = SESSIONS_PER_PAGE - sessions.len();
        sessions.extend(some.into_iter().filter(&seen).take(wanted).map(session_info));
        if sessions.len() == SESSIONS_PER_PAGE {
            let next = sessions.last().map(|session| session.session_id);
            return Ok(SessionPage { sessions, next });
        }
        if is_last {
            return Ok(SessionPage { sessions, next: None });
        }
        // However many rows there are, other callers have their turn between them; the request's deadline bounds the whole.
        tokio::task::yield_now().await;
    }
}

/// A session as a list has it.
pub(crate) fn session_info(session: Session) -> SessionInfo {
    let end = session.end();
    let Session { id, cold, hot } = session;
    SessionInfo {
        session_id: id,
        user_id: cold.user,
        app: cold.app,
        kind: cold.kind,
        created: id.created(),
        last_seen: hot.last_seen,
        idle_deadline: hot.idle_deadline,
        absolute_deadline: end,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::{MINUTE, START, permit, session};

    /// Sessions of these apps, one a minute.
    fn opened_by(apps: &[&str]) -> Vec<Session> {
        let each = |(minutes, app): (u32, &&str)| {
            let mut session = session();
            session.id = SessionId::new(START.plus(MINUTE * minutes), [3; 10]);
            session.cold.app = (*app).into();
            session
        };
        (0..).zip(apps).map(each).collect()
    }

    async fn seen_by(app: &str, all: &[Session], after: Option<SessionId>) -> SessionPage {
        let permit = permit(app);
        let rows = |after: Option<SessionId>| {
            let later = all.iter().filter(|session| after.is_none_or(|after| session.id > after));
            Ok(later.take(SESSIONS_PER_PAGE).cloned().collect())
        };
        page(after, rows, |session| permit.reaches(&session.cold.app)).await.unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn c13_another_apps_sessions_are_neither_listed_nor_a_cursor() {
        let all = opened_by(&["shop"; 45]);
        let page = seen_by("blog", &all, None).await;
        assert_eq!((page.sessions.len(), page.next), (0, None));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_page_is_filled_past_the_sessions_of_others() {
        let all = opened_by(&[&["shop"; 45][..], &["blog", "shop"].repeat(25), &["shop"; 20]].concat());
        let first = seen_by("blog", &all, None).await;
        assert_eq!(first.sessions.len(), SESSIONS_PER_PAGE);
        assert_eq!(first.next, first.sessions.last().map(|last| last.session_id));
        let rest = seen_by("blog", &all, first.next).await;
        assert_eq!((rest.sessions.len(), rest.next), (5, None));
        let mut both = first.sessions.iter().chain(&rest.sessions);
        assert!(both.all(|session| session.app == "blog"));
    }
}
