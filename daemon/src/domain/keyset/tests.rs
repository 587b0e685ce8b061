//! The life of keys, one change after another: each leaves exactly one of a kind active.

use super::*;
use crate::domain::command::Command;
use crate::domain::fixture::{MINUTE, World};
use crate::domain::raise::{Raise, raised};
use KeyKind::{Mac, Signing};

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
fn without_a_lead_a_signing_key_is_active_at_once_and_none_waits() {
    let mut world = world();
    assert!(world.rotate(Signing, false).outcome.is_ok());
    world.policy.keys.lead = Duration::ZERO;
    assert!(world.rotate(Signing, false).outcome.is_ok());
    let until = world.at.now.plus(11 * MINUTE);
    assert_eq!(world.states(Signing), [(1, KeyState::Retired(until)), (3, KeyState::Active)]);
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
    assert_eq!(world.rotate(Signing, true).audit.unwrap().detail, "signing key 3, emergency");
    assert_eq!(world.states(Signing), [(3, KeyState::Active)]);
    let stamp = world.at.stamp;
    assert_eq!(world.rotate(Mac, true).audit.unwrap().detail, "mac key 2, emergency");
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

impl World {
    fn retire(&mut self, kid: &str) -> Decision {
        let number = next_number(&self.facts.keyset, Signing).unwrap();
        let spare = Box::new(key(Signing, number, KeyState::Active));
        self.keys(&Command::RetireKey { kid: kid.to_owned(), spare, under: UNDER })
    }

    /// What is left of the key of this number under its seal.
    fn left_of(&self, number: u16) -> &Sealed {
        let of = |key: &&Key| (key.kind, key.number) == (Signing, number);
        &self.facts.keyset.iter().find(of).unwrap().sealed
    }
}

#[test]
fn an_active_key_that_is_taken_back_leaves_its_place_to_a_new_one() {
    let mut world = world();
    let until = world.at.now.plus(11 * MINUTE);
    let decision = world.retire("kid1");
    assert!(decision.outcome.is_ok());
    let raised: Vec<_> = decision.effects.iter().filter_map(raised).collect();
    assert_eq!(raised, [Raise::Everything], "whoever verifies without asking asks now");
    assert_eq!(world.states(Signing), [(1, KeyState::Revoked(until)), (2, KeyState::Active)]);
    assert_eq!(world.left_of(1), &Sealed::default(), "nothing is left to be stolen");
    assert_eq!(active(&world.facts.keyset).unwrap().signing, "kid2");
    assert_eq!(world.states(Mac), [(1, KeyState::Active)]);
    world.after(MINUTE);
    assert!(world.retire("kid1").outcome.is_ok(), "again");
    assert_eq!(world.states(Signing), [(1, KeyState::Revoked(until)), (2, KeyState::Active)]);
    world.after_almost(10 * MINUTE);
    assert!(world.keys(&Command::TendKeys).effects.is_empty(), "a verifier may hold the old set that long");
    world.after(Duration::from_millis(1));
    assert!(world.keys(&Command::TendKeys).outcome.is_ok());
    assert_eq!(world.states(Signing), [(2, KeyState::Active)]);
}

#[test]
fn a_key_that_waits_takes_the_place_of_one_taken_back() {
    let mut world = world();
    let until = world.at.now.plus(11 * MINUTE);
    assert!(world.rotate(Signing, false).outcome.is_ok());
    assert!(world.retire("kid1").outcome.is_ok());
    assert_eq!(world.states(Signing), [(1, KeyState::Revoked(until)), (2, KeyState::Active)]);
}

#[test]
fn taking_back_a_key_that_does_not_sign_leaves_the_one_that_does() {
    let mut world = world();
    assert!(world.rotate(Signing, false).outcome.is_ok());
    let until = world.at.now.plus(11 * MINUTE);
    assert!(world.retire("kid2").outcome.is_ok(), "one that waits");
    assert_eq!(world.states(Signing), [(1, KeyState::Active), (2, KeyState::Revoked(until))]);
    assert!(world.rotate(Signing, false).outcome.is_ok());
    world.after(60 * MINUTE);
    assert!(world.keys(&Command::TendKeys).outcome.is_ok());
    let until = world.at.now.plus(11 * MINUTE);
    assert_eq!(world.states(Signing), [(1, KeyState::Retired(until)), (3, KeyState::Active)]);
    assert!(world.retire("kid1").outcome.is_ok(), "one that is retired");
    assert_eq!(world.states(Signing), [(1, KeyState::Revoked(until)), (3, KeyState::Active)]);
}

#[test]
fn only_a_signing_key_that_is_known_is_taken_back() {
    let mut world = world();
    world.facts.keyset[0].kid = String::new();
    for unknown in ["kid7", "", "kid1 "] {
        let refused = world.retire(unknown);
        assert!(refused.effects.is_empty());
        let refusal = refused.outcome.unwrap_err();
        assert!(refusal.code == ErrorCode::NotFound && refusal.message.contains("key list"), "{refusal:?}");
    }
    let spare = Box::new(key(Signing, 5, KeyState::Active));
    let late = world.keys(&Command::RetireKey { kid: "kid1".into(), spare, under: UNDER });
    assert_eq!((late.outcome.unwrap_err().code, late.effects.len()), (ErrorCode::Busy, 0));
}
