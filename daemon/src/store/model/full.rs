//! The disk is full: what takes sessions back goes on, what opens them is refused, whatever becomes of the power, and both end when there is room.

use std::sync::Arc;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::SessionId;

use super::commands::{APPS, admin, code, roles};
use super::disk::{Dice, Disk};
use super::from_environment;
use super::house::{House, Manual};
use super::power::new_image;
use crate::domain::account::{Name, NewUser};
use crate::domain::command::{Command, Opening, Vouch, Whom};
use crate::domain::effect::Outcome;
use crate::domain::family::ContextTag;
use crate::domain::fixture::permit;
use crate::domain::revocation::Target;
use crate::domain::session::Origin;

/// More sessions than are taken back on one full disk.
const SESSIONS: usize = 200;

/// A house on a disk that something else fills up.
struct Siege {
    house: House,
    disk: Disk,
    time: Arc<Manual>,
    dice: Dice,
    users: u32,
    living: Vec<SessionId>,
    gone: Vec<SessionId>,
}

impl Siege {
    fn begin(seed: u64) -> Self {
        let (time, mut dice) = (Arc::new(Manual::new()), Dice(seed));
        let disk = Disk::with(new_image(), None, Dice(dice.next()));
        let mut house = House::on(disk.clone(), Arc::clone(&time));
        house.start();
        Self { house, disk, time, dice, users: 0, living: Vec::new(), gone: Vec::new() }
    }

    /// Adds a user and opens a session for them.
    fn open(&mut self) -> Option<ErrorCode> {
        self.time.wait(1);
        self.users += 1;
        let name = Name::parse(&format!("user{}", self.users)).unwrap();
        let add = Command::AddUser(Box::new(NewUser { roles: roles(1), ..NewUser::named(name.clone()) }));
        let added = self.house.submit(admin(), add);
        if added.is_err() {
            return code(&added);
        }
        let opening = Opening {
            kind: SessionKind::Token,
            audience: None,
            origin: Origin::default(),
            tag: ContextTag(0),
        };
        let vouch = Vouch { user: Whom::Name(name), amr: vec!["pwd".into()], opening };
        let opened = self.house.submit(permit(APPS[0]), Command::Vouch(Box::new(vouch)));
        if let Ok(Outcome::Granted(grant)) = &opened {
            self.living.push(grant.session);
        }
        code(&opened)
    }

    fn revoke(&mut self) {
        let index = usize::try_from(self.dice.below(self.living.len() as u64)).unwrap();
        let session = self.living.swap_remove(index);
        self.time.wait(1);
        let revoked = self.house.submit(admin(), Command::Revoke(Target::Session(session)));
        assert!(revoked.is_ok(), "after {} on a full disk: {revoked:?}", self.gone.len());
        self.gone.push(session);
    }

    /// The disk fills up, and the house notices before it has to.
    fn fill_up(&mut self) {
        let but = usize::try_from(self.dice.below(200_000)).unwrap();
        self.disk.fill_up(but);
        self.use_up();
    }

    /// Opens sessions until the room that is left is what is kept.
    fn use_up(&mut self) {
        for opened in 0..100_000 {
            let Some(refused) = self.open() else { continue };
            return assert_eq!(refused, ErrorCode::DiskFull, "after {opened}");
        }
        panic!("the disk is full for nobody");
    }

    /// The power fails, and comes back to a disk that is as full as before.
    fn cut(&mut self) {
        self.restart();
        self.use_up();
    }

    fn restart(&mut self) {
        self.disk = self.disk.after_the_cut(None, Dice(self.dice.next()));
        // A store without power cannot stop well.
        let _ = self.house.try_stop();
        self.house.put_on(self.disk.clone());
        self.house.start();
    }

    fn check(&self) {
        let snapshot = self.house.store().snapshot().unwrap();
        for (sessions, is_over) in [(&self.gone, true), (&self.living, false)] {
            for session in sessions {
                let found = snapshot.found(*session).unwrap().session.unwrap();
                assert_eq!(found.hot.revoked.is_some(), is_over);
            }
        }
    }
}

fn withstand(seed: u64) {
    let mut siege = Siege::begin(seed);
    for _ in 0..SESSIONS {
        assert_eq!(siege.open(), None);
    }
    for _ in 0..2 {
        siege.fill_up();
        for _ in 0..SESSIONS / 4 {
            siege.revoke();
            if siege.dice.percent(1) {
                siege.cut();
            }
            if siege.dice.percent(5) {
                siege.use_up();
            }
        }
        siege.check();
        siege.disk.clear_up();
        siege.time.wait(1_000);
        assert_eq!(siege.open(), None, "all is well at once");
    }
    siege.restart();
    siege.check();
}

/// G14 on a full disk. `HALLPASS_FULL_DISKS` says how often.
#[test]
fn a_full_disk_takes_sessions_back_and_opens_none() {
    let first = from_environment("HALLPASS_POWER_SEED", 1);
    for seed in first..first + from_environment("HALLPASS_FULL_DISKS", 1) {
        let withstood = std::panic::catch_unwind(|| withstand(seed));
        assert!(withstood.is_ok(), "HALLPASS_POWER_SEED={seed} HALLPASS_FULL_DISKS=1 shows it alone");
    }
}
