//! A life of the daemon that ends and the next that begins, on the same page or on another: rules 4, 5 and 6.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};

use hallpass_protocol::board::{Reader, Writer};
use hallpass_protocol::time::Stamp;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::super::{Says, begin, floor};
use super::world::{
    Batch, DEMOTED, Held, NOW, Page, REVOKED, Rows, TIME, TOKEN, UNKNOWN, What, World, after_the_lease,
    check, check_first, says, watched,
};
use super::{ACCEPTED, Search, search, search_long};
use crate::store::order::{Steps, carry_out, stamped};

/// Where the next life of the daemon begins.
type Floor = fn(&World) -> Stamp;
/// How it begins to be believed.
type Begin = fn(&Writer<Page>, &Says);

fn in_order(writer: &Writer<Page>, says: &Says) {
    begin(writer, says, NOW, TIME);
}

fn lease_first(writer: &Writer<Page>, says: &Says) {
    writer.extend(NOW, TIME);
    writer.open(says.life, says.floor, says.keys);
    writer.set_visible(says.visible);
}

fn above_all(world: &World) -> Stamp {
    floor(world.rows().mark, world.page.writer().visible(), 0)
}

/// The daemon starts again on the page that it has left: it closes the page, makes its floor durable and only then opens it. Whoever asks again
/// for what was committed is told that it is so, without another change.
fn restart(world: &World, from: Floor) {
    let page = world.page.writer();
    page.close();
    let floor = from(world);
    world.rows.lock().unwrap().mark = floor;
    world.visible.store(floor.0, Release);
    let mut serves = world.serves.lock().unwrap();
    *serves = true;
    in_order(&page, &says(floor.0, floor.0));
}

