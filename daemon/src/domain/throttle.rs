//! Failed logins: what they cost the next try.
//!
//! Every try is counted before its password is looked at, so tries at the same time count as many as they are. A success takes back what it was
//! counted as.

use std::time::Duration;

use hallpass_protocol::id::{DeviceId, SessionId, UserId};
use hallpass_protocol::time::Millis;

use super::account::User;
use super::command::Login;

/// What failed logins cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThrottlePolicy {
    /// Failures in a row of one name from one source that cost nothing. Tries are counted before they are known to fail, so a few processes of one
    /// app that log in with the same name at the same time need this many.
    pub(crate) free: u32,
    /// The longest wait between two tries of one name from one source.
    pub(crate) longest: Duration,
    /// Failures in a row without a known device after which a password must be set anew (NIST SP 800-63B, 3.2.2: at most 100).
    pub(crate) in_a_row: u32,
    /// Failures an hour from one address of one app, whatever the names.
    pub(crate) per_source: u32,
    /// Failures an hour of one app: where it tells no addresses that is its one source, and otherwise it is an event.
    pub(crate) per_app: u32,
    /// Counts that are kept at once.
    pub(crate) rows: u64,
}

/// Where a login comes from: what the app says, and which app says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// The app that vouches for the address.
    pub(crate) app: String,
    /// The address, where the app gave one: of IPv6 its network, since one caller has all the addresses of it.
    pub(crate) address: String,
}

/// What a count of failures belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ThrottleKey {
    /// A name tried from one source. The name need not exist: unknown ones are counted the same.
    Name(String, Source),
    /// A user tried from anywhere without a known device.
    Credential(UserId),
    /// Where the same is written of names that are nobody's, which decides nothing: only the work is the same.
    Nobody(u16),
    /// A user on a device that an earlier login made known, with this credential. Others cannot use this budget up.
    Device(UserId, DeviceId, u32),
    /// A user in a session of theirs, with this credential.
    Session(UserId, SessionId, u32),
    /// Any name tried from one source.
    Source(Source),
    /// The same for sources that there is no room for; each app has a few.
    Crowd(String, u16),
    /// Any name tried through one app.
    App(String),
}

/// Counts of names that are nobody's.
const NOBODIES: u16 = 1024;
/// Counts of the sources of one app that there is no room for.
const CROWDS: u16 = 64;
/// After this long without a try a count is forgotten.
pub(crate) const FORGOTTEN: Duration = Duration::from_hours(24);
/// What failures are drained in.
const HOUR: Duration = Duration::from_hours(1);

/// Failures that were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How many.
    pub(crate) count: u32,
    /// When the last one was.
    pub(crate) last: Millis,
}

impl Failures {
    /// The wait after this many failures: nothing at first, then 1 s, doubling up to the longest.
    fn delay(self, policy: &ThrottlePolicy) -> Duration {
        match self.count.checked_sub(policy.free) {
            None => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(20)).min(policy.longest),
        }
    }

    /// How long until the next try of this name from this source is looked at.
    pub(crate) fn wait(self, policy: &ThrottlePolicy, now: Millis) -> Duration {
        self.current(now).delay(policy).saturating_sub(now.since(self.last))
    }

    /// One more try.
    pub(crate) fn counted(self, now: Millis) -> Self {
        Self { count: self.current(now).count.saturating_add(1), last: now }
    }

    fn current(self, now: Millis) -> Self {
        if now.since(self.last) >= FORGOTTEN { Self::default() } else { self }
    }

    /// One more try against a credential: that count ends with a success or a new password, and never by itself.
    fn counted_for_good(self, now: Millis) -> Self {
        Self { count: self.count.saturating_add(1), last: now }
    }

    /// How long until a source that may have so many failures an hour may have one more.
    fn room(self, per_hour: u32, now: Millis) -> Duration {
        let left = self.drained(per_hour, now);
        if left.count < per_hour {
            Duration::ZERO
        } else {
            each(per_hour).saturating_sub(now.since(left.last))
        }
    }

    /// What is left of failures that drain evenly. `last` is when the last of those drained that have.
    fn drained(self, per_hour: u32, now: Millis) -> Self {
        let each = each(per_hour);
        let gone = u32::try_from(now.since(self.last).as_millis() / each.as_millis()).unwrap_or(u32::MAX);
        match self.count.checked_sub(gone) {
            Some(count @ 1..) => Self { count, last: self.last.plus(each * gone) },
            _ => Self { count: 0, last: now },
        }
    }

    fn one_more(self, per_hour: u32, now: Millis) -> Self {
        let left = self.drained(per_hour, now);
        Self { count: left.count.saturating_add(1), ..left }
    }

    fn one_less(self, per_hour: u32, now: Millis) -> Self {
        let left = self.drained(per_hour, now);
        Self { count: left.count.saturating_sub(1), ..left }
    }
}

