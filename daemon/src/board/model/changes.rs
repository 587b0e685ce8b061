//! Changes while the daemon serves: rules 1 and 2, and what a token must not say of itself.

use std::sync::Arc;

use hallpass_protocol::time::Stamp;
use loom::thread;

use super::world::{
    Batch, DEMOTED, Held, NOW, REVOKED, Rows, TOKEN, What, World, check, check_first, watched,
};
use super::{ACCEPTED, REFUSED, Search, search};
use crate::store::order::{Steps, carry_out, stamped, stamped_or_kept};

/// Takes one batch after another through its steps.
type Order = fn(&mut Batch);
/// Makes an answer.
type Answer = fn(&World) -> (Stamp, Rows);
/// Goes by an answer or not.
type Check = fn(&World, Held) -> bool;

fn in_order(batch: &mut Batch) {
    carry_out(batch).unwrap();
}

fn answered(world: &World) -> (Stamp, Rows) {
    stamped(|| world.visible(), |_| Ok::<_, ()>(world.rows())).unwrap()
}

fn stands(world: &World, held: Held) -> bool {
    check(&world.page.reader(), held.stamp, NOW).is_ok()
}

/// Somebody asks the daemon and verifies by its answer, while a session is revoked and its user loses a role.
fn held_answers(
    batches: &'static [&'static [(What, u64)]],
    order: Order,
    answer: Answer,
    goes: Check,
) -> Search {
    search(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            for changes in batches {
                let tells = changes.iter().map(|(what, _)| tells(*what)).sum();
                order(&mut Batch::of(&daemon, changes, tells));
            }
        });
        let held = Held::answered(answer(&world));
        let told = world.told();
        let wrong = held.is_some_and(|held| held.is_over(told) && goes(&world, held));
        writer.join().unwrap();
        if wrong { Err(ACCEPTED) } else { quiet(&world, goes) }
    })
}

fn tells(what: What) -> u64 {
    match what {
        What::Revoke => REVOKED,
        What::Demote => DEMOTED,
        What::Token => TOKEN,
        What::Emergency | What::Nothing => 0,
    }
}

/// Nothing is under way: what was answered just now stands, and what came before does not.
fn quiet(world: &World, goes: Check) -> Result<(), &'static str> {
    let (stamp, rows) = answered(world);
    let fresh = Held { stamp, demoted: rows.demoted };
    if !goes(world, fresh) {
        return Err(REFUSED);
    }
    if goes(world, Held::OLD) { Err(ACCEPTED) } else { Ok(()) }
}

const REVOCATION: &[&[(What, u64)]] = &[&[(What::Revoke, 3)]];
const ROLE: &[&[(What, u64)]] = &[&[(What::Demote, 3)]];
const BOTH: &[&[(What, u64)]] = &[&[(What::Demote, 3)], &[(What::Revoke, 4)]];
const AT_ONCE: &[&[(What, u64)]] = &[&[(What::Demote, 3), (What::Revoke, 4)]];

#[test]
fn what_is_held_ends_with_the_answer_that_took_it_back() {
    for batches in [REVOCATION, ROLE, BOTH, AT_ONCE] {
        held_answers(batches, in_order, answered, stands).holds();
    }
}

#[test]
fn rule_1_an_answer_before_the_raise_is_found() {
    let early: Order = |batch| {
        let () = batch.commit().unwrap();
        batch.answer(());
        batch.publish(&());
        batch.show(&());
    };
    held_answers(REVOCATION, early, answered, stands).finds(ACCEPTED);
    held_answers(ROLE, early, answered, stands).finds(ACCEPTED);
}

#[test]
fn rule_2_a_snapshot_before_its_stamp_is_found() {
    let late: Answer = |world| {
        let rows = world.rows();
        (world.visible(), rows)
    };
    held_answers(REVOCATION, in_order, late, stands).finds(ACCEPTED);
    held_answers(ROLE, in_order, late, stands).finds(ACCEPTED);
}

#[test]
fn a_board_that_refuses_its_own_stamp_is_found() {
    // One stamp less is the same as to want every word below the stamp and not at it.
    let strict: Check = |world, held| stands(world, Held { stamp: Stamp(held.stamp.0 - 1), ..held });
    held_answers(REVOCATION, in_order, answered, strict).finds(REFUSED);
}

#[test]
fn a_board_that_overlooks_the_newest_stamp_is_found() {
    let lax: Check = |world, held| stands(world, Held { stamp: Stamp(held.stamp.0 + 1), ..held });
    held_answers(REVOCATION, in_order, answered, lax).finds(ACCEPTED);
}

/// Answers as the daemon does that keeps the state it has opened last.
fn kept(world: &World) -> (Stamp, Rows) {
    let kept = || *world.kept.lock().unwrap();
    let keep = |stamp, rows: &Rows| keep(world, stamp, *rows);
    stamped_or_kept(|| world.visible(), kept, || Ok::<_, ()>(world.rows()), keep).unwrap()
}

fn keep(world: &World, stamp: Stamp, rows: Rows) {
    *world.kept.lock().unwrap() = Some((stamp, rows));
}

