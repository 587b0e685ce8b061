//! What is counted of an effect. It follows from what is written and from nothing else, so that no operation can be forgotten.

use hallpass_protocol::time::Stamp;

use crate::domain::effect::Effect;
use crate::domain::revocation::Reason;
use crate::metrics::{RevocationKind, Tally};
use crate::store::Listed;
use crate::store::apply::taken_back;

/// Counts one effect of an operation with this stamp.
pub(super) fn add(tally: &mut Tally, effect: &Effect, stamp: Stamp) {
    match effect {
        Effect::OpenSession(_) => tally.opened += 1,
        Effect::RemoveSession { .. } => tally.swept += 1,
        _ => {}
    }
    let kind = taken_back(effect, stamp).map(|listed| match (listed, effect) {
        (Listed::User(_), _) => RevocationKind::User,
        (Listed::App(_), _) => RevocationKind::App,
        (Listed::Key(_), _) => RevocationKind::Key,
        (Listed::Everything, _) => RevocationKind::Everything,
        (Listed::Session(_), Effect::PutHot(_, hot)) => {
            hot.revoked.map_or(RevocationKind::Revoked, |why| of(why.reason))
        }
        (Listed::Session(_), _) => RevocationKind::Revoked,
    });
    tally.revocations.extend(kind);
}

/// Why one session ended. What ends many at once leaves no reason in the rows of each.
fn of(reason: Reason) -> RevocationKind {
    match reason {
        Reason::Revoked => RevocationKind::Revoked,
        Reason::Reuse => RevocationKind::Reuse,
        Reason::Rollback => RevocationKind::Rollback,
        Reason::OtherApp => RevocationKind::OtherApp,
        Reason::Evicted => RevocationKind::Evicted,
        Reason::Superseded => RevocationKind::Superseded,
        Reason::User | Reason::UserRemoved => RevocationKind::User,
        Reason::App => RevocationKind::App,
        Reason::Everything => RevocationKind::Everything,
    }
}
