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
    pub async fn user_add(&self, user: AddUser) -> Result<UserInfo, Error> {
        let request = || AdminRequest::UserAdd { request: user.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserAdd)).await
    }

    /// Lists users by name, a page at a time, after the name given.
    pub async fn user_list(&self, after: Option<String>) -> Result<UserPage, Error> {
        let request = || AdminRequest::UserList { after: after.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::UserList)).await
    }

    /// Shows one user.
    pub async fn user_show(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserShow { name: name.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::UserShow)).await
    }

    /// Lets a user log in again. Sessions that ended stay ended.
    pub async fn user_enable(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserEnable { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserEnable)).await
    }

    /// Ends a user's sessions and lets them log in no more.
    pub async fn user_disable(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserDisable { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserDisable)).await
    }

    /// Removes a user with all their sessions. The name is free at once; the identifier is never used again.
    pub async fn user_remove(&self, name: impl Into<String>) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserRemove { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserRemove)).await
    }

    /// Sets a password and ends the user's sessions.
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
    pub async fn user_set_roles(
        &self,
        name: impl Into<String>,
        roles: Vec<String>,
    ) -> Result<UserInfo, Error> {
        let name = name.into();
        let request = || AdminRequest::UserSetRoles { name: name.clone(), roles: roles.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserSetRoles)).await
    }

    /// Gives a user another name. The old one is kept free for a while, so that nobody can step into it.
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

    /// Makes a code with which a user sets a password once. Only the newest code of a user counts.
    pub async fn user_code(&self, name: impl Into<String>) -> Result<Code, Error> {
        let name = name.into();
        let request = || AdminRequest::UserCode { name: name.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserCode)).await
    }

    /// Adds a user with the password hash that another program has made, or looks whether that could be done.
    pub async fn user_import(&self, user: ImportUser) -> Result<ImportReport, Error> {
        let request = || AdminRequest::UserImport { request: user.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::UserImport)).await
    }
}
