//! Exports: all users as of one moment, held while somebody takes them down.

use hallpass_protocol::admin::{Export, ExportPage, ExportPlace, ExportedUser};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::limits::{EXPORT_PAGE_BYTES, EXPORT_PAGE_USERS};
use hallpass_protocol::secret::Password;

use crate::domain::account::User;
use crate::domain::command::Command;
use crate::domain::policy::Permit;
use crate::shared::{Shared, unreadable};
use crate::store::Snapshot;

/// All users as of one moment.
pub(crate) struct Users {
    snapshot: Snapshot,
    with_hashes: bool,
}

impl Shared {
    /// Begins an export, and writes down that somebody takes one, and whether hashes of passwords leave with it.
    pub(crate) async fn export_begin(&self, permit: Permit, with_hashes: bool) -> Answer<Export> {
        self.export.refuse_a_second(self.clock.now())?;
        self.write(permit, Command::Export { with_hashes }).await?;
        let (id, snapshot) = (self.number()?, self.snapshot()?);
        let users = snapshot.counts().map_err(unreadable)?.users;
        self.export.hold(id, Users { snapshot, with_hashes }, self.clock.now())?;
        Ok(Export { id, users })
    }

    /// The next users.
    pub(crate) fn export_page(&self, _: &Permit, place: ExportPlace) -> Answer<ExportPage> {
        self.export.read(place.id, self.clock.now(), |users| {
            let page = users.snapshot.users_page(place.after, EXPORT_PAGE_BYTES, EXPORT_PAGE_USERS);
            let (found, last) = page.map_err(unreadable)?;
            let users = found.into_iter().map(|user| exported(user, users.with_hashes)).collect();
            Ok(ExportPage { users, last })
        })
    }

    /// Lets the state go.
    pub(crate) fn export_end(&self, _: &Permit, id: u64) {
        self.export.end(id);
    }
}

fn exported(user: User, with_hashes: bool) -> ExportedUser {
    ExportedUser {
        user_id: user.id,
        name: user.name.as_str().to_owned(),
        hash: user.password.filter(|_| with_hashes).map(|hash| Password::new(hash.0)),
        roles: user.roles.as_slice().to_vec(),
        attributes: user.attributes.as_map().clone(),
        disabled: user.disabled,
    }
}
