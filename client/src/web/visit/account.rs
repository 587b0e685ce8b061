//! What users do about their own sessions: they log in and out, prove again who they are, and change their password.

use hallpass_protocol::auth::{
    ChangePassword, Grant, ListSessions, Login, OpenSession, Reauthenticate, RedeemCode, Revoke, SessionInfo,
    UserRef,
};
use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::secret::{Password, Token};

use super::{Identity, Visit, nobody};
use crate::error::Error;

impl Visit {
    /// Logs a user in by their password. The answer sets their cookies; a session that was there before ends.
    ///
    /// ```
    /// use hallpass_client::web::{Credentials, Denied, Visit};
    ///
    /// async fn log_in(visit: &Visit, form: Credentials) -> Result<String, Denied> {
    ///     let grant = visit.log_in(form.name, form.password).await?;
    ///     Ok(format!("welcome, {}", grant.user_id))
    /// }
    /// ```
    ///
    /// # Errors
    /// Name or password is wrong, or logging in must wait: see [`Error::retry_after`].
    pub async fn log_in(&self, name: impl Into<String>, password: Password) -> Result<Grant, Error> {
        let web = &self.0.web;
        let login = Login {
            name: name.into(),
            password,
            kind: web.kind(),
            audience: None,
            device_token: self.0.device.clone(),
            context: self.0.context.clone(),
        };
        let grant = web.client().login(login).await?;
        self.replace(&grant).await;
        Ok(grant)
    }

    /// Logs a user in whom the app has authenticated itself, by a passkey or another provider. Needs the right `vouch`.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Visit};
    /// use hallpass_client::{UserId, UserRef};
    ///
    /// async fn after_the_passkey(visit: &Visit, user: UserId) -> Result<(), Denied> {
    ///     visit.vouch_for(UserRef::Id(user), vec!["hwk".into()]).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::open_session`](crate::Client::open_session).
    pub async fn vouch_for(&self, user: UserRef, amr: Vec<String>) -> Result<Grant, Error> {
        let web = &self.0.web;
        let open =
            OpenSession { user, kind: web.kind(), audience: None, amr, context: self.0.context.clone() };
        let grant = web.client().open_session(open).await?;
        self.replace(&grant).await;
        Ok(grant)
    }

    /// Sets a password with a code that an administrator handed out, and logs its user in.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Visit};
    /// use hallpass_client::{Password, Token};
    ///
    /// async fn first_login(visit: &Visit, name: &str, code: Token, chosen: Password) -> Result<(), Denied> {
    ///     visit.redeem(name, code, chosen).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::redeem_code`](crate::Client::redeem_code).
    pub async fn redeem(
        &self,
        name: impl Into<String>,
        code: Token,
        new_password: Password,
    ) -> Result<Grant, Error> {
        let web = &self.0.web;
        let redeem = RedeemCode {
            name: name.into(),
            code,
            new_password,
            kind: web.kind(),
            audience: None,
            context: self.0.context.clone(),
        };
        let grant = web.client().redeem_code(redeem).await?;
        self.replace(&grant).await;
        Ok(grant)
    }

    /// Logs out: this session ends everywhere, and the answer takes its cookies away. Nothing happens where nobody is logged in.
    ///
    /// ```
    /// use hallpass_client::Error;
    /// use hallpass_client::web::Visit;
    ///
    /// async fn log_out(visit: Visit) -> Result<&'static str, Error> {
    ///     visit.log_out().await?;
    ///     Ok("logged out")
    /// }
    /// ```
    ///
    /// # Errors
    /// The session could not be ended, so it is not: the cookies stay, and the user is told.
    pub async fn log_out(&self) -> Result<(), Error> {
        if let Some(token) = self.0.shown.any() {
            done(self.0.web.client().revoke(Revoke::Token(token.clone())).await)?;
        }
        self.clear();
        Ok(())
    }

