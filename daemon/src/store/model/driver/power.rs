//! What the driver has to do where a second house is to do the same and the power of that one may be cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::Millis;

use super::Driver;
use crate::clock::Manual;
use crate::domain::command::Command;
use crate::domain::fixture;
use crate::domain::keyset::{self, KeyKind};
use crate::domain::policy::admit_daemon;
use crate::domain::reseal::MasterId;
use crate::store::Snapshot;
use crate::store::model::Op;
use crate::store::model::commands::{admin, code};
use crate::store::model::disk::{Dice, Disk};
use crate::store::model::house::{House, Submitted, key};
use crate::store::model::reference::{Ms, Reference};
use crate::store::model::seen::{Checked, same};

/// What the driver knew before a command.
pub(in crate::store::model) struct Saved {
    reference: Reference,
    sessions: Vec<(SessionId, usize, bool)>,
    refused: BTreeMap<(&'static str, &'static str), Ms>,
    audited: (u64, [u8; 32]),
    stamp: u64,
}

impl Driver {
    /// A driver on a disk of its own that nothing happens to.
    pub(in crate::store::model) fn on(image: Vec<u8>, time: Arc<Manual>) -> Self {
        let mut house = House::on(Disk::with(image, None, Dice(0)), time);
        house.start();
        Self::of(house)
    }

    /// Closes, and says what is on the disk then.
    pub(in crate::store::model) fn close(&mut self) -> Vec<u8> {
        self.house.stop();
        self.house.image()
    }

    /// Goes on with what a cut has left of the disk of the second house.
    pub(in crate::store::model) fn go_on(&mut self, image: Vec<u8>) -> Checked {
        self.house.try_stop().unwrap();
        self.house.put_on(Disk::with(image, None, Dice(0)));
        let floor = self.house.start();
        // What was seen of time since it was last written down is forgotten.
        self.now = floor.max(self.house.time.wall());
        self.steady = self.house.time.steady();
        self.reference.outage = (floor, self.now);
        self.refused.clear();
        self.restarted = true;
        self.tell_time()?;
        self.hear()?;
        self.compare(usize::MAX)
    }

    pub(in crate::store::model) fn now(&self) -> Millis {
        Millis::from_u64(self.now)
    }

    pub(in crate::store::model) fn save(&self) -> Saved {
        Saved {
            reference: self.reference.clone(),
            sessions: self.sessions.clone(),
            refused: self.refused.clone(),
            audited: self.audited,
            stamp: self.stamp,
        }
    }

    /// Takes the last command back: it never happened.
    pub(in crate::store::model) fn restore(&mut self, saved: Saved) {
        let Saved { reference, sessions, refused, audited, stamp } = saved;
        (self.reference, self.sessions, self.refused) = (reference, sessions, refused);
        (self.audited, self.stamp) = (audited, stamp);
    }

    pub(in crate::store::model) fn snapshot(&self) -> Snapshot {
        self.house.store().snapshot().unwrap()
    }

    /// The command of the last step, if it had one.
    pub(in crate::store::model) fn submitted(&mut self) -> Option<Submitted> {
        self.house.last.take()
    }

    /// A login is two commands, of which the second can be lost alone.
    pub(in crate::store::model) fn one_by_one(&self, op: Op) -> Vec<Op> {
        let Op::Login { name, app, device, right, cookie } = op else { return vec![op] };
        let pending = self.reference.pending.len();
        vec![Op::Begin { name, app, device }, Op::Settle { pending, right, cookie }]
    }

    /// Brings in a key, which the sessions do not notice, or moves those on that there are.
    pub(in crate::store::model) fn tend_keys(&mut self, dice: &mut Dice) -> Checked {
        self.house.time.wait(1);
        self.tell_time()?;
        let kind = KeyKind::ALL[usize::try_from(dice.below(KeyKind::ALL.len() as u64)).unwrap()];
        let number = keyset::next_number(&self.snapshot().keys().unwrap(), kind).unwrap();
        if dice.percent(30) {
            let outcome = self.submit(admit_daemon(0, 1), Command::TendKeys);
            same("keys that move on", code(&outcome), None)?;
        } else {
            let (new, under) = (Box::new(key(kind, number)), MasterId([0; 8]));
            let outcome = self.submit(admin(), Command::RotateKey { new, under, emergency: false });
            same("a new key", code(&outcome), None)?;
        }
        self.hear()
    }

    /// Takes down what the chain tells without asking what it should be.
    fn hear(&mut self) -> Checked {
        for (number, entry) in self.snapshot().audit_after(self.audited.0, 1000).unwrap() {
            same("the hash of an audit entry", entry.hash, super::chained(number, self.audited.1, &entry))?;
            self.stamp = entry.stamp.0;
            self.audited = (number, entry.hash);
            self.seen.note(&format!("{} {}", entry.event, entry.outcome));
        }
        Ok(())
    }

    /// A sweep says how long the longest of its lists is. That of revocations, which the reference does not keep, begins to go after two hours,
    /// by stamps, which run a little ahead of the time after every restart.
    pub(super) fn looked_at(&self, looked_at: u64, wanted: u64) -> Checked {
        let long = self.now >= fixture::START.as_u64() + 115 * 60_000;
        same("what a sweep looked at", if long { looked_at.min(wanted) } else { looked_at }, wanted)
    }

    pub(in crate::store::model) fn stops_and_starts(&mut self, down: Ms) -> Checked {
        self.restart(down)
    }

    pub(in crate::store::model) fn has_seen(&self) -> &super::Seen {
        &self.seen
    }
}
