//! The board through the daemon's eyes, on files that are really mapped.

mod race;
mod unusable;

use super::*;
use hallpass_protocol::board::{Ask, LEASE, ReadMapping, Reader};
use hallpass_protocol::id::{SessionId, UserId};
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;

const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const USER: UserId = UserId::from_bytes([2; 16]);
const NOW: Millis = Millis::from_u64(1_000_000);

/// The two directories of a daemon.
struct House {
    state: TempDir,
    runtime: TempDir,
}

impl House {
    fn new() -> Self {
        Self { state: TempDir::new().unwrap(), runtime: TempDir::new().unwrap() }
    }

    fn parts(&self) -> Parts {
        Parts {
            runtime_dir: self.runtime.path().to_owned(),
            state_dir: self.state.path().to_owned(),
            slots: 1024,
            database: [7; 16],
            hash_key: [9; 32],
            highest: Stamp(1_000),
        }
    }

    fn claim(&self) -> Board {
        Board::claim(self.parts()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.runtime.path().join("board")
    }

    /// A board that serves from this floor on.
    fn serving(&self, floor: u64) -> Board {
        let board = self.claim();
        assert_eq!(board.others_lease(), Duration::ZERO);
        board.open(Stamp(floor), Stamp(floor), NOW);
        board
    }
}

fn read(board: &Board) -> Reader<ReadMapping> {
    board::open(&board.place().unwrap(), &[7; 16]).unwrap()
}

fn check(reader: &Reader<ReadMapping>, stamp: u64) -> Result<(), Ask> {
    reader.check(Stamp(stamp), reader.watch(SESSION, USER), monotonic_nanos()).map(drop)
}

#[test]
fn what_a_commit_changes_is_asked_about_and_nothing_else_is() {
    let house = House::new();
    let board = house.serving(10);
    let reader = read(&board);
    assert_eq!((check(&reader, 9), check(&reader, 10)), (Err(Ask::Floor), Ok(())));

    board.publish(&[(Raise::Session(SESSION), Stamp(11))], None, Stamp(12));
    assert_eq!((check(&reader, 10), check(&reader, 11)), (Err(Ask::Changed), Ok(())));
    board.publish(&[(Raise::User(USER), Stamp(13))], None, Stamp(13));
    assert_eq!((check(&reader, 12), check(&reader, 13)), (Err(Ask::Changed), Ok(())));
    board.publish(&[(Raise::User(UserId::from_bytes([3; 16])), Stamp(14))], None, Stamp(14));
    assert_eq!(check(&reader, 13), Ok(()), "another user's slot, as these identifiers are");
    board.publish(&[(Raise::Everything, Stamp(15))], None, Stamp(15));
    assert_eq!((check(&reader, 14), check(&reader, 15)), (Err(Ask::Floor), Ok(())));

    let first = |stamp, keys| {
        reader.check_first(Stamp(stamp), reader.watch(SESSION, USER), Stamp(keys), monotonic_nanos())
    };
    assert_eq!((first(15, 10), first(16, 10)), (Ok(()), Err(Ask::Ahead)));
    board.publish(&[], Some(Stamp(16)), Stamp(16));
    assert_eq!((first(16, 10), first(16, 16)), (Err(Ask::Keys), Ok(())));
}

#[test]
fn a_daemon_that_was_killed_leaves_its_page_to_the_next() {
    let house = House::new();
    let board = house.serving(10);
    let (reader, place) = (read(&board), board.place());
    board.publish(&[], None, Stamp(20));
    // Dropped without a word, as a process that is killed drops it.
    drop(board);
    assert_eq!(check(&reader, 20), Ok(()), "its lease goes on");

    let next = house.claim();
    assert_eq!(check(&reader, 20), Err(Ask::Closed), "nobody believes it until the next one says so");
    assert_eq!((next.visible(), next.others_lease()), (Stamp(20), Duration::ZERO));
    assert_eq!(next.place(), None);
    next.open(Stamp(21), Stamp(21), NOW);
    assert_eq!(next.place(), place);
    assert_eq!((check(&reader, 20), check(&reader, 21)), (Err(Ask::Floor), Ok(())));
    next.close();
    assert_eq!(check(&reader, 21), Err(Ask::Closed));
}

#[test]
fn a_board_of_another_shape_or_database_is_closed_for_good() {
    for change in [
        |parts: &mut Parts| parts.slots = 2048,
        |parts: &mut Parts| parts.database = [8; 16],
        // What it says it has reached is beyond any stamp.
        |parts: &mut Parts| parts.highest = Stamp(5),
    ] {
        let house = House::new();
        let board = house.serving(10);
        let (reader, place) = (read(&board), board.place().unwrap());
        drop(board);
        let mut parts = house.parts();
        change(&mut parts);
        let next = Board::claim(parts).unwrap();
        assert_eq!(next.others_lease(), Duration::ZERO);
        next.open(Stamp(30), Stamp(30), NOW);
        assert_ne!(next.place().unwrap().inode, place.inode);
        assert_eq!(check(&reader, 30), Err(Ask::Closed));
        assert!(matches!(board::open(&place, &[7; 16]), Err(board::Unusable::Replaced(_))));
    }
}

#[test]
fn a_board_out_of_reach_is_waited_for() {
    let house = House::new();
    let board = house.serving(10);
    let reader = read(&board);
    std::fs::remove_file(house.path()).unwrap();
    drop(board);
    let next = house.claim();
    assert_eq!(check(&reader, 10), Ok(()), "nothing can close it");
    let wait = next.others_lease();
    assert!(wait + Duration::from_secs(1) > LEASE && wait <= LEASE, "{wait:?}");
    drop(next);
    // A start that got no further than this has not made it safe.
    assert!(!house.claim().others_lease().is_zero());

    // Of another boot there is no lease.
    std::fs::write(house.state.path().join("board.lease"), format!("{} 5 5\n", "ab".repeat(16))).unwrap();
    assert!(house.claim().others_lease().is_zero());
}

#[test]
fn a_note_that_speaks_of_another_file_or_of_none_is_heeded() {
    type Harm = fn(&str) -> String;
    // The same number in another file system, as where the runtime directory was another one. Then what is left of a note.
    let elsewhere: Harm = |note| {
        let [boot, device, inode]: [&str; 3] =
            note.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        format!("{boot} {device}1 {inode}\n")
    };
    for harm in [elsewhere, |note| note[..40].to_owned(), |_| String::new()] {
        let house = House::new();
        let board = house.serving(10);
        let place = board.place().unwrap();
        drop(board);
        let note = house.state.path().join("board.lease");
        std::fs::write(&note, harm(&std::fs::read_to_string(&note).unwrap())).unwrap();
        let next = house.claim();
        assert!(!next.others_lease().is_zero(), "that one is out of reach");
        next.open(Stamp(30), Stamp(30), NOW);
        assert_ne!(next.place().unwrap().inode, place.inode);
    }
}

#[test]
fn a_copy_in_its_place_is_not_the_board() {
    let house = House::new();
    let board = house.serving(10);
    let copy = house.runtime.path().join("copy");
    std::fs::copy(house.path(), &copy).unwrap();
    std::fs::rename(&copy, house.path()).unwrap();
    let place = board.place().unwrap();
    assert!(matches!(board::open(&place, &[7; 16]), Err(board::Unusable::Replaced(_))));
    // Nor is the file of the same number in another file system, as one who sees other mounts may find it.
    let file = std::fs::metadata(house.path()).unwrap();
    let here = BoardPlace { inode: file.ino(), ..place };
    assert!(board::open(&here, &[7; 16]).is_ok());
    let elsewhere = BoardPlace { device: here.device + 1, ..here };
    assert!(matches!(board::open(&elsewhere, &[7; 16]), Err(board::Unusable::Replaced(_))));
    drop(board);
    assert!(!house.claim().others_lease().is_zero(), "the one that clients have is elsewhere");
}

#[test]
fn after_a_clean_end_nothing_is_waited_for() {
    let house = House::new();
    house.serving(10).close();
    std::fs::remove_file(house.path()).unwrap();
    assert!(house.claim().others_lease().is_zero());
}

#[test]
fn what_is_lost_while_it_serves_is_made_anew() {
    type Harm = fn(&House);
    let harms: [Harm; 3] = [
        |house| std::fs::remove_file(house.path()).unwrap(),
        |house| std::fs::write(house.runtime.path().join("other"), "x").unwrap(),
        |house| {
            std::fs::write(house.runtime.path().join("other"), "x").unwrap();
            std::fs::rename(house.runtime.path().join("other"), house.path()).unwrap();
        },
    ];
    for (harm, lost) in harms.into_iter().zip([true, false, true]) {
        let house = House::new();
        let board = house.serving(10);
        board.publish(&[(Raise::Session(SESSION), Stamp(40))], Some(Stamp(40)), Stamp(41));
        let (old, place) = (read(&board), board.place());
        harm(&house);
        board.tend(NOW);
        assert_eq!(board.place() != place, lost);
        let reader = read(&board);
        if lost {
            assert_eq!(check(&old, 41), Err(Ask::Closed));
        }
        // What came before the loss is not on the new one, so it is asked about.
        assert!(check(&reader, 39).is_err());
        assert_eq!((check(&reader, 41), reader.keys()), (Ok(()), Stamp(40)));
        board.close();
        board.tend(NOW);
        assert_eq!(check(&reader, 41), Err(Ask::Closed), "a closed board is not tended");
    }
}

#[test]
fn what_is_in_the_way_is_no_board() {
    for harm in ["cut", "garbage", "link"] {
        let house = House::new();
        let kept = house.runtime.path().join("kept");
        match harm {
            "cut" => {
                house.serving(10).close();
                std::fs::File::options().write(true).open(house.path()).unwrap().set_len(5_000).unwrap();
            }
            "garbage" => std::fs::write(house.path(), vec![7; 20_000]).unwrap(),
            _ => {
                std::fs::write(&kept, "mine").unwrap();
                std::os::unix::fs::symlink(&kept, house.path()).unwrap();
            }
        }
        let board = house.serving(10);
        assert_eq!(check(&read(&board), 10), Ok(()), "{harm}");
        assert!(!kept.exists() || std::fs::read(&kept).unwrap() == b"mine");
    }
}

#[test]
fn g8_one_directory_one_daemon() {
    let house = House::new();
    let _board = house.serving(10);
    let refused = Board::claim(Parts { state_dir: "/nonexistent".into(), ..house.parts() }).unwrap_err();
    assert!(refused.to_string().contains("in use by another hallpassd"), "{refused}");
}

#[test]
fn a_place_that_takes_no_file_is_tried_again() {
    let house = House::new();
    // A directory of that name cannot be replaced by a file.
    std::fs::create_dir(house.path()).unwrap();
    let board = house.serving(10);
    assert_eq!(board.place(), None);
    board.publish(&[], None, Stamp(11));
    board.tend(NOW);
    assert_eq!(board.place(), None, "not before its time");
    std::fs::remove_dir(house.path()).unwrap();
    board.lock().retry_at = 0;
    board.tend(NOW);
    assert_eq!(check(&read(&board), 10), Err(Ask::Floor));
    assert_eq!(check(&read(&board), 11), Ok(()));
}
