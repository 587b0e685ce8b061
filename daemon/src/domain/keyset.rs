//! The life of keys: next, active, retired, gone. Of each kind exactly one is active, whatever happens in between.
//!
//! A signing key is published a while before it signs, so that whoever fetches keys from time to time has it when the first token comes. A
//! retired key verifies until the last token it made is over, and then its row is removed: what is gone cannot be stolen.

use std::time::Duration;

use hallpass_protocol::time::Millis;
use hallpass_protocol::token::MacKeyId;

use super::command::{ActiveKeys, Case};
use super::effect::{Decision, Effect, Event, Outcome};
use super::reseal::{MasterId, overtaken};
use super::revocation::CutOffs;

/// What a key is for. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum KeyKind {
    /// The root of the keys that session, refresh and device tokens are made with.
    Mac = 0,
    /// Signs access tokens.
    Signing = 1,
}

impl KeyKind {
    /// Both kinds.
    pub(crate) const ALL: [Self; 2] = [Self::Mac, Self::Signing];

    /// The kind as a stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::Signing => "signing",
        }
    }
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Published, and active from this moment on.
    Next(Millis),
    /// Makes new tokens.
    Active,
    /// Verifies old tokens until this moment.
    Retired(Millis),
}

/// A key as stored: everything about it in the open but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// What it is for.
    pub(crate) kind: KeyKind,
    /// Which of its kind; never used again.
    pub(crate) number: u16,
    /// Where it is in its life.
    pub(crate) state: KeyState,
    /// When it was made.
    pub(crate) created: Millis,
    /// The `kid` of a signing key.
    pub(crate) kid: String,
    /// The key under the seal of the master key.
    pub(crate) sealed: Sealed,
}

/// A sealed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The nonce it was sealed with.
    pub(crate) nonce: [u8; 24],
    /// The sealed bytes.
    pub(crate) bytes: Vec<u8>,
}

/// How keys rotate by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPolicy {
    /// How long a signing key is published before it signs.
    pub(crate) lead: Duration,
    /// How old an active key may get.
    pub(crate) rotate_every: Duration,
}

/// Added to the life of the last token of a retired key, for verifiers whose clocks are behind.
const SLACK: Duration = Duration::from_mins(1);

/// The keys that new tokens are made with. None, if these are not the keys of a whole database.
pub(crate) fn active(keys: &[Key]) -> Option<ActiveKeys> {
    let of = |kind| keys.iter().find(|key| key.kind == kind && key.state == KeyState::Active);
    Some(ActiveKeys { signing: of(KeyKind::Signing)?.kid.clone(), mac: MacKeyId(of(KeyKind::Mac)?.number) })
}

/// The number of the next key of a kind.
pub(crate) fn next_number(keys: &[Key], kind: KeyKind) -> Option<u16> {
    keys.iter().filter(|key| key.kind == kind).map(|key| key.number).max().unwrap_or(0).checked_add(1)
}

/// The kinds whose active key is so old that a next one is due.
pub(crate) fn due(keys: &[Key], policy: &KeyPolicy, now: Millis) -> Vec<KeyKind> {
    let old = |key: &&Key| key.state == KeyState::Active && now.since(key.created) >= policy.rotate_every;
    let waits = |kind| keys.iter().any(|key| key.kind == kind && matches!(key.state, KeyState::Next(_)));
    keys.iter().filter(old).map(|key| key.kind).filter(|kind| !waits(*kind)).collect()
}

