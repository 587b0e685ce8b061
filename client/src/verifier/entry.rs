//! What is held of a token that was verified, and whether it still stands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use hallpass_protocol::auth::{Context, Identity, Needs, SessionKind, Verified};
use hallpass_protocol::board::{Ask, ReadMapping, Reader, Watched};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::{Millis, Stamp};

use super::clock::Moment;

/// A board that is mapped. Entries keep the one that their slots belong to, so a check never mixes two.
pub(super) type Board = Reader<ReadMapping>;

/// Who a token stands for. What only the daemon can say is there once it was asked.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) app: String,
    pub(super) kind: SessionKind,
    pub(super) roles: Vec<String>,
    pub(super) amr: Vec<String>,
    pub(super) auth_time: Millis,
    pub(super) level: u8,
    pub(super) expires_at: Millis,
    pub(super) told: Option<Told>,
}

/// What a token does not say of its user.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
}

/// What is held of a token.
pub(super) struct Entry {
    token: Token,
    pub(super) known: Known,
    /// The audience it was verified for; a session token has none.
    audience: Option<Audience>,
    /// The device it was verified from, where that was said.
    fingerprint: Option<String>,
    /// It has seen every change up to this.
    stamp: Stamp,
    /// The board that says whether there was another, if there is one.
    board: Option<(Arc<Board>, Watched)>,
    touch_after: Millis,
    touching: AtomicBool,
    bytes: usize,
}

/// What was asked of the daemon, as far as it limits what its answer is good for.
pub(super) struct Question<'a> {
    pub(super) token: &'a str,
    pub(super) audience: Audience,
    pub(super) context: Option<&'a Context>,
}

/// An audience, and whether it is the one that is taken when none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Audience {
    pub(super) name: String,
    pub(super) is_default: bool,
}

impl Entry {
    /// What the daemon has answered.
    pub(super) fn answered(question: &Question<'_>, answer: Verified, board: Option<Arc<Board>>) -> Self {
        let Verified { identity, stamp, life, touch_after } = answer;
        // An answer of another life of the daemon has nothing to do with this board.
        let board = board.filter(|board| board.life() == life);
        let fingerprint = question.context.and_then(|context| context.device_fingerprint.clone());
        let known = known(identity);
        let watched = board.map(|board| {
            let watched = board.watch(known.session, known.user);
            (board, watched)
        });
        Self { fingerprint, touch_after, ..Self::new(question, known, stamp, watched) }
    }

    /// What a token says of itself, once it is known to be genuine.
    pub(super) fn said(
        question: &Question<'_>,
        known: Known,
        stamp: Stamp,
        board: (Arc<Board>, Watched),
    ) -> Self {
        Self::new(question, known, stamp, Some(board))
    }

    fn new(
        question: &Question<'_>,
        known: Known,
        stamp: Stamp,
        board: Option<(Arc<Board>, Watched)>,
    ) -> Self {
        let audience = (known.kind == SessionKind::Token).then(|| question.audience.clone());
        let mut entry = Self {
            token: Token::new(question.token.to_owned()),
            board,
            known,
            audience,
            fingerprint: None,
            stamp,
            touch_after: Millis::MAX,
            touching: AtomicBool::new(false),
            bytes: 0,
        };
        entry.bytes = entry.measure();
        entry
    }

    /// The text.
    #[inline]
    pub(super) fn token(&self) -> &str {
        self.token.expose()
    }

    /// About the memory it takes up, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it can be held at all: without a board it could not be known when it stops being true.
    pub(super) fn can_be_held(&self) -> bool {
        self.board.is_some()
    }

    /// Whether it still stands, and by which time that was judged.
    #[inline]
    pub(super) fn check(&self, now: Moment) -> Result<Millis, Ask> {
        let (board, watched) = self.board.as_ref().ok_or(Ask::NoLease)?;
        board.check(self.stamp, *watched, now.monotonic)?;
        let time = now.wall.max(board.time());
        if self.known.expires_at <= time { Err(Ask::Changed) } else { Ok(time) }
    }

    /// Whether it stands if nothing has changed since the daemon was last heard of, which was no longer ago than this.
    pub(super) fn check_stale(&self, now: Moment, longest: Duration) -> bool {
        use hallpass_protocol::board::Lease;
        let Some((board, watched)) = self.board.as_ref() else { return false };
        let in_time = match board.lease(now.monotonic) {
            Lease::Good => true,
            Lease::Over(nanos) => Duration::from_nanos(nanos) <= longest,
            Lease::Closed | Lease::Impossible => false,
        };
        let over = self.known.expires_at <= now.wall.max(board.time());
        in_time && board.check_changes(self.stamp, *watched).is_ok() && !over
    }

    /// Whether it is certainly over: worth forgetting.
    pub(super) fn has_expired(&self, now: Moment) -> bool {
        self.known.expires_at <= now.wall
    }

    /// Whether it is enough for what is needed. If not, the daemon says why, in the words and with the code that belong to it.
    #[inline]
    pub(super) fn meets(&self, needs: &Needs, time: Millis) -> bool {
        let known = &self.known;
        let recent = |seconds| known.auth_time.plus(Duration::from_secs(seconds)) >= time;
        let is_for = |audience: &Audience| match &needs.audience {
            Some(named) => *named == audience.name,
            None => audience.is_default,
        };
        self.audience.as_ref().is_none_or(is_for)
            && needs.level.is_none_or(|level| known.level >= level)
            && needs.max_auth_age.is_none_or(recent)
            && needs.roles.iter().all(|role| known.roles.contains(role))
    }

    /// Whether it was verified from the device that this request comes from.
    #[inline]
    pub(super) fn is_from(&self, context: Option<&Context>) -> bool {
        let device = context.and_then(|context| context.device_fingerprint.as_ref());
        device.is_none() || device == self.fingerprint.as_ref()
    }

    /// Whether its use is to be told to the daemon now. Says so once.
    #[inline]
    pub(super) fn wants_touch(&self, time: Millis) -> bool {
        time >= self.touch_after && !self.touching.swap(true, Relaxed)
    }

    /// Has its use told another time, since this time it was not.
    pub(super) fn untouched(&self) {
        self.touching.store(false, Relaxed);
    }

    fn measure(&self) -> usize {
        let known = &self.known;
        let lists = known.roles.iter().chain(&known.amr).map(|text| text.len() + size_of::<String>());
        let told = known.told.as_ref().map_or(0, |told| {
            let pairs = told.attributes.iter().map(|(name, value)| name.len() + value.len() + 64);
            told.name.len() + pairs.sum::<usize>()
        });
        size_of::<Self>() + self.token().len() + known.app.len() + lists.sum::<usize>() + told
    }
}

fn known(identity: Identity) -> Known {
    Known {
        user: identity.user_id,
        session: identity.session_id,
        app: identity.app,
        kind: identity.kind,
        roles: identity.roles,
        amr: identity.amr,
        auth_time: identity.auth_time,
        level: identity.level,
        expires_at: identity.expires_at,
        told: Some(Told { name: identity.name, attributes: identity.attributes }),
    }
}
