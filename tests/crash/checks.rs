//! What must hold for a worker's user after the daemon was killed and started again.

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass_client::admin::{AdminClient, RevokeTarget};
use hallpass_client::{AttemptId, Client, ErrorCode, Needs, SessionId, Verifier, new_attempt};

use crate::support::Tokens;
use crate::worker::{Change, End, Parent, Session, Worker, exchange};

/// How long after a rotation its parent is surely within the retry window of 30 s.
const SURELY_IN_WINDOW: Duration = Duration::from_secs(20);

impl Worker {
    /// Holds the daemon to everything that was acknowledged; what is in doubt may have been done or not, as a whole.
    pub(crate) async fn check(&mut self, client: &Client, admin: &AdminClient, app: &Verifier) {
        let doubt = self.doubt.take();
        self.settle_account(admin, doubt.as_ref()).await;
        match &doubt {
            Some(Change::End { how, sessions }) => self.settle_end(client, how, sessions).await,
            Some(Change::Rotate { session, attempt }) => {
                self.settle_rotation(client, *session, attempt.clone()).await;
            }
            Some(Change::Login | Change::Enable | Change::SetRoles(_)) | None => {}
        }
        self.check_sessions(client, app).await;
        if self.disabled {
            let refused = self.log_in(client, &self.password.clone()).await.map(|_| ()).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidCredentials, "{}: disabled", self.name);
            admin.user_enable(&self.name).await.unwrap();
            self.disabled = false;
            self.check_sessions(client, app).await;
        }
        self.check_list(admin, matches!(doubt, Some(Change::Login))).await;
        self.check_password(client).await;
        for session in self.living() {
            self.check_family(client, app, session).await;
        }
        self.forget();
    }

    /// The user's row: the roles and whether they are disabled.
    async fn settle_account(&mut self, admin: &AdminClient, doubt: Option<&Change>) {
        let found = admin.user_show(&self.name).await.unwrap();
        assert_eq!(found.user_id, self.user, "{}", self.name);
        match doubt {
            Some(Change::SetRoles(roles)) if &found.roles == roles => self.roles.clone_from(roles),
            Some(Change::Enable | Change::End { how: End::Disabling, .. }) => self.disabled = found.disabled,
            _ => {}
        }
        assert_eq!(found.roles, self.roles, "{}: {doubt:?}", self.name);
        assert_eq!(found.disabled, self.disabled, "{}: {doubt:?}", self.name);
    }

    /// An end in doubt: every session it was about is over, or none is.
    async fn settle_end(&mut self, client: &Client, how: &End, sessions: &[usize]) {
        let mut over = Vec::new();
        for index in sessions {
            over.push(self.verified(client, &self.sessions[*index]).await.is_err());
        }
        assert!(over.windows(2).all(|pair| pair[0] == pair[1]), "{}: {how:?} by half: {over:?}", self.name);
        let done = match how {
            End::Disabling => self.disabled,
            End::NewPassword(new) => {
                let opened = self.log_in(client, &new.clone()).await;
                let done = opened.is_ok();
                match opened {
                    Ok(tokens) => self.opened(tokens),
                    Err(refused) => assert_eq!(refused.code(), ErrorCode::InvalidCredentials),
                }
                done
            }
            _ => over.first().copied().unwrap_or_default(),
        };
        assert!(over.iter().all(|over| *over == done), "{}: {how:?} by half", self.name);
        if done {
            self.ended(how, sessions);
        }
        self.try_password |= matches!(how, End::NewPassword(_));
    }

    /// A rotation in doubt: asked again it gives the one successor, and gives it again.
    async fn settle_rotation(&mut self, client: &Client, session: usize, attempt: Option<AttemptId>) {
        let old = self.sessions[session].current.clone();
        let first = exchange(client, &old, attempt.clone()).await;
        let first = first.unwrap_or_else(|error| unreachable!("{}: a lost rotation: {error:?}", self.name));
        let again = exchange(client, &old, attempt.clone()).await;
        let again = again.unwrap_or_else(|error| unreachable!("{}: asked again: {error:?}", self.name));
        self.same(&first, again.refresh.expose(), again.generation);
        self.rotated(session, first, attempt);
    }

    fn same(&self, tokens: &Tokens, refresh: &str, generation: u32) {
        assert!(tokens.refresh.expose() == refresh, "{}: two successors of one token", self.name);
        assert_eq!(tokens.generation, generation, "{}", self.name);
    }

    /// Every session is alive with the roles of now, or dead with the right code.
    async fn check_sessions(&self, client: &Client, app: &Verifier) {
        for session in &self.sessions {
            let verified = self.verified(client, session).await;
            assert_eq!(verified.err(), session.dead, "{}: {session:?}", self.name);
            // In the app's process too, and there the second time by the board.
            for _ in 0..2 {
                let verified = app.verify(session.access.expose()).err().map(|error| error.code());
                assert_eq!(verified, session.dead, "{}: by the board: {session:?}", self.name);
            }
            if let Some(code) = session.dead {
                let refused = exchange(client, &session.current, None).await.map(|_| ()).unwrap_err();
                assert_eq!(refused.code(), code, "{}: {session:?}", self.name);
            }
        }
    }

    async fn verified(&self, client: &Client, session: &Session) -> Result<(), ErrorCode> {
        let identity = client.verify(session.access.clone(), Needs::default()).await;
        let identity = identity.map_err(|error| error.code())?;
        assert_eq!((identity.session_id, identity.user_id), (session.id, self.user));
        assert_eq!(identity.roles, self.roles, "{}", self.name);
        Ok(())
    }

    /// The list has the living sessions and no other, but for one of a login whose answer was lost.
    async fn check_list(&self, admin: &AdminClient, one_lost: bool) {
        let mut listed = BTreeMap::new();
        let mut after: Option<SessionId> = None;
        loop {
            let page = admin.session_list(&self.name, after).await.unwrap();
            listed.extend(page.sessions.iter().map(|session| (session.session_id, session.refreshes)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for session in self.sessions.iter().filter(|session| session.dead.is_none()) {
            let refreshes = listed.remove(&session.id);
            assert_eq!(refreshes, Some(session.generation - 1), "{}: {session:?}", self.name);
        }
        assert!(listed.len() <= usize::from(one_lost), "{}: sessions from nowhere: {listed:?}", self.name);
        for lost in listed.into_keys() {
            assert_eq!(admin.revoke(RevokeTarget::Session(lost)).await.unwrap().sessions, 1);
        }
    }

    /// The present password opens a session and the one before does not.
    async fn check_password(&mut self, client: &Client) {
        if !std::mem::take(&mut self.try_password) && !self.dice.percent(20) {
            return;
        }
        if let Some(retired) = self.retired.clone() {
            let refused = self.log_in(client, &retired).await.map(|_| ()).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidCredentials, "{}: an old password", self.name);
        }
        let opened = self.log_in(client, &self.password.clone()).await;
        let tokens = opened.unwrap_or_else(|error| unreachable!("{}: the password: {error:?}", self.name));
        self.opened(tokens);
    }

    /// The parent gives the current token again, the current one rotates, and, at times, an older one is reuse and ends the family.
    async fn check_family(&mut self, client: &Client, app: &Verifier, index: usize) {
        let session = self.sessions[index].clone();
        let may_be_asked_again =
            |parent: &Parent| parent.attempt.is_some() || parent.exchanged.elapsed() < SURELY_IN_WINDOW;
        if let Some(parent) = session.parent.filter(may_be_asked_again).filter(|_| self.dice.percent(50)) {
            let again = exchange(client, &parent.token, parent.attempt).await;
            let again = again.unwrap_or_else(|error| unreachable!("{}: a retry: {error:?}", self.name));
            self.same(&again, session.current.expose(), session.generation);
        }
        if let Some(old) = session.grandparent.filter(|_| self.dice.percent(15)) {
            let refused = exchange(client, &old, None).await.map(|_| ()).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Reused, "{}: rotated away", self.name);
            self.ended(&End::Reuse, &[index]);
            return self.check_sessions(client, app).await;
        }
        if self.dice.percent(60) {
            let attempt = new_attempt().unwrap();
            let next = exchange(client, &session.current, Some(attempt.clone())).await;
            let next = next.unwrap_or_else(|error| unreachable!("{}: the current: {error:?}", self.name));
            self.rotated(index, next, Some(attempt));
            assert_eq!(self.verified(client, &self.sessions[index]).await, Ok(()), "{}", self.name);
        }
    }
}