/// Brings a new key in. A signing key waits for its time; a MAC key needs no publishing, so it is active at once. In an emergency the new key is
/// active at once and all others of its kind are gone: with them every access token or, for MAC keys, every session.
pub(crate) fn rotate(new: &Key, under: MasterId, emergency: bool, case: &Case<'_>) -> Decision {
    let keys = &case.facts.keyset;
    if next_number(keys, new.kind) != Some(new.number) || !case.facts.master.is_under(under) {
        // Another change came in between: this key was sealed for a place that is taken, or under a master key that is replaced.
        return overtaken(Event::KeyRotate);
    }
    let same = || keys.iter().filter(|key| key.kind == new.kind);
    let state = match new.kind {
        KeyKind::Signing if !emergency => KeyState::Next(case.at.now.plus(case.policy.keys.lead)),
        _ => KeyState::Active,
    };
    let how = if emergency { ", emergency" } else { "" };
    let mut decision = Decision::done(Event::KeyRotate, Outcome::Done)
        .detail(format!("{} key {}{how}", new.kind.as_str(), new.number))
        .with(Effect::PutKey(Key { state, ..new.clone() }));
    if emergency {
        decision.effects.extend(same().map(|key| Effect::RemoveKey(key.kind, key.number)));
        if new.kind == KeyKind::Mac {
            let cut_offs = CutOffs { everything: case.at.stamp, ..case.facts.cut_offs.clone() };
            decision = decision.with(Effect::PutCutOffs(cut_offs));
        }
    } else if state == KeyState::Active {
        decision
            .effects
            .extend(same().filter(|key| key.state == KeyState::Active).map(|key| retired(key, case)));
    } else {
        // Only the newest key waits: an earlier one that has signed nothing yet is not needed any more.
        let waiting = |key: &&Key| matches!(key.state, KeyState::Next(_));
        decision.effects.extend(same().filter(waiting).map(|key| Effect::RemoveKey(key.kind, key.number)));
    }
    decision
}

/// Moves keys on whose time has come.
pub(crate) fn tend(case: &Case<'_>) -> Decision {
    let (keys, now) = (&case.facts.keyset, case.at.now);
    let mut effects = Vec::new();
    for key in keys {
        match key.state {
            KeyState::Next(at) if now >= at => {
                let active =
                    keys.iter().filter(|other| other.kind == key.kind && other.state == KeyState::Active);
                effects.extend(active.map(|old| retired(old, case)));
                effects.push(Effect::PutKey(Key { state: KeyState::Active, ..key.clone() }));
            }
            KeyState::Retired(until) if now >= until => effects.push(Effect::RemoveKey(key.kind, key.number)),
            _ => {}
        }
    }
    if effects.is_empty() {
        return Decision::silent(Outcome::Done);
    }
    let mut decision = Decision::done(Event::KeyTend, Outcome::Done);
    decision.effects = effects;
    decision
}