/// A role is taken, and the daemon is not told that this was committed; or it is killed before it can say so. It comes back.
fn lost_commits(is_killed: bool, from: Floor) -> Search {
    search(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            let mut batch = Batch::of(&daemon, &[(What::Demote, 3)], DEMOTED);
            batch.is_lost = true;
            if is_killed {
                batch.commit().unwrap_err();
            } else {
                carry_out(&mut batch).unwrap_err();
            }
            restart(&daemon, from);
            let again = daemon.visible().0 + 1;
            carry_out(&mut Batch::of(&daemon, &[(What::Nothing, again)], DEMOTED)).unwrap();
        });
        let asked = stamped(|| world.visible(), |_| Ok::<_, ()>(world.rows())).unwrap();
        let held = Held::answered(asked).unwrap();
        let told = world.told();
        let reader = world.page.reader();
        let wrong = held.is_over(told) && check(&reader, held.stamp, NOW).is_ok();
        let token = told & DEMOTED != 0 && check_first(&reader, Stamp(2), Stamp(1)).is_ok();
        writer.join().unwrap();
        let late = check(&reader, Held::OLD.stamp, NOW).is_ok();
        if wrong || token || late { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn what_may_have_been_committed_is_asked_about_after_a_restart() {
    for is_killed in [false, true] {
        lost_commits(is_killed, above_all).holds();
    }
}

#[test]
fn rule_4_a_floor_that_stays_where_it_was_is_found() {
    for is_killed in [false, true] {
        lost_commits(is_killed, |_| Stamp(1)).finds(ACCEPTED);
    }
}

#[test]
fn rule_4_a_floor_at_a_stamp_that_was_given_out_is_found() {
    // The newest stamp of an answer, and not one above it.
    lost_commits(true, |world| world.page.writer().visible()).finds(ACCEPTED);
    // A wall clock that is behind the stamps, taken at its word.
    lost_commits(true, |_| floor(Stamp(0), Stamp(0), 1)).finds(ACCEPTED);
}

/// The daemon is stopped, a backup is put back that knows nothing of the session, and the daemon starts again on the same page.
fn restores(from: Floor) -> Search {
    search(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            daemon.page.writer().close();
            *daemon.rows.lock().unwrap() = Rows { revoked: true, mark: Stamp(1), ..Rows::default() };
            restart(&daemon, from);
            daemon.tell(REVOKED);
        });
        let told = world.told();
        let stands = |world: &World| check(&world.page.reader(), Held::OLD.stamp, NOW).is_ok();
        let wrong = Held::OLD.is_over(told) && stands(&world);
        writer.join().unwrap();
        if wrong || stands(&world) { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn a_restore_goes_by_what_the_board_has_reached() {
    restores(above_all).holds();
    restores(|world| floor(world.rows().mark, Stamp(0), 0)).finds(ACCEPTED);
    restores(|world| world.page.writer().visible()).finds(ACCEPTED);
}

/// What the lease's thread does each second.
fn tend(world: &World) {
    let serves = world.serves.lock().unwrap();
    if *serves {
        world.page.writer().extend(NOW, TIME);
    }
}

/// A commit fails while the lease's thread is at work. Who has heard of it knows that nobody goes by what they hold.
fn failures(tend: fn(&World)) -> Search {
    search(move || {
        let world = World::serving();
        let (daemon, lease) = (Arc::clone(&world), Arc::clone(&world));
        let writer = thread::spawn(move || {
            let mut batch = Batch::of(&daemon, &[(What::Revoke, 3)], REVOKED);
            batch.is_lost = true;
            carry_out(&mut batch).unwrap_err();
            daemon.tell(UNKNOWN);
        });
        let tending = thread::spawn(move || tend(&lease));
        let told = world.told();
        let wrong = Held::OLD.is_over(told) && check(&world.page.reader(), Held::OLD.stamp, NOW).is_ok();
        writer.join().unwrap();
        tending.join().unwrap();
        if wrong { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn a_failed_commit_closes_the_board_for_good() {
    failures(tend).holds();
    // To look and to extend in two steps brings the lease back.
    failures(|world| {
        let serves = *world.serves.lock().unwrap();
        if serves {
            world.page.writer().extend(NOW, TIME);
        }
    })
    .finds(ACCEPTED);
}

/// The daemon had no board for a while, revoked a session and changed its keys in that time, and opens one now. Whoever has it mapped, because it
/// was there before or because they look for it by its path, may look at any moment.
fn late_boards(begin: Begin, goes: fn(&Reader<Page>) -> bool) -> Search {
    search(move || {
        let world = World::new();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            let says = Says { life: Stamp(1), floor: Stamp(5), keys: Stamp(4), visible: Stamp(5) };
            begin(&daemon.page.writer(), &says);
        });
        let wrong = goes(&world.page.reader());
        writer.join().unwrap();
        if wrong || goes(&world.page.reader()) { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn a_lease_comes_after_all_that_it_vouches_for() {
    let held = |reader: &Reader<Page>| check(reader, Stamp(2), NOW).is_ok();
    let shown = |reader: &Reader<Page>| check_first(reader, Stamp(5), Stamp(1)).is_ok();
    late_boards(in_order, held).holds();
    late_boards(in_order, shown).holds();

    late_boards(lease_first, held).finds(ACCEPTED);
}

#[test]
fn a_lease_before_the_keys_is_found() {
    // A stamp that the board has reached, of a key that it does not know of yet.
    late_boards(
        |writer, says| {
            writer.open(says.life, says.floor, Stamp(1));
            writer.extend(NOW, TIME);
            writer.set_keys(says.keys);
        },
        |reader| check_first(reader, Stamp(5), Stamp(1)).is_ok(),
    )
    .finds(ACCEPTED);
}

/// What becomes of the former page before the daemon goes on with another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Former {
    Closed,
    /// It is out of reach, and its lease runs out by itself.
    WaitedFor,
    Forgotten,
}

/// A backup is put back that knows nothing of the session, and the daemon goes on with another page. The backup and the clock know nothing of the
/// stamps that were given out, as on a machine whose clock was set back.
fn another_page(former: Former, goes: fn(&Reader<Page>, &Reader<Page>, u64) -> bool) -> Search {
    search(move || {
        let (old, new) = (World::serving(), World::new());
        let clock = Arc::new(AtomicU64::new(NOW));
        let (left, daemon, running) = (Arc::clone(&old), Arc::clone(&new), Arc::clone(&clock));
        let writer = thread::spawn(move || {
            match former {
                Former::Closed => left.page.writer().close(),
                Former::WaitedFor => running.store(after_the_lease(), Release),
                Former::Forgotten => {}
            }
            let floor = floor(Stamp(1), Stamp(0), 0);
            begin(&daemon.page.writer(), &says(floor.0, floor.0), running.load(Acquire), TIME);
            daemon.tell(REVOKED);
        });
        let told = new.told();
        let (first, second) = (old.page.reader(), new.page.reader());
        let wrong = Held::OLD.is_over(told) && goes(&first, &second, clock.load(Acquire));
        writer.join().unwrap();
        if wrong { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn a_page_that_was_left_vouches_for_nothing() {
    let on_the_old = |old: &Reader<Page>, _: &Reader<Page>, now| check(old, Held::OLD.stamp, now).is_ok();
    // An answer belongs to the page of the life that gave it, as the client sees to.
    let on_the_new = |_: &Reader<Page>, new: &Reader<Page>, now| {
        new.life() == Stamp(1) && check(new, Held::OLD.stamp, now).is_ok()
    };
    for former in [Former::Closed, Former::WaitedFor] {
        another_page(former, on_the_old).holds();
        another_page(former, on_the_new).holds();
    }
    another_page(Former::Forgotten, on_the_old).finds(ACCEPTED);
    let of_any_life = |_: &Reader<Page>, new: &Reader<Page>, now| check(new, Held::OLD.stamp, now).is_ok();
    another_page(Former::Closed, of_any_life).finds(ACCEPTED);
}

#[test]
fn rule_5_a_check_that_reads_two_pages_is_found() {
    // What came in the middle was a new page: its lease, and the slots of the old one.
    let mixed = |old: &Reader<Page>, new: &Reader<Page>, now| {
        new.check_lease(now).is_ok() && old.check_changes(Held::OLD.stamp, watched(old)).is_ok()
    };
    another_page(Former::Closed, mixed).finds(ACCEPTED);
    another_page(Former::WaitedFor, mixed).finds(ACCEPTED);
}

/// A longer story: a token and a role that is taken, a revocation of which the daemon does not hear that it was committed, a restart, and an emergency;
/// meanwhile somebody asks once and verifies twice.
fn longer_story(from: Floor) -> Search {
    search_long(move || {
        let world = World::serving();
        let daemon = Arc::clone(&world);
        let writer = thread::spawn(move || {
            let carry = |changes, tells| carry_out(&mut Batch::of(&daemon, changes, tells)).unwrap();
            carry(&[(What::Token, 3), (What::Demote, 4)], TOKEN | DEMOTED);
            let mut lost = Batch::of(&daemon, &[(What::Revoke, 5)], REVOKED);
            lost.is_lost = true;
            carry_out(&mut lost).unwrap_err();
            restart(&daemon, from);
            carry(&[(What::Nothing, 7)], REVOKED);
            carry(&[(What::Emergency, 8)], REVOKED);
        });
        let held = Held::answered(stamped(|| world.visible(), |_| Ok::<_, ()>(world.rows())).unwrap());
        let reader = world.page.reader();
        let mut wrong = false;
        for _ in 0..2 {
            let told = world.told();
            let stands = |held: Held| held.is_over(told) && check(&reader, held.stamp, NOW).is_ok();
            wrong |= held.is_some_and(stands);
            wrong |= told & TOKEN != 0 && check_first(&reader, Stamp(3), Stamp(1)).is_ok();
        }
        writer.join().unwrap();
        if wrong { Err(ACCEPTED) } else { Ok(()) }
    })
}

#[test]
fn nothing_is_accepted_in_a_longer_story() {
    longer_story(above_all).holds();
    longer_story(|_| Stamp(1)).finds(ACCEPTED);
}
