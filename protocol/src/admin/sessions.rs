//! One session, alive or not.

use serde::{Deserialize, Serialize};

use crate::auth::SessionInfo;
use crate::time::Millis;

/// A session as an administrator sees it, alive or not. Nothing of it opens anything.
///
/// ```
/// # use hallpass_protocol::admin::SessionShown;
/// fn line(shown: &SessionShown) -> String {
///     let whose = shown.name.as_deref().unwrap_or("somebody who is gone");
///     match &shown.ended {
///         None => format!("of {whose}, alive until {} s", shown.session.idle_deadline.as_secs()),
///         Some(ended) => format!("of {whose}, over: {}", ended.reason),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionShown {
    /// What a list of living sessions has of it.
    pub session: SessionInfo,
    /// The name of its user; none where the user is gone.
    pub name: Option<String>,
    /// How the user proved who they are, as the words of RFC 8176.
    pub amr: Vec<String>,
    /// The level of that proof now.
    pub level: u8,
    /// Until when, where it is above 1.
    pub level_until: Option<Millis>,
    /// How it ended; none while it is alive.
    pub ended: Option<SessionEnd>,
}

/// How a session ended.
///
/// ```
/// # use hallpass_protocol::admin::SessionEnd;
/// fn is_a_theft(ended: &SessionEnd) -> bool {
///     ["reuse", "other_app"].contains(&ended.reason.as_str())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionEnd {
    /// Why, as a stable word: `expired`, `revoked`, `reuse`, `rollback`, `other_app`, `evicted`, `user`, `user_removed`, `everything`, `superseded` or `app`.
    pub reason: String,
    /// When, where many were ended at once at the latest; none where the rows do not tell, as after its user was removed.
    pub at: Option<Millis>,
}