fn retired(key: &Key, case: &Case<'_>) -> Effect {
    let last_token = match key.kind {
        KeyKind::Signing => case.policy.lifetimes.access,
        KeyKind::Mac => case.policy.lifetimes.absolute,
    };
    let until = case.at.now.plus(last_token + SLACK);
    Effect::PutKey(Key { state: KeyState::Retired(until), ..key.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::Command;
    use crate::domain::fixture::{MINUTE, World};
    use KeyKind::{Mac, Signing};
    use hallpass_protocol::error::ErrorCode;

    const UNDER: MasterId = MasterId([1; 8]);

    fn key(kind: KeyKind, number: u16, state: KeyState) -> Key {
        let sealed = Sealed { nonce: [0; 24], bytes: vec![1] };
        Key { kind, number, state, created: Millis::from_u64(0), kid: format!("kid{number}"), sealed }
    }

    fn world() -> World {
        let mut world = World::new();
        world.facts.keyset = vec![key(Mac, 1, KeyState::Active), key(Signing, 1, KeyState::Active)];
        world
    }

    impl World {
        /// Decides a command about keys and has its effects come true.
        fn keys(&mut self, command: &Command) -> Decision {
            let decision = self.decide(command);
            for effect in &decision.effects {
                match effect {
                    Effect::RemoveKey(kind, number) => {
                        self.facts.keyset.retain(|key| (key.kind, key.number) != (*kind, *number));
                    }
                    Effect::PutKey(put) => {
                        self.facts.keyset.retain(|key| (key.kind, key.number) != (put.kind, put.number));
                        self.facts.keyset.push(put.clone());
                    }
                    _ => {}
                }
            }
            for kind in KeyKind::ALL {
                let active =
                    self.facts.keyset.iter().filter(|key| key.kind == kind && key.state == KeyState::Active);
                assert_eq!(active.count(), 1, "exactly one active {kind:?} key");
            }
            decision
        }

        fn rotate(&mut self, kind: KeyKind, emergency: bool) -> Decision {
            let number = next_number(&self.facts.keyset, kind).unwrap();
            let new = key(kind, number, KeyState::Active);
            self.keys(&Command::RotateKey { new: Box::new(new), under: UNDER, emergency })
        }

        fn states(&self, kind: KeyKind) -> Vec<(u16, KeyState)> {
            let mut states: Vec<_> = self
                .facts
                .keyset
                .iter()
                .filter(|key| key.kind == kind)
                .map(|key| (key.number, key.state))
                .collect();
            states.sort_by_key(|(number, _)| *number);
            states
        }
    }

    #[test]
    fn a_signing_key_is_published_before_it_signs_and_verifies_after() {
        let mut world = world();
        let published = world.at.now;
        assert!(world.rotate(Signing, false).outcome.is_ok());
        let signs = published.plus(60 * MINUTE);
        assert_eq!(world.states(Signing), [(1, KeyState::Active), (2, KeyState::Next(signs))]);
        world.after_almost(60 * MINUTE);
        assert!(world.keys(&Command::TendKeys).effects.is_empty(), "not a millisecond early");
        world.after(Duration::from_millis(1));
        assert!(world.keys(&Command::TendKeys).outcome.is_ok());
        let until = world.at.now.plus(11 * MINUTE);
        assert_eq!(world.states(Signing), [(1, KeyState::Retired(until)), (2, KeyState::Active)]);
        world.after_almost(11 * MINUTE);
        assert!(world.keys(&Command::TendKeys).effects.is_empty());
        world.after(Duration::from_millis(1));
        assert!(world.keys(&Command::TendKeys).outcome.is_ok());
        assert_eq!(world.states(Signing), [(2, KeyState::Active)]);
    }

    #[test]
    fn a_mac_key_is_active_at_once_and_the_old_one_outlives_every_session() {
        let mut world = world();
        assert!(world.rotate(Mac, false).outcome.is_ok());
        let until = Millis::from_u64(world.at.now.as_u64()).plus(24 * 60 * MINUTE + MINUTE);
        assert_eq!(world.states(Mac), [(1, KeyState::Retired(until)), (2, KeyState::Active)]);
        assert_eq!(active(&world.facts.keyset).unwrap().mac, MacKeyId(2));
    }

    #[test]
    fn an_emergency_leaves_the_new_key_alone() {
        let mut world = world();
        assert!(world.rotate(Signing, false).outcome.is_ok());
        assert!(world.rotate(Signing, true).outcome.is_ok());
        assert_eq!(world.states(Signing), [(3, KeyState::Active)]);
        let stamp = world.at.stamp;
        assert!(world.rotate(Mac, true).outcome.is_ok());
        assert_eq!(world.states(Mac), [(2, KeyState::Active)]);
        assert_eq!(world.facts.cut_offs.everything, stamp, "every session ends with it");
    }

    #[test]
    fn only_the_newest_waits_and_a_place_is_taken_once() {
        let mut world = world();
        assert!(world.rotate(Signing, false).outcome.is_ok());
        assert!(world.rotate(Signing, false).outcome.is_ok());
        assert_eq!(world.states(Signing).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
        let late = Command::RotateKey {
            new: Box::new(key(Signing, 3, KeyState::Active)),
            under: UNDER,
            emergency: false,
        };
        let refused = world.keys(&late);
        assert_eq!((refused.outcome.unwrap_err().code, refused.effects.len()), (ErrorCode::Busy, 0));
    }

    #[test]
    fn a_key_is_due_once_it_is_old_and_none_waits() {
        let mut world = world();
        let policy = world.policy.keys;
        let born = Millis::from_u64(0);
        assert_eq!(due(&world.facts.keyset, &policy, born.plus(policy.rotate_every)), [Mac, Signing]);
        let early = Millis::from_u64(born.plus(policy.rotate_every).as_u64() - 1);
        assert_eq!(due(&world.facts.keyset, &policy, early), []);
        world.facts.keyset.push(key(Signing, 2, KeyState::Next(Millis::MAX)));
        assert_eq!(due(&world.facts.keyset, &policy, born.plus(policy.rotate_every)), [Mac]);
    }
}
