//! A name that nobody has, with the one that may have been meant.

use hallpass_client::Error;
use hallpass_client::admin::AdminClient;
use hallpass_protocol::error::{ErrorCode, Refusal};

use super::args::UserVerb;
use super::failure::Failure;
use crate::near::nearest;

/// Names that are looked through at the most, a page of them for each call.
const PAGES: usize = 50;

impl UserVerb {
    /// The name of a user that there should be, if it is about one.
    pub(super) fn whose(&self) -> Option<&str> {
        match self {
            Self::Show(args) | Self::Enable(args) | Self::Disable(args) => Some(&args.name),
            Self::Remove(args) => Some(&args.name),
            Self::Passwd(args) => Some(&args.name),
            Self::Roles(args) => Some(&args.name),
            Self::Code(args) => Some(&args.name),
            Self::Rename { name, .. } | Self::Set { name, .. } => Some(name),
            Self::Add(_) | Self::List | Self::Import(_) | Self::Export(_) => None,
        }
    }
}

/// The same outcome, but that a refusal because nobody has this name says whose name is near it.
pub(super) async fn or_whom(
    outcome: Result<(), Failure>,
    name: &str,
    admin: impl AsyncFnOnce() -> Result<AdminClient, Failure>,
) -> Result<(), Failure> {
    match outcome {
        Err(Failure::Call(Error::Refused(refusal))) if refusal.code == ErrorCode::NotFound => {
            // Whoever may not list users, or cannot at this moment, was told enough.
            let near = match admin().await {
                Ok(admin) => near(name, &admin).await,
                Err(_) => None,
            };
            let message = near.map_or_else(
                || refusal.message.clone(),
                |near| format!("{}; did you mean {near}?", refusal.message),
            );
            Err(Error::Refused(Refusal { message, ..refusal }).into())
        }
        outcome => outcome,
    }
}

async fn near(name: &str, admin: &AdminClient) -> Option<String> {
    let (mut names, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = admin.user_list(after).await.ok()?;
        names.extend(page.users.into_iter().map(|user| user.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}
