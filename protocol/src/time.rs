//! Moments and stamps as they cross the wire and lie in the store.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, never past the year 10889 (48 bits).
///
/// ```
/// # use hallpass_protocol::time::Millis;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let now = Millis::default().plus(SystemTime::now().duration_since(UNIX_EPOCH)?);
/// let end = now.plus(Duration::from_secs(600));
/// assert_eq!((end.since(now), now.since(end)), (Duration::from_secs(600), Duration::ZERO));
/// assert_eq!(Millis::from_u64(1_999).as_secs(), 1);
///
/// let as_the_library_has_it: SystemTime = UNIX_EPOCH + Duration::from_millis(end.as_u64());
/// # Ok::<(), std::time::SystemTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(u64);

impl Millis {
    /// The last moment that fits the 48 bits it has in identifiers and rows.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// The moment this many milliseconds after 1970; anything past [`Millis::MAX`] becomes that.
    #[must_use]
    pub const fn from_u64(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down: what token claims hold.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This much later; stays at [`Millis::MAX`] rather than wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_u64(self.0.saturating_add(millis))
    }

    /// How long ago `earlier` was; nothing if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The order of changes: microseconds since 1970, made strictly increasing, one for each operation.
///
/// "Stamp `s`" on an answer or a token means: has seen every change up to `s`.
///
/// ```
/// # use hallpass_protocol::time::Stamp;
/// let (revoked, issued) = (Stamp(1_700_000_000_000_001), Stamp(1_700_000_000_000_000));
/// assert!(issued < revoked, "the token was issued before its session was ended");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub u64);
