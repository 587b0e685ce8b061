//! Refusals for the audit chain: the first of a kind each minute is an entry, the rest are one count. A hostile app must not buy a row with
//! each bad call, nor a write but where it has a password or a code looked at: those wait for the disk whatever is written.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use hallpass_protocol::id::UserId;
use hallpass_protocol::time::Millis;

use crate::domain::effect::Event;

/// How long refusals of a kind are counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// Most kinds that are told apart at a time; what is beyond is counted as one.
const KINDS: usize = 4096;

/// What makes two refusals by the rules the same to somebody who reads the chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) uid: u32,
    pub(super) app: String,
    pub(super) event: Event,
    /// `ok`, or the code of the refusal.
    pub(super) outcome: &'static str,
    pub(super) user: Option<UserId>,
}

impl Kind {
    /// What closing counts are put in order by: the chain tells the same story in the same order, whatever a map's order is.
    pub(super) fn words(&self) -> (u32, &str, &str, &str, Option<UserId>) {
        (self.uid, &self.app, self.event.as_str(), self.outcome, self.user)
    }
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    since: Millis,
    more: u64,
}

/// The refusals of the last minute, by whatever makes two of them the same.
#[derive(Debug)]
pub(crate) struct Refusals<K> {
    counted: HashMap<K, Counted>,
    beyond: u64,
}

impl<K> Default for Refusals<K> {
    fn default() -> Self {
        Self { counted: HashMap::new(), beyond: 0 }
    }
}

impl<K: Clone + Eq + Hash> Refusals<K> {
    /// Whether this refusal is the first of its kind in a minute, and so an entry of its own. One that comes after a minute which nobody has
    /// closed yet takes that minute's count along.
    pub(crate) fn is_first(&mut self, kind: K, now: Millis) -> Option<u64> {
        if let Some(counted) = self.counted.get_mut(&kind) {
            if now.since(counted.since) < WINDOW {
                counted.more += 1;
                return None;
            }
            return Some(std::mem::replace(counted, Counted { since: now, more: 0 }).more);
        }
        if self.counted.len() >= KINDS {
            self.beyond += 1;
            return None;
        }
        self.counted.insert(kind, Counted { since: now, more: 0 });
        Some(0)
    }

    /// How many more there were of each kind whose minute is over, where there were any.
    pub(crate) fn closing(&mut self, now: Millis) -> Vec<(K, u64)> {
        let mut closing = Vec::new();
        self.counted.retain(|kind, counted| {
            let over = now.since(counted.since) >= WINDOW;
            if over && counted.more > 0 {
                closing.push((kind.clone(), counted.more));
            }
            !over
        });
        if self.beyond > 0 && self.counted.len() < KINDS {
            tracing::warn!(
                refusals = self.beyond,
                "more kinds of refusals than are told apart were not written down"
            );
            self.beyond = 0;
        }
        closing
    }
}

/// What is said of refusals that were counted.
pub(super) fn more(count: u64) -> String {
    format!("{count} more since the entry before")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(uid: u32) -> Kind {
        Kind { uid, app: "shop".into(), event: Event::Refresh, outcome: "reused", user: None }
    }

    #[test]
    fn the_first_of_a_minute_is_an_entry_and_the_rest_are_one_count() {
        let start = Millis::from_u64(1_000_000);
        let mut refusals = Refusals::default();
        assert_eq!(refusals.is_first(kind(1), start), Some(0));
        assert!((0..1000).all(|_| refusals.is_first(kind(1), start).is_none()));
        assert_eq!(refusals.is_first(kind(2), start), Some(0), "another caller");
        assert!(refusals.closing(start.plus(WINDOW / 2)).is_empty(), "the minute is not over");
        let closing = refusals.closing(start.plus(WINDOW));
        let told: Vec<_> = closing.iter().map(|(kind, count)| (kind.uid, more(*count))).collect();
        let wanted = [(1, "1000 more since the entry before".to_owned())];
        assert_eq!(told, wanted, "nothing is told of a single one");
        assert_eq!(refusals.is_first(kind(1), start.plus(WINDOW)), Some(0), "another minute");
        assert!(refusals.is_first(kind(1), start.plus(WINDOW)).is_none());
        assert_eq!(refusals.is_first(kind(1), start.plus(WINDOW * 2)), Some(1), "one that nobody has closed");
    }

    #[test]
    fn d3_kinds_are_bounded() {
        let mut refusals = Refusals::default();
        let now = Millis::from_u64(0);
        let first = (0..10_000).filter(|uid| refusals.is_first(kind(*uid), now).is_some()).count();
        assert_eq!((first, refusals.counted.len()), (KINDS, KINDS));
    }
}
