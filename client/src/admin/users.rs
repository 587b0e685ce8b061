//! Who the users are: they are added, changed and removed.

use std::collections::BTreeMap;

use hallpass_protocol::admin::{
    AddUser, AdminRequest, AdminResponse, Code, ImportReport, ImportUser, UserInfo, UserPage,
};
use hallpass_protocol::secret::Password;

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// Adds a user.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::Password;
    /// use hallpass_client::admin::AddUser;
    ///
    /// let bob = admin.user_add(AddUser {
    ///     name: "bob".into(),
    ///     password: Some(Password::new("a sentence that bob remembers".into())),
    ///     roles: vec!["reader".into()],
    /// }).await?;
    /// println!("{} is {}", bob.name, bob.user_id);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::AlreadyExists`](crate::ErrorCode::AlreadyExists) for a name that somebody has, or gave up in the last 30 days,
    /// [`ErrorCode::WeakPassword`](crate::ErrorCode::WeakPassword), and [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for a name or
    /// roles that are none.
    pub async fn user_add(&self, user: AddUser) -> Result<UserInfo, Error> {
        let request = || AdminRequest::UserAdd { request: user.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserAdd)).await
    }

    /// Lists users by name, 20 on a page, after the name given.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let mut after = None;
    /// loop {
    ///     let page = admin.user_list(after).await?;
    ///     page.users.iter().for_each(|user| println!("{} {:?}", user.name, user.roles));
    ///     after = page.next;
    ///     if after.is_none() {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn user_list(&self, after: Option<String>) -> Result<UserPage, Error> {
        let request = || AdminRequest::UserList { after: after.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::UserList)).await
    }

    /// Shows one user.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let alice = admin.user_show("alice").await?;
    /// assert!(alice.has_password && !alice.disabled);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such user, as for all that follow.
    pub async fn user_show(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserShow { name: name.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::UserShow)).await
    }

    /// Lets a user log in again. Sessions that ended stay ended.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// # admin.user_disable("alice").await?;
    /// assert!(!admin.user_enable("alice").await?.disabled);
    /// # Ok(()) }
    /// ```
    pub async fn user_enable(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserEnable { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserEnable)).await
    }

    /// Ends a user's sessions and lets them log in no more. When this returns, no verification on the host accepts them any more.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    #[doc = include_str!("../doc/session.txt")]
    /// admin.user_disable("alice").await?;
    /// assert!(hallpass.verify(session_token, Needs::default()).await.is_err());
    /// # Ok(()) }
    /// ```
    pub async fn user_disable(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserDisable { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserDisable)).await
    }

    /// Removes a user with all their sessions. The name is free at once; the identifier is never used again.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// admin.user_remove("alice").await?;
    /// assert_eq!(admin.user_show("alice").await.unwrap_err().code(), ErrorCode::NotFound);
    /// # Ok(()) }
    /// ```
    pub async fn user_remove(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserRemove { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserRemove)).await
    }

    /// Sets a password and ends the user's sessions.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::Password;
    ///
    /// admin.user_set_password("alice", Password::new("a longer and better sentence".into())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::WeakPassword`](crate::ErrorCode::WeakPassword), with a sentence that says why.
    pub async fn user_set_password(
        &self,
        name: impl Into<String>,
        password: Password,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserSetPassword { name: name.clone(), password: password.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetPassword)).await
    }

    /// Replaces a user's roles; the next verification sees them.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    #[doc = include_str!("../doc/session.txt")]
    /// admin.user_set_roles("alice", vec!["reader".into()]).await?;
    /// let identity = hallpass.verify(session_token, Needs::default()).await?;
    /// assert_eq!(identity.roles, ["reader"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for roles that would not fit an access token.
    pub async fn user_set_roles(
        &self,
        name: impl Into<String>,
        roles: Vec<String>,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserSetRoles { name: name.clone(), roles: roles.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetRoles)).await
    }

    /// Gives a user another name. The old one stays free for 30 days, so that nobody can step into it.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let alice = admin.user_show("alice").await?;
    /// let renamed = admin.user_rename("alice", "alice.liddell").await?;
    /// assert_eq!(renamed.user_id, alice.user_id);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::AlreadyExists`](crate::ErrorCode::AlreadyExists) for a name that somebody has, or gave up in the last 30 days.
    pub async fn user_rename(
        &self,
        name: impl Into<String>,
        new_name: impl Into<String>,
    ) -> Result<UserInfo, Error> {
        let (name, new_name) = (name.into(), new_name.into());
        let request = || AdminRequest::UserRename { name: name.clone(), new_name: new_name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserRename)).await
    }

    /// Replaces a user's attributes; the next verification shows them.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let attributes = [("locale".to_owned(), "de".to_owned())];
    /// let alice = admin.user_set_attributes("alice", attributes.into()).await?;
    /// assert_eq!(alice.attributes["locale"], "de");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for more than 16, a name of more than 32 bytes, or a value of more than 128.
    pub async fn user_set_attributes(
        &self,
        name: impl Into<String>,
        attributes: BTreeMap<String, String>,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request =
            || AdminRequest::UserSetAttributes { name: name.clone(), attributes: attributes.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetAttributes)).await
    }

    /// Makes a code with which a user sets a password once, within a day. Only the newest code of a user counts.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let made = admin.user_code("alice").await?;
    /// let sheet = format!("your code is {}", made.code.expose()); // into an envelope, not a log
    /// # assert!(sheet.contains("hpc_"));
    /// # Ok(()) }
    /// ```
    pub async fn user_code(&self, name: impl Into<String>) -> Result<Code, Error> {
        let name = name.into();
        let request = || AdminRequest::UserCode { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserCode)).await
    }

    /// Adds a user with the password hash that another program has made, or looks whether that could be done.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::Password;
    /// use hallpass_client::admin::ImportUser;
    ///
    /// let hash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
    /// let user = ImportUser { name: "bob".into(), hash: Some(Password::new(hash.into())), ..ImportUser::default() };
    /// let report = admin.user_import(user).await?;
    /// assert_eq!(report.format, "bcrypt"); // until bob's first login
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::AlreadyExists`](crate::ErrorCode::AlreadyExists) for a user who is there already,
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for a hash that cannot be used and for a name that is another user's.
    pub async fn user_import(&self, user: ImportUser) -> Result<ImportReport, Error> {
        let request = || AdminRequest::UserImport { request: user.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserImport)).await
    }
}