/// The time in which one of so many failures an hour drains.
fn each(per_hour: u32) -> Duration {
    (HOUR / per_hour.max(1)).max(Duration::from_millis(1))
}

/// A count, and what it belongs to.
pub(crate) type Counted = (ThrottleKey, Failures);

/// The counts that a try goes by, as the store has them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    /// Of the name from this source, or of the known device alone. There is none where there is no room for one more.
    pub(crate) own: Option<Counted>,
    /// What a known device does not go by.
    pub(crate) strangers: Option<Strangers>,
}

/// The counts of those whom no device vouches for.
#[derive(Debug, Clone)]
pub(crate) struct Strangers {
    /// Against the credential itself, from anywhere.
    pub(crate) credential: Counted,
    /// From this source, whatever the name, and how many an hour it may have.
    pub(crate) source: Counted,
    /// Through this app.
    pub(crate) app: Counted,
}

/// What becomes of the counts by one more try.
pub(crate) struct OneMore {
    /// What to write.
    pub(crate) counts: Vec<Counted>,
    /// How long to wait after this one, if it fails.
    pub(crate) wait: Duration,
    /// What it has brought about, if anything.
    pub(crate) crossed: Option<Crossed>,
}

/// A bound that a try has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crossed {
    /// No password opens this account any more, but on a known device.
    Credential,
    /// So many failures came from this source that it has to wait, whatever the names.
    Source,
    /// So many failures came through this app.
    App,
}

impl Source {
    /// How many failures an hour it may have.
    fn per_hour(&self, policy: &ThrottlePolicy) -> u32 {
        if self.address.is_empty() { policy.per_app } else { policy.per_source }
    }
}

impl Login {
    /// The counts that a try for this user goes by. A device counts only for the user it is known to: with their own device token nobody gets more tries
    /// at somebody else's password. A device or session on which as many have failed as a credential may have is known no more.
    ///
    /// `is_full` says that there is no room for another count. None makes room, however many come: the counts that there are stay. A name that is
    /// new from its source is then bounded by its source and its credential alone, and a new source shares a count with others.
    pub(crate) fn tried<E>(
        &self,
        user: Option<&User>,
        policy: &ThrottlePolicy,
        is_full: bool,
        mut read: impl FnMut(&ThrottleKey) -> Result<Option<Failures>, E>,
    ) -> Result<Tried, E> {
        for key in self.known(user) {
            let failures = read(&key)?.unwrap_or_default();
            if failures.count < policy.in_a_row {
                return Ok(Tried { own: Some((key, failures)), strangers: None });
            }
        }
        let mut kept = |key: ThrottleKey| {
            Ok(match read(&key)? {
                None if is_full => None,
                found => Some((key, found.unwrap_or_default())),
            })
        };
        let own = kept(ThrottleKey::Name(self.name.clone(), self.source.clone()))?;
        let source = kept(ThrottleKey::Source(self.source.clone()))?;
        let mut always = |key: ThrottleKey| -> Result<Counted, E> {
            let found = read(&key)?.unwrap_or_default();
            Ok((key, found))
        };
        let Source { app, address } = &self.source;
        let source = match source {
            Some(source) => source,
            None => always(ThrottleKey::Crowd(app.clone(), spread(address, CROWDS)))?,
        };
        let credential = match user {
            Some(user) => ThrottleKey::Credential(user.id),
            None => ThrottleKey::Nobody(spread(&self.name, NOBODIES)),
        };
        let credential = always(credential)?;
        let app = always(ThrottleKey::App(app.clone()))?;
        Ok(Tried { own, strangers: Some(Strangers { credential, source, app }) })
    }

