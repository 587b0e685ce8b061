//! Sessions of whatever app: listed, shown and ended.

use hallpass_protocol::admin::{AdminRequest, AdminResponse, RevokeTarget, SessionShown};
use hallpass_protocol::auth::{Revoked, SessionPage};
use hallpass_protocol::id::SessionId;

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// Lists a user's living sessions with whatever app, oldest first, 20 on a page, after the session given.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    #[doc = include_str!("../doc/session.txt")]
    /// let page = admin.session_list("alice", None).await?;
    /// for session in &page.sessions {
    ///     println!("{} by {}, last seen at {} s", session.session_id, session.app, session.last_seen.as_secs());
    /// }
    /// # assert_eq!(page.sessions.len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such user.
    pub async fn session_list(
        &self,
        name: impl Into<String>,
        after: Option<SessionId>,
    ) -> Result<SessionPage, Error> {
        let name = name.into();
        let request = || AdminRequest::SessionList { name: name.clone(), after };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::SessionList)).await
    }

    /// Shows one session of any app, alive or not, for as long as its rows are kept.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    #[doc = include_str!("../doc/session.txt")]
    /// let shown = admin.session_show(grant.session_id).await?;
    /// assert_eq!((shown.name.as_deref(), shown.ended), (Some("alice"), None));
    /// hallpass.revoke(hallpass_client::Revoke::Session(grant.session_id)).await?;
    /// let ended = admin.session_show(grant.session_id).await?.ended.ok_or("it was ended")?;
    /// assert_eq!(ended.reason, "revoked");
    /// # assert!(ended.at.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such session, as after its end when it was swept away.
    pub async fn session_show(&self, session: SessionId) -> Result<SessionShown, Error> {
        let request = || AdminRequest::SessionShow { session };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::SessionShow)).await
    }

    /// Ends sessions of any app. When this returns, no verification on the host accepts them any more.
    ///
    /// The count is of sessions that this asking ended: zero where an answer was lost and the call was made again.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    #[doc = include_str!("../doc/session.txt")]
    /// use hallpass_client::admin::RevokeTarget;
    ///
    /// admin.revoke(RevokeTarget::User("alice".into())).await?;
    /// assert!(hallpass.verify(session_token, Needs::default()).await.is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such session, user or app.
    pub async fn revoke(&self, target: RevokeTarget) -> Result<Revoked, Error> {
        let request = || AdminRequest::Revoke { target: target.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::Revoke)).await
    }
}
