//! Many sessions are over at once. They are swept away in small pieces on a real disk, while somebody verifies and somebody else writes.
//!
//! `HALLPASS_SWEEP_SESSIONS` says how many; with `--nocapture` it says how long a sweep held the writer.

use std::io::Write;
use std::time::Duration;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::{Millis, Stamp};
use redb::ReadableDatabase;

use super::commands::{asked, code, shown};
use super::from_environment;
use super::house::House;
use crate::clock::{SystemTime, TimeSource};
use crate::domain::check::{Shown, verify};
use crate::domain::command::Command;
use crate::domain::effect::{Effect, Outcome};
use crate::domain::fixture::{self, permit};
use crate::domain::policy::admit_daemon;
use crate::domain::session::{Cold, Hot, Session};
use crate::domain::time::{Moment, Outage};
use crate::store::apply::apply;
use crate::store::facts::SWEEP_SESSIONS;
use crate::store::rows::Rows;
use crate::store::schema::Table;

/// Generations of sessions that follow each other, after which the file must not have grown much.
const GENERATIONS: u64 = 4;
/// Sessions that are opened in one transaction.
const AT_ONCE: usize = 10_000;
/// Sessions that are looked at again and again.
const WATCHED: usize = 16;
const HOUR: u64 = 3_600_000;

/// The n-th session of those that are opened now: one for a cookie, which goes at its idle end, and one with tokens, which stays for its answers.
fn session(number: u64, now: Millis) -> Session {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let base = fixture::session();
    let kind = if number.is_multiple_of(2) { SessionKind::Cookie } else { SessionKind::Token };
    let after = |hours: u64| now.plus(Duration::from_millis(hours * HOUR));
    let opened = Stamp(now.as_u64() * 1000);
    Session {
        id: SessionId::new(now, random),
        cold: Cold { kind, opened, absolute_deadline: after(2), ..base.cold },
        hot: Hot { idle_deadline: after(1), ..base.hot },
    }
}

/// Opens so many sessions, behind the writer's back, and gives some of them.
fn open(house: &House, count: u64) -> Vec<Session> {
    let now = Millis::from_u64(house.now());
    let sessions: Vec<_> = (0..count).map(|number| session(number, now)).collect();
    let at = Moment { now, stamp: Stamp(now.as_u64() * 1000), outage: Outage::default() };
    let handle = house.store().handle();
    for some in sessions.chunks(AT_ONCE) {
        let txn = handle.begin_write().unwrap();
        {
            let mut rows = Rows::of_writer(&txn, handle.checksums()).unwrap();
            let user = Effect::PutUser(fixture::user());
            let opened = some.iter().map(|session| Effect::OpenSession(Box::new(session.clone())));
            apply(&mut rows, &std::iter::once(user).chain(opened).collect::<Vec<_>>(), &at).unwrap();
        }
        txn.commit().unwrap();
    }
    sessions.into_iter().step_by(usize::try_from(count).unwrap().div_ceil(WATCHED) | 1).collect()
}

/// Every one of them is told the same as at its end, whether its rows are still there or not, and comes to life no more.
fn all_over(house: &mut House, sessions: &[Session]) {
    let now = Millis::from_u64(house.now());
    let permit = permit("shop");
    for Session { id, cold, .. } in sessions {
        let access = Shown::Access { session: *id, user: cold.user, expires: Millis::MAX };
        let shown_now = if cold.kind == SessionKind::Cookie { Shown::Session(*id) } else { access };
        let found = house.store().snapshot().unwrap().found(*id).unwrap();
        let refused = verify(&asked(&permit, shown_now, now), &found).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Expired, "{id}");
        if cold.kind == SessionKind::Token {
            assert_eq!(
                code(&house.submit(permit.clone(), shown(*id, 1, None))),
                Some(ErrorCode::Expired),
                "{id}"
            );
        }
        let touched = house.submit(permit.clone(), Command::Touch(*id, None));
        assert!(
            touched.is_ok()
                && house
                    .store()
                    .snapshot()
                    .unwrap()
                    .found(*id)
                    .unwrap()
                    .session
                    .is_none_or(|session| session.hot.idle_deadline <= now)
        );
    }
}

/// How long each sweep held the writer, in microseconds.
#[derive(Default)]
struct Held(Vec<u64>);

impl Held {
    /// Sweeps until nothing is left, and looks at some sessions on the way.
    fn sweep(&mut self, house: &mut House, over: &[Session]) {
        all_over(house, over);
        for turn in 0_u64.. {
            let begun = SystemTime.steady_micros();
            let outcome = house.submit(admit_daemon(0, 1), Command::Sweep);
            self.0.push(SystemTime.steady_micros() - begun);
            let Ok(Outcome::Swept(looked_at)) = outcome else { panic!("{outcome:?}") };
            assert!(looked_at <= SWEEP_SESSIONS as u64, "it is bounded");
            if turn.is_multiple_of(64) {
                all_over(house, over);
            }
            if looked_at < SWEEP_SESSIONS as u64 {
                break;
            }
        }
        all_over(house, over);
    }

    fn told(&mut self, sessions: u64, bytes: &[u64]) -> String {
        self.0.sort_unstable();
        let at = |percent: usize| self.0[(self.0.len() - 1) * percent / 100];
        let (count, sum) = (self.0.len(), self.0.iter().sum::<u64>());
        format!(
            "{sessions} sessions, {count} sweeps: median {} us, 99 % {} us, longest {} us, {} ms in all; file {bytes:?} bytes\n",
            at(50),
            at(99),
            at(100),
            sum / 1000
        )
    }
}

#[test]
fn b19_sessions_that_are_over_at_once_go_in_small_pieces_and_are_expired_until_they_do() {
    let count = from_environment("HALLPASS_SWEEP_SESSIONS", 2_000);
    let mut house = House::in_dir(tempfile::tempdir().unwrap());
    let (mut held, mut bytes) = (Held::default(), Vec::new());
    let left = |house: &House| {
        let handle = house.store().handle();
        let rows =
            handle.with(|database| Rows::of_snapshot(&database.begin_read()?, handle.checksums())).unwrap();
        [Table::Hot, Table::Cold, Table::Due, Table::OfUser].map(|table| rows.len(table).unwrap())
    };
    for _ in 0..GENERATIONS {
        let watched = open(&house, count);
        house.time.wait(HOUR + 1);
        held.sweep(&mut house, &watched);
        let half = count / 2;
        assert_eq!(left(&house), [half, half, half, 0], "those with tokens stay, and are in nobody's way");
        house.time.wait(HOUR);
        held.sweep(&mut house, &watched);
        assert_eq!(left(&house), [0; 4]);
        bytes.push(house.store().bytes().unwrap());
    }
    let told = held.told(count, &bytes);
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    assert!(bytes[bytes.len() - 1] <= bytes[0] * 3 / 2, "the file grows with every generation: {bytes:?}");
    assert!(
        held.0.len() as u64 <= GENERATIONS * (2 * count / SWEEP_SESSIONS as u64 + 4),
        "no more than it takes"
    );
    house.stop();
}
