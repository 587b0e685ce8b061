//! Sessions of any app: which a user has, what there is to know of one, and an end to them.

use hallpass_client::admin::{AdminClient, RevokeTarget};

use super::args::{EndArgs, SessionVerb};
use super::failure::Failure;
use super::meant::or_whom;
use super::render::{self, Out};

type Outcome = Result<(), Failure>;

/// Carries out one of their commands.
pub(super) async fn run(
    verb: SessionVerb,
    admin: impl AsyncFn() -> Result<AdminClient, Failure>,
    out: &mut Out<'_>,
) -> Outcome {
    match verb {
        SessionVerb::List { user } => {
            let done = list(&user, &admin().await?, out).await;
            or_whom(done, &user, admin).await
        }
        SessionVerb::Show { session } => Ok(out.session(&admin().await?.session_show(session).await?)?),
        SessionVerb::Revoke(EndArgs { session: Some(session), .. }) => {
            Ok(out.revoked(admin().await?.revoke(RevokeTarget::Session(session)).await?)?)
        }
        SessionVerb::Revoke(EndArgs { user: None, .. }) => {
            Err(Failure::usage("name the session to end by its ID, or a user with --user"))
        }
        SessionVerb::Revoke(EndArgs { user: Some(name), except, .. }) => {
            let target = match except {
                Some(spared) => RevokeTarget::UserBut { name: name.clone(), spared },
                None => RevokeTarget::User(name.clone()),
            };
            let done = admin().await?.revoke(target).await.map_err(Failure::from);
            or_whom(done.and_then(|revoked| Ok(out.revoked(revoked)?)), &name, admin).await
        }
    }
}

async fn list(name: &str, admin: &AdminClient, out: &mut Out<'_>) -> Outcome {
    let mut list = render::sessions();
    let mut after = None;
    loop {
        let page = admin.session_list(name, after).await?;
        list.page(out, &page.sessions)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