    /// Ends every session that the user has with this app, on whatever device.
    ///
    /// ```
    /// use hallpass_client::Error;
    /// use hallpass_client::web::Visit;
    ///
    /// async fn my_laptop_is_gone(visit: Visit) -> Result<&'static str, Error> {
    ///     visit.log_out_everywhere().await?;
    ///     Ok("logged out on every device, this one included")
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Visit::log_out`], or nobody is logged in.
    pub async fn log_out_everywhere(&self) -> Result<(), Error> {
        let user = self.user()?.user_id();
        done(self.0.web.client().revoke(Revoke::User { user, except: None }).await)?;
        self.clear();
        Ok(())
    }

    /// The sessions that the user has with this app, oldest first.
    ///
    /// ```
    /// use hallpass_client::Error;
    /// use hallpass_client::web::Visit;
    ///
    /// async fn devices(visit: &Visit) -> Result<Vec<String>, Error> {
    ///     let sessions = visit.sessions().await?;
    ///     let agent = |session: hallpass_client::SessionInfo| session.context.user_agent;
    ///     Ok(sessions.into_iter().filter_map(agent).collect())
    /// }
    /// ```
    ///
    /// # Errors
    /// Nobody is logged in, or the daemon cannot be asked.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        let user = self.user()?.user_id();
        let (mut sessions, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.web.client().sessions(ListSessions { user, after }).await?;
            sessions.extend(page.sessions);
            if page.next.is_none() {
                return Ok(sessions);
            }
            after = page.next;
        }
    }

    /// Ends one of the user's own sessions, such as one on a device that was lost.
    ///
    /// ```
    /// use hallpass_client::web::{Denied, Visit};
    /// use hallpass_client::SessionId;
    ///
    /// /// The identifier comes from the page's form, so from anybody: it is looked up among the user's own.
    /// async fn log_out_device(visit: &Visit, session: SessionId) -> Result<(), Denied> {
    ///     Ok(visit.end_session(session).await?)
    /// }
    /// ```
    ///
    /// # Errors
    /// It is not one of theirs: [`ErrorCode::NotFound`], whoever else's it may be.
    pub async fn end_session(&self, session: SessionId) -> Result<(), Error> {
        // An app may end any session of its own, so whose it is has to be looked at here.
        if !self.sessions().await?.iter().any(|own| own.session_id == session) {
            return Err(Error::Refused(Refusal::new(ErrorCode::NotFound)));
        }
        self.0.web.client().revoke(Revoke::Session(session)).await?;
        if self.user()?.session_id() == session {
            self.clear();
        }
        Ok(())
    }

    /// Proves the user's password again, for what needs a recent proof or a higher level. The answer sets the cookies of the session that has it:
    /// level 2, for 15 minutes unless `lifetimes.level` says otherwise.
    ///
    /// ```
    /// use axum::Form;
    /// use axum::response::Redirect;
    /// use hallpass_client::web::{Next, Visit};
    /// use hallpass_client::{Error, Password};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Proof {
    ///     password: Password,
    /// }
    ///
    /// /// What the form of the page does that `WebBuilder::proof_page` names.
    /// async fn prove(visit: Visit, next: Next, Form(form): Form<Proof>) -> Result<Redirect, Error> {
    ///     visit.prove_again(form.password).await?;
    ///     Ok(next.redirect())
    /// }
    /// # let _: axum::Router = axum::Router::new().route("/prove", axum::routing::post(prove));
    /// ```
    ///
    /// # Errors
    /// The password is wrong, or trying must wait.
    pub async fn prove_again(&self, password: Password) -> Result<Grant, Error> {
        let grant = self.0.web.client().reauthenticate(self.proof(password)?).await?;
        self.set_grant(&grant);
        Ok(grant)
    }

    /// Changes the user's password. Their sessions end on every device; the answer sets the cookies of a new one here.
    ///
    /// ```
    /// use hallpass_client::web::Visit;
    /// use hallpass_client::{ErrorCode, Password};
    ///
    /// async fn change(visit: &Visit, old: Password, new: Password) -> String {
    ///     match visit.change_password(old, new).await {
    ///         Ok(_) => "changed".into(),
    ///         // Such as that it is too short, or a common one.
    ///         Err(error) if error.code() == ErrorCode::WeakPassword => error.to_string(),
    ///         Err(error) => format!("not changed: {error}"),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The old password is wrong, or the new one breaks the policy: [`ErrorCode::WeakPassword`], with a sentence for the user.
    pub async fn change_password(&self, old: Password, new_password: Password) -> Result<Grant, Error> {
        let change = ChangePassword { proof: self.proof(old)?, new_password };
        let grant = self.0.web.client().change_password(change).await?;
        self.set_grant(&grant);
        Ok(grant)
    }

    fn proof(&self, password: Password) -> Result<Reauthenticate, Error> {
        self.user()?;
        let (token, context) = (self.token()?.clone(), self.0.context.clone());
        Ok(Reauthenticate { token, password, audience: None, context })
    }

    fn user(&self) -> Result<&Identity, Error> {
        match &self.0.outcome {
            Ok(Some(identity)) => Ok(identity),
            Ok(None) => Err(nobody()),
            Err(error) => Err(error.clone()),
        }
    }

    /// Puts a new session in the place of the one that the request has shown.
    async fn replace(&self, grant: &Grant) {
        if let (Some(token), Ok(Some(_))) = (self.0.shown.any(), &self.0.outcome) {
            // Whether it could be ended or not, the user has the new one. The old one opens nothing in this browser any more, and ends by itself.
            let _ = self.0.web.client().revoke(Revoke::Token(token.clone())).await;
        }
        self.set_grant(grant);
    }
}

/// An ending counts as done too where there was nothing to end any more.
fn done<T>(outcome: Result<T, Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if !matches!(error.class(), ErrorClass::Login | ErrorClass::Invalid) => Err(error),
        _ => Ok(()),
    }
}
