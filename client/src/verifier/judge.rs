//! What a process can judge by itself: where the board is, which keys sign, and for whom.

use std::sync::Arc;

use hallpass_protocol::auth::{Hello, Needs, PublishedKeys};
use hallpass_protocol::board::{self, Ask, LEASE};
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::jws::{JwksError, KeySet, Refused};
use hallpass_protocol::time::Stamp;

use super::bearer::Bearer;
use super::clock::wall;
use super::entry::{Audience, Board, Entry, Question};

/// What the daemon has said of itself.
pub(super) struct Judge {
    /// Which start of the daemon all of this is of.
    pub(super) life: Stamp,
    pub(super) board: Option<Arc<Board>>,
    may_verify: bool,
    keys: KeySet,
    version: Stamp,
    issuer: String,
    audiences: Vec<String>,
}

/// What comes of looking at an access token that was not seen before.
pub(super) enum Judged {
    /// It is good.
    Good(Box<Entry>),
    /// It is not, whoever is asked.
    Refused(ErrorCode),
    /// That cannot be told here, and why, if the board says so.
    Ask(Option<Ask>),
}

/// The level of every login. What is above it ends by itself, which a token does not say.
const PLAIN_LEVEL: u8 = 1;

impl Judge {
    /// What follows from what the daemon says of itself. A board that cannot be used is as good as none; the reason comes back as well.
    pub(super) fn new(
        hello: Hello,
        keys: PublishedKeys,
        former: Option<&Self>,
    ) -> Result<(Self, Option<board::Unusable>), JwksError> {
        let (board, fault) = match open(&hello, former) {
            Ok(board) => (board, None),
            Err(fault) => (None, Some(fault)),
        };
        let judge = Self {
            life: hello.life,
            board,
            may_verify: hello.may_verify,
            keys: KeySet::from_jwks(&keys.jwks)?,
            version: keys.version,
            issuer: hello.issuer,
            audiences: hello.audiences,
        };
        Ok((judge, fault))
    }

    /// The audience that these needs name, or the one that is taken otherwise.
    pub(super) fn audience(&self, needs: &Needs) -> Audience {
        let first = self.audiences.first().cloned().unwrap_or_default();
        let name = needs.audience.clone().unwrap_or_else(|| first.clone());
        Audience { is_default: name == first, name }
    }

    /// Judges an access token by its signature and the board.
    pub(super) fn judge(&self, question: &Question<'_>, needs: &Needs, monotonic: u64) -> Judged {
        let Some(board) = &self.board else { return Judged::Ask(Some(Ask::NoLease)) };
        let asked_from_a_device =
            question.context.is_some_and(|context| context.device_fingerprint.is_some());
        if asked_from_a_device || !self.may_verify || !self.audiences.contains(&question.audience.name) {
            // What the session was opened from, and what this app may do, the daemon knows.
            return Judged::Ask(None);
        }
        // Neither good nor bad can be told by keys that are not the present ones.
        let lease = match board.check_lease(monotonic) {
            Ok(lease) => lease,
            Err(why) => return Judged::Ask(Some(why)),
        };
        if board.keys() != self.version {
            return Judged::Ask(Some(Ask::Keys));
        }
        let (wall, daemons) = (wall(), board.time_since(lease, monotonic));
        let time = wall.max(daemons);
        let accepts = |audience: &str| audience == question.audience.name;
        let claims = match self.keys.verify_at(question.token, &self.issuer, accepts, time.as_secs()) {
            Ok(claims) => claims,
            // By whose clock it has ended: the daemon does not follow every jump of the wall clock, and its word counts.
            Err(Refused::Expired) if wall.since(daemons) > LEASE => return Judged::Ask(None),
            Err(refused) => return Judged::Refused(code(refused)),
        };
        let stamp = Stamp(claims.stamp());
        let Some(bearer) = Bearer::said(claims) else { return Judged::Refused(ErrorCode::InvalidToken) };
        if bearer.level() > PLAIN_LEVEL {
            return Judged::Ask(None);
        }
        let watched = board.watch(bearer.session_id(), bearer.user_id());
        if let Err(why) = board.check_first(stamp, watched, self.version, monotonic) {
            return Judged::Ask(Some(why));
        }
        let entry = Entry::said(question, bearer, stamp, (Arc::clone(board), watched));
        if entry.meets(needs, time) { Judged::Good(Box::new(entry)) } else { Judged::Ask(None) }
    }
}

/// The board that a daemon has named; the one that is mapped already if it is that.
fn open(hello: &Hello, former: Option<&Judge>) -> Result<Option<Arc<Board>>, board::Unusable> {
    let Some(place) = &hello.board else { return Ok(None) };
    let database = u128::from_str_radix(&hello.database_id, 16).unwrap_or(0).to_be_bytes();
    let opened = board::open(place, &database)?;
    let former = former.and_then(|former| former.board.as_ref());
    let same = former.filter(|former| former.is_same_file(&opened));
    Ok(Some(same.map_or_else(|| Arc::new(opened), Arc::clone)))
}

/// What the daemon would answer.
fn code(refused: Refused) -> ErrorCode {
    match refused {
        Refused::Expired => ErrorCode::TokenExpired,
        Refused::UnknownKey => ErrorCode::TokenStale,
        _ => ErrorCode::InvalidToken,
    }
}