    /// The budgets of what is known to this user, the nearest first.
    fn known(&self, user: Option<&User>) -> Vec<ThrottleKey> {
        let Some(user) = user else { return Vec::new() };
        let session = self.session.filter(|(owner, _)| *owner == user.id);
        let session = session.map(|(_, id)| ThrottleKey::Session(user.id, id, user.credential_version));
        let device = self.device_of(user);
        let device = device.map(|device| ThrottleKey::Device(user.id, device, user.credential_version));
        session.into_iter().chain(device).collect()
    }

    /// The device this comes from, if it is known to this user.
    pub(crate) fn device_of(&self, user: &User) -> Option<DeviceId> {
        self.device.filter(|(owner, _)| *owner == user.id).map(|(_, device)| device)
    }
}

impl Tried {
    /// How long until a try is looked at.
    pub(crate) fn wait(&self, source: &Source, policy: &ThrottlePolicy, now: Millis) -> Duration {
        let own = self.own.as_ref().map_or(Duration::ZERO, |(_, own)| own.wait(policy, now));
        let strangers = self.strangers.as_ref();
        own.max(strangers.map_or(Duration::ZERO, |all| all.source.1.room(source.per_hour(policy), now)))
    }

    /// Whether so many have failed that no password opens the account from here.
    pub(crate) fn is_locked(&self, policy: &ThrottlePolicy) -> bool {
        self.strangers.as_ref().is_some_and(|all| all.credential.1.count >= policy.in_a_row)
    }

    /// The counts that there are, as they are.
    pub(crate) fn unchanged(&self) -> Vec<Counted> {
        let strangers = self.strangers.iter().flat_map(|all| [&all.credential, &all.source, &all.app]);
        let all = self.own.iter().chain(strangers);
        all.filter(|(_, failures)| failures.count > 0).cloned().collect()
    }

    /// The counts after one more try.
    pub(crate) fn one_more(&self, source: &Source, policy: &ThrottlePolicy, now: Millis) -> OneMore {
        let mut counts: Vec<Counted> = Vec::with_capacity(4);
        let own = self.own.iter().map(|(key, own)| (key.clone(), own.counted(now)));
        counts.extend(own);
        let mut wait = counts.first().map_or(Duration::ZERO, |(_, own)| own.wait(policy, now));
        let mut crossed = None;
        if let Some(Strangers { credential, source: from, app }) = &self.strangers {
            let per_hour = source.per_hour(policy);
            let after = [
                credential.1.counted_for_good(now),
                from.1.one_more(per_hour, now),
                app.1.one_more(policy.per_app, now),
            ];
            // What is only told of must not take days to be over.
            let app_after =
                Failures { count: after[2].count.min(policy.per_app.saturating_mul(2)), ..after[2] };
            let after = [after[0], after[1], app_after];
            wait = wait.max(after[1].room(per_hour, now));
            let is_somebodys = matches!(credential.0, ThrottleKey::Credential(_));
            crossed = if is_somebodys && after[0].count == policy.in_a_row {
                Some(Crossed::Credential)
            } else if after[1].count == per_hour {
                Some(Crossed::Source)
            } else if after[2].count == policy.per_app {
                Some(Crossed::App)
            } else {
                None
            };
            let keys = [&credential.0, &from.0, &app.0];
            counts.extend(keys.into_iter().cloned().zip(after));
        }
        OneMore { counts, wait, crossed }
    }

    /// What a success takes back: all that was counted against the name and the credential, and of what others share only itself.
    pub(crate) fn forgiven(
        self,
        source: &Source,
        policy: &ThrottlePolicy,
        now: Millis,
    ) -> (Vec<ThrottleKey>, Vec<Counted>) {
        let mut clear: Vec<_> = self.own.into_iter().map(|(key, _)| key).collect();
        let mut put = Vec::new();
        if let Some(Strangers { credential, source: from, app }) = self.strangers {
            clear.push(credential.0);
            put.push((from.0, from.1.one_less(source.per_hour(policy), now)));
            put.push((app.0, app.1.one_less(policy.per_app, now)));
        }
        (clear, put)
    }
}

/// The one of so many places that a text has (FNV-1a). Whoever finds texts that meet has them share a count.
fn spread(text: &str, places: u16) -> u16 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    u16::try_from(hash % u64::from(places)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