/// Somebody asks the daemon again and again, while a session is revoked and its user loses a role. `answer` may go by what it has opened before.
fn asked_again(batches: &'static [&'static [(What, u64)]], answer: Answer) -> Search {
    search(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            for changes in batches {
                let tells = changes.iter().map(|(what, _)| tells(*what)).sum();
                in_order(&mut Batch::of(&daemon, changes, tells));
            }
        });
        let asked = || {
            let told = world.told();
            Held::answered(answer(&world)).is_some_and(|held| held.is_over(told))
        };
        let wrong = asked() || asked();
        writer.join().unwrap();
        if wrong || asked() { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn what_is_kept_answers_as_what_is_opened_anew() {
    for batches in [REVOCATION, ROLE, BOTH, AT_ONCE] {
        asked_again(batches, answered).holds();
        asked_again(batches, kept).holds();
        // And what somebody holds of such an answer ends as it should.
        let twice: Answer = |world| {
            kept(world);
            kept(world)
        };
        held_answers(batches, in_order, twice, stands).holds();
    }
}

#[test]
fn what_is_kept_too_long_is_found() {
    let for_ever: Answer = |world| {
        let known = *world.kept.lock().unwrap();
        let (stamp, rows) = known.unwrap_or_else(|| answered(world));
        keep(world, stamp, rows);
        (world.visible(), rows)
    };
    asked_again(REVOCATION, for_ever).finds(ACCEPTED);
    asked_again(ROLE, for_ever).finds(ACCEPTED);
}

#[test]
fn rule_2_what_is_kept_under_a_later_stamp_is_found() {
    let late: Answer = |world| {
        let known = *world.kept.lock().unwrap();
        if let Some((stamp, rows)) = known
            && stamp == world.visible()
        {
            return (stamp, rows);
        }
        let rows = world.rows();
        let stamp = world.visible();
        keep(world, stamp, rows);
        (stamp, rows)
    };
    asked_again(REVOCATION, late).finds(ACCEPTED);
    asked_again(ROLE, late).finds(ACCEPTED);
}

/// Somebody gets an access token and shows it, while its session is revoked, or its user loses a role.
fn shown_tokens(batches: &'static [&'static [(What, u64)]], order: Order) -> Search {
    search(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            for changes in batches {
                let tells = changes.iter().map(|(what, _)| tells(*what)).sum();
                order(&mut Batch::of(&daemon, changes, tells));
            }
        });
        let token = Held { stamp: Stamp(3), demoted: false };
        let stands = |world: &World| check_first(&world.page.reader(), token.stamp, Stamp(1)).is_ok();
        let told = world.told();
        let wrong = told & TOKEN != 0 && token.is_over(told) && stands(&world);
        writer.join().unwrap();
        if wrong || stands(&world) { Err(ACCEPTED) } else { Ok(()) }
    })
}

const TOKEN_FIRST: &[&[(What, u64)]] = &[&[(What::Token, 3)], &[(What::Demote, 4)], &[(What::Revoke, 5)]];
const TOKEN_IN_THE_SAME: &[&[(What, u64)]] = &[&[(What::Token, 3), (What::Demote, 4)], &[(What::Revoke, 5)]];

#[test]
fn an_access_token_ends_with_the_answer_that_took_it_back() {
    shown_tokens(TOKEN_FIRST, in_order).holds();
    shown_tokens(TOKEN_IN_THE_SAME, in_order).holds();
}

#[test]
fn rule_1_an_answer_before_the_raise_is_found_by_a_token() {
    let early: Order = |batch| {
        let () = batch.commit().unwrap();
        batch.answer(());
        batch.publish(&());
        batch.show(&());
    };
    shown_tokens(TOKEN_FIRST, early).finds(ACCEPTED);
}

/// Somebody has a key and signs tokens with it that bear whatever stamp is best.
fn forged_tokens(changes: &'static [(What, u64)], stamp: Stamp, goes: fn(&World, Stamp) -> bool) -> Search {
    search(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || carry_out(&mut Batch::of(&daemon, changes, REVOKED)).unwrap());
        let told = world.told();
        let wrong = goes(&world, stamp) && told & REVOKED != 0;
        writer.join().unwrap();
        if wrong || goes(&world, stamp) { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn a_stamp_that_was_never_reached_is_asked_about() {
    let judged = |world: &World, stamp| check_first(&world.page.reader(), stamp, Stamp(1)).is_ok();
    forged_tokens(&[(What::Revoke, 3)], Stamp(99), judged).holds();

    let held = |world: &World, stamp| check(&world.page.reader(), stamp, NOW).is_ok();
    forged_tokens(&[(What::Revoke, 3)], Stamp(99), held).finds(ACCEPTED);
}

#[test]
fn a_key_that_was_taken_back_signs_nothing() {
    let judged = |world: &World, stamp| check_first(&world.page.reader(), stamp, Stamp(1)).is_ok();
    forged_tokens(&[(What::Emergency, 3)], Stamp(3), judged).holds();

    // Whoever takes the board's word for which keys they hold.
    let trusting = |world: &World, stamp| {
        let reader = world.page.reader();
        reader.check_first(stamp, watched(&reader), reader.keys(), NOW).is_ok()
    };
    forged_tokens(&[(What::Emergency, 3)], Stamp(3), trusting).finds(ACCEPTED);
}
