//! Changing the master key: every key or none, and nothing under a seal that is gone.

use super::*;
use crate::domain::command::Command;
use crate::domain::fixture::World;
use crate::domain::keyset::KeyState;

const OLD: MasterId = MasterId([1; 8]);
const NEW: MasterId = MasterId([2; 8]);

fn sealed(byte: u8) -> Sealed {
    Sealed { nonce: [byte; 24], bytes: vec![byte; 48] }
}

fn key(kind: KeyKind, number: u16, state: KeyState) -> Key {
    let created = Millis::from_u64(0);
    Key { kind, number, state, created, kid: format!("kid{number}"), sealed: sealed(1) }
}

fn world() -> World {
    let mut world = World::new();
    world.facts.keyset =
        vec![key(KeyKind::Mac, 1, KeyState::Active), key(KeyKind::Signing, 1, KeyState::Active)];
    world
}

fn resealed(world: &World) -> Resealed {
    let keys = world.facts.keyset.iter().map(|key| (key.kind, key.number, sealed(2))).collect();
    Resealed { from: OLD, to: NEW, keys }
}

fn lay(world: &mut World, from: MasterId) -> Decision {
    let bridge = Bridge { from, sealed: sealed(from.0[0]) };
    world.decide(&Command::BridgeMaster { under: OLD, bridge: Box::new(bridge) })
}

fn is_overtaken(decision: &Decision) -> bool {
    decision.effects.is_empty()
        && decision.outcome.as_ref().is_err_and(|refusal| refusal.code == ErrorCode::Busy)
}

#[test]
fn every_key_is_resealed_as_it_is_now() {
    let mut world = world();
    assert!(lay(&mut world, NEW).outcome.is_ok());
    let mut resealed = resealed(&world);
    // One that is taken back has nothing to seal.
    let revoked =
        Key { sealed: Sealed::default(), ..key(KeyKind::Signing, 2, KeyState::Revoked(Millis::MAX)) };
    world.facts.keyset.push(revoked);
    resealed.keys.reverse();
    // A key that moves on in between keeps where it is in its life.
    world.facts.keyset[0].state = KeyState::Retired(Millis::MAX);
    let now = world.at.now;
    let decision = world.decide(&Command::Reseal(Box::new(resealed)));
    let put: Vec<_> = decision
        .effects
        .iter()
        .filter_map(|effect| if let Effect::PutKey(key) = effect { Some(key.clone()) } else { None })
        .collect();
    let wanted: Vec<_> =
        world.facts.keyset[..2].iter().map(|key| Key { sealed: sealed(2), ..key.clone() }).collect();
    assert_eq!(put, wanted);
    let master = Master { current: Some(NEW), bridges: Vec::new(), replaced: Some((OLD, now)) };
    assert_eq!(world.facts.master, master);
}

#[test]
fn a_key_that_came_in_between_leaves_all_as_they_are() {
    let mut world = world();
    let resealed = resealed(&world);
    world.facts.keyset.push(key(KeyKind::Mac, 2, KeyState::Active));
    assert!(is_overtaken(&world.decide(&Command::Reseal(Box::new(resealed)))));
    assert_eq!(world.facts.master, Master::default());
}

#[test]
fn nothing_goes_under_a_master_key_that_is_replaced() {
    let mut world = world();
    let resealed = resealed(&world);
    assert!(world.decide(&Command::Reseal(Box::new(resealed.clone()))).outcome.is_ok());
    assert!(is_overtaken(&world.decide(&Command::Reseal(Box::new(resealed)))), "once only");
    assert!(is_overtaken(&lay(&mut world, MasterId([3; 8]))), "a bridge to nowhere");
    let new = Box::new(key(KeyKind::Mac, 2, KeyState::Active));
    let late = Command::RotateKey { new: new.clone(), under: OLD, emergency: false };
    assert!(is_overtaken(&world.decide(&late)), "a key that could not be opened");
    let timely = Command::RotateKey { new, under: NEW, emergency: false };
    assert!(world.decide(&timely).outcome.is_ok());
}

#[test]
fn a_bridge_outlives_those_that_are_laid_after_it() {
    let mut world = world();
    for number in 10..30 {
        assert!(lay(&mut world, MasterId([number; 8])).outcome.is_ok());
        assert!(lay(&mut world, MasterId([number; 8])).outcome.is_ok());
    }
    let laid: Vec<_> = world.facts.master.bridges.iter().map(|bridge| bridge.from.0[0]).collect();
    assert_eq!(laid, (22..30).collect::<Vec<u8>>(), "once each, and the newest");
}

#[test]
fn an_id_is_shown_in_full() {
    assert_eq!(MasterId([0, 1, 2, 3, 4, 5, 6, 255]).to_string(), "00010203040506ff");
}
