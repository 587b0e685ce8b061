//! Users who come from another program or daemon.

use hallpass_protocol::admin::{ImportReport, ImportUser};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::error::{ErrorCode, Refusal};

use super::{AdminService, changed};
use crate::domain::account::{Attributes, Name, NewUser, Roles, is_there};
use crate::domain::command::Command;
use crate::shared::unreadable;

/// The format of a hash that is none.
const NO_HASH: &str = "none";

impl AdminService {
    pub(super) async fn import_user(&self, request: ImportUser) -> Answer<ImportReport> {
        let permit = self.admit()?;
        let (password, format) = match &request.hash {
            Some(hash) => {
                let (hash, format) = self.shared.hasher.take_over(hash)?;
                (Some(hash), format.to_owned())
            }
            None => (None, NO_HASH.to_owned()),
        };
        let new = NewUser {
            id: request.user_id,
            name: Name::parse(&request.name)?,
            password,
            roles: Roles::parse(request.roles)?,
            attributes: Attributes::parse(request.attributes)?,
            disabled: request.disabled,
        };
        if request.check_only {
            self.refuse_who_is_there(&new)?;
            return Ok(ImportReport { user: None, format });
        }
        match self.shared.write(permit, Command::AddUser(Box::new(new.clone()))).await {
            Ok(outcome) => Ok(ImportReport { user: Some(changed(outcome)?), format }),
            Err(refusal) if refusal.code == ErrorCode::AlreadyExists => Err(self.why_taken(&new)?),
            Err(refusal) => Err(refusal),
        }
    }

    /// Answers as an import would that finds its name or its identifier taken.
    fn refuse_who_is_there(&self, new: &NewUser) -> Answer<()> {
        let (snapshot, now) = (self.shared.snapshot()?, self.shared.clock.now());
        if snapshot.name_taken(new.name.as_str(), now, new.id).map_err(unreadable)? {
            return Err(self.why_taken(new)?);
        }
        let there = new.id.map(|id| snapshot.user(id)).transpose().map_err(unreadable)?.flatten();
        there.map_or(Ok(()), |there| Err(is_there(&there)))
    }

    /// Tells a name that somebody has from one that is kept: whoever imports a user must not take them for one who is there already. Nor must they
    /// take somebody else for them.
    fn why_taken(&self, new: &NewUser) -> Answer<Refusal> {
        let there = self.shared.snapshot()?.user_named(new.name.as_str()).map_err(unreadable)?;
        let another = |id| {
            format!(
                "the name is taken by another user, {id}; give one of the two another name, or leave user_id out if they are the same person"
            )
        };
        Ok(match there {
            Some(there) if new.id.is_some_and(|id| id != there.id) => {
                Refusal::because(ErrorCode::InvalidRequest, another(there.id))
            }
            Some(_) => Refusal::new(ErrorCode::AlreadyExists),
            None => Refusal::because(
                ErrorCode::InvalidRequest,
                "that name was given up not long ago and is kept from others for a while; choose another",
            ),
        })
    }
}
