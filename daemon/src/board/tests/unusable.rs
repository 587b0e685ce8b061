//! What a client may find where it was told that the board is: whatever it cannot read is no board, and it asks.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use hallpass_protocol::board::{BadHeader, Unusable, open};
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use super::{House, Stamp};

#[test]
fn what_the_file_says_of_itself_must_fit() {
    let house = House::new();
    let place = house.serving(10).place().unwrap();
    let whole = fs::read(house.path()).unwrap();
    // The daemon is gone, and nobody has it mapped who could miss a page.
    let opens = |bytes: &[u8], database| {
        fs::write(house.path(), bytes).unwrap();
        open(&place, &database)
    };
    let with = |at: usize, byte: u8| {
        let mut other = whole.clone();
        other[at] = byte;
        other
    };
    assert!(opens(&whole, [7; 16]).is_ok());
    assert!(matches!(opens(&whole, [8; 16]), Err(Unusable::Foreign(_))), "of another database");
    assert!(matches!(opens(&with(48, 8), [7; 16]), Err(Unusable::Foreign(_))), "of another database");
    assert!(matches!(opens(&with(64, !whole[64]), [7; 16]), Err(Unusable::Foreign(_))), "of another boot");
    for (at, byte, fault) in
        [(0, b'X', BadHeader::NotABoard), (8, 200, BadHeader::Layout(200)), (13, 5, BadHeader::Slots)]
    {
        let opened = opens(&with(at, byte), [7; 16]);
        assert!(matches!(opened, Err(Unusable::Header { fault: found, .. }) if found == fault), "{fault}");
    }
    for length in [0, 100, 4096, whole.len() - 1] {
        assert!(matches!(opens(&whole[..length], [7; 16]), Err(Unusable::Cut(_))), "cut to {length}");
    }
    assert!(opens(&whole, [7; 16]).is_ok(), "as it was");
}

#[test]
fn what_lies_in_its_place_must_be_it() {
    let house = House::new();
    let place = house.serving(10).place().unwrap();
    let opens = || open(&place, &[7; 16]);
    if !geteuid().is_root() {
        fs::set_permissions(house.path(), Permissions::from_mode(0o000)).unwrap();
        assert!(matches!(opens(), Err(Unusable::File { .. })), "it may not be read");
        fs::set_permissions(house.path(), Permissions::from_mode(0o644)).unwrap();
    }
    let aside = house.path().with_extension("aside");
    fs::rename(house.path(), &aside).unwrap();
    assert!(matches!(opens(), Err(Unusable::File { .. })), "nothing is there");
    symlink(&aside, house.path()).unwrap();
    assert!(matches!(opens(), Err(Unusable::File { .. })), "a link, even to the board");
    fs::remove_file(house.path()).unwrap();
    // It must not make anybody wait.
    mkfifo(&house.path(), Mode::S_IRWXU).unwrap();
    assert!(matches!(opens(), Err(Unusable::Replaced(_))), "a pipe");
    fs::remove_file(house.path()).unwrap();
    fs::create_dir(house.path()).unwrap();
    assert!(matches!(opens(), Err(Unusable::Replaced(_))), "a directory");
    fs::remove_dir(house.path()).unwrap();
    File::create(house.path()).unwrap();
    assert!(matches!(opens(), Err(Unusable::Replaced(_))), "an empty file");
    fs::rename(&aside, house.path()).unwrap();
    assert_eq!(opens().unwrap().life(), Stamp(10), "the board itself, moved back");
}
