//! What is held of a token that was verified, and whether it still stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hallpass_protocol::auth::{Context, Needs, SessionKind, Verified};
use hallpass_protocol::board::{Ask, Lease, ReadMapping, Reader, Watched};
use hallpass_protocol::secret::KeptToken;
use hallpass_protocol::time::{Millis, Stamp};

use super::bearer::Bearer;
use super::clock::wall;

/// A board that is mapped. Entries keep the one that their slots belong to, so a check never mixes two.
pub(super) type Board = Reader<ReadMapping>;

/// What is held of a token. What every verification looks at comes first and fills one line of the processor's cache.
#[repr(C, align(64))]
pub(super) struct Entry {
    /// The board that says whether anything has changed, if there is one.
    board: Option<Arc<Board>>,
    watched: Watched,
    /// It has seen every change up to this.
    stamp: Stamp,
    /// Until when there is nothing to think of but the board, in milliseconds since 1970: the first of its end and the moment to tell of its use.
    /// 0 once the daemon has said that the token is good no more.
    calm_until: AtomicU64,
    /// Whether the app's first audience is the one it was verified for, or it is a session token, which has none.
    is_for_default: bool,
    touching: AtomicBool,
    /// Whether the daemon has said that the token is good no more.
    over: AtomicBool,
    token: KeptToken,
    /// Who bears it begins in the line that a short token ends in.
    pub(super) bearer: Bearer,
    expires_at: Millis,
    touch_after: Millis,
    /// The audience it was verified for; a session token has none.
    audience: Option<String>,
    /// The device it was verified from, where that was said.
    fingerprint: Option<String>,
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

// The processor reads memory in lines of so many bytes; a long token's text begins with where it is.
const _: () = assert!(std::mem::offset_of!(Entry, token) + size_of::<String>() <= 64);

impl Entry {
    /// What the daemon has answered.
    pub(super) fn answered(question: &Question<'_>, answer: Verified, board: Option<Arc<Board>>) -> Self {
        let Verified { identity, stamp, touch_after, .. } = answer;
        let fingerprint = question.context.and_then(|context| context.device_fingerprint.clone());
        let bearer = Bearer::told(identity);
        let watched = board.map(|board| {
            let watched = board.watch(bearer.session_id(), bearer.user_id());
            (board, watched)
        });
        let mut entry = Self::new(question, bearer, stamp, watched);
        (entry.touch_after, entry.fingerprint) = (touch_after, fingerprint);
        entry.calm_until = AtomicU64::new(touch_after.min(entry.expires_at).as_u64());
        entry.bytes = entry.measure();
        entry
    }

    /// What a token says of itself, once it is known to be genuine.
    pub(super) fn said(
        question: &Question<'_>,
        bearer: Bearer,
        stamp: Stamp,
        board: (Arc<Board>, Watched),
    ) -> Self {
        Self::new(question, bearer, stamp, Some(board))
    }

    fn new(
        question: &Question<'_>,
        bearer: Bearer,
        stamp: Stamp,
        board: Option<(Arc<Board>, Watched)>,
    ) -> Self {
        let Audience { name, is_default } = question.audience.clone();
        let audience = (bearer.kind() == SessionKind::Token).then_some(name);
        let (board, watched) = board.unzip();
        let mut entry = Self {
            token: KeptToken::new(question.token),
            board,
            watched: watched.unwrap_or_default(),
            stamp,
            calm_until: AtomicU64::new(bearer.expires_at().as_u64()),
            is_for_default: is_default || audience.is_none(),
            touching: AtomicBool::new(false),
            over: AtomicBool::new(false),
            expires_at: bearer.expires_at(),
            touch_after: Millis::MAX,
            bearer,
            audience,
            fingerprint: None,
            bytes: 0,
        };
        entry.bytes = entry.measure();
        entry
    }

    /// The text.
    pub(super) fn token(&self) -> &str {
        self.token.expose()
    }

    /// Whether it is of exactly this token.
    #[inline]
    pub(super) fn is_of(&self, token: &str) -> bool {
        self.token.is(token)
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
    pub(super) fn check(&self, monotonic: u64) -> Result<Millis, Option<Ask>> {
        let board = self.board.as_ref().ok_or(Ask::NoLease)?;
        let time = board.check(self.stamp, self.watched, monotonic)?;
        if self.expires_at <= time || self.over.load(Relaxed) { Err(None) } else { Ok(time) }
    }

    /// The same for one that is far from its end, and of whose use nothing is to be told: the least that there is to look at. What is more than that
    /// comes to nothing here, and [`Entry::check`] is for it.
    #[inline]
    pub(super) fn check_calm(&self, monotonic: u64) -> Option<Millis> {
        let time = self.board.as_ref()?.check(self.stamp, self.watched, monotonic).ok()?;
        (time.as_u64() < self.calm_until.load(Relaxed)).then_some(time)
    }

    /// The daemon has said that the token is good no more. This is seen wherever it is held.
    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
        self.calm_until.store(0, Relaxed);
    }

    /// Whether it stands if nothing has changed since the daemon was last heard of, which was no longer ago than this, and by which time that was
    /// judged. Only the present board knows what was taken back last.
    pub(super) fn check_stale(
        &self,
        present: &Arc<Board>,
        monotonic: u64,
        longest: Duration,
    ) -> Option<Millis> {
        let board = self.board.as_ref().filter(|board| Arc::ptr_eq(board, present))?;
        let in_time = match board.lease(monotonic) {
            Lease::Good => true,
            Lease::Over(nanos) => Duration::from_nanos(nanos) <= longest,
            Lease::Closed | Lease::Impossible => false,
        };
        let time = wall().max(board.time(monotonic));
        let stands = in_time
            && board.check_changes(self.stamp, self.watched).is_ok()
            && self.expires_at > time
            && !self.over.load(Relaxed);
        stands.then_some(time)
    }

    /// Whether it is certainly over: worth forgetting.
    pub(super) fn has_expired(&self) -> bool {
        self.expires_at <= wall()
    }

    /// Whether it is enough for what is needed. If not, the daemon says why, in the words and with the code that belong to it.
    #[inline]
    pub(super) fn meets(&self, needs: &Needs, time: Millis) -> bool {
        let bearer = &self.bearer;
        let recent = |seconds| bearer.auth_time().plus(Duration::from_secs(seconds)) >= time;
        let is_for = |named: &String| self.audience.as_ref().is_none_or(|audience| audience == named);
        needs.audience.as_ref().map_or(self.is_for_default, is_for)
            && needs.level.is_none_or(|level| bearer.level() >= level)
            && needs.max_auth_age.is_none_or(recent)
            && needs.roles.iter().all(|role| bearer.roles().contains(role))
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
        let told = [self.audience.as_ref().map(String::len), self.fingerprint.as_ref().map(String::len)];
        size_of::<Self>()
            + self.token().len()
            + self.bearer.bytes()
            + told.into_iter().flatten().sum::<usize>()
    }
}
