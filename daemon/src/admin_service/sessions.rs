//! One session of any app: what there is to know of it, and what ends it or all the others.

use hallpass_protocol::admin::{RevokeTarget, SessionEnd, SessionShown};
use hallpass_protocol::auth::{Answer, Revoked};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::SessionId;

use super::AdminService;
use crate::auth_service::ended;
use crate::auth_service::pages::session_info;
use crate::domain::account::Name;
use crate::domain::check::{end_of, level, level_end};
use crate::domain::command::Command;
use crate::domain::revocation::{Target, Which};
use crate::domain::session::Session;
use crate::shared::unreadable;

impl AdminService {
    /// What the rows of a session say.
    pub(super) fn show_session(&self, id: SessionId) -> Answer<SessionShown> {
        let _permit = self.admit()?;
        let found = self.shared.snapshot()?.found(id).map_err(unreadable)?;
        let now = self.shared.clock.now();
        let end = end_of(&found, now).map(|(dead, at)| SessionEnd { reason: dead.as_str().to_owned(), at });
        let session = found.session.ok_or_else(|| swept(id))?;
        let level = level(&session, now);
        Ok(SessionShown {
            name: found.user.map(|user| user.name.as_str().to_owned()),
            amr: session.cold.amr.clone(),
            level,
            level_until: (level > 1).then(|| level_end(&session)),
            ended: end,
            session: session_info(session),
        })
    }

    /// Ends sessions of any app.
    pub(super) async fn answer_revoke(&self, target: RevokeTarget) -> Answer<Revoked> {
        let permit = self.admit()?;
        let target = match target {
            RevokeTarget::Session(session) => Target::Session(session),
            RevokeTarget::User(name) => Target::User(Name::parse(&name)?),
            RevokeTarget::UserBut { name, spared } => self.all_but(&name, spared)?,
            RevokeTarget::App(app) if self.shared.live.callers().knows_app(&app) => Target::App(app),
            RevokeTarget::App(_) => {
                let message = "there is no app of that name in hallpass.toml";
                return Err(Refusal::because(ErrorCode::NotFound, message));
            }
            RevokeTarget::All => Target::Everything,
        };
        ended(self.shared.write(permit, Command::Revoke(target)).await?)
    }

    /// All sessions of a user but one, which has to be theirs and in use: a slip in its identifier would end the one that is meant with the others.
    /// Whose a session is never changes, and one that is over stays so, so it can be looked up before.
    fn all_but(&self, name: &str, spared: SessionId) -> Answer<Target> {
        let user = self.user(name)?.id;
        let found = self.shared.snapshot()?.found(spared).map_err(unreadable)?;
        let lives = end_of(&found, self.shared.clock.now()).is_none();
        // One whose user has proved who they are again is only waiting for its end.
        let in_use = |session: &Session| session.cold.user == user && session.hot.revoked.is_none();
        if lives && found.session.as_ref().is_some_and(in_use) {
            return Ok(Target::UserOfApp { user, which: Which::AllBut(spared) });
        }
        Err(Refusal::because(
            ErrorCode::InvalidRequest,
            "the session to leave alive is none of this user's living ones, so none was ended; `hallpass session list --user NAME` has theirs",
        ))
    }
}

/// Nobody knows a session any more whose rows are gone, but for the audit chain.
fn swept(id: SessionId) -> Refusal {
    let sentence = format!(
        "there is no such session; it may be over and swept away, and then the audit chain has what became of it: \
         `hallpass audit tail --user NAME`, or `hallpass audit export | grep {id}`"
    );
    Refusal::because(ErrorCode::NotFound, sentence)
}
