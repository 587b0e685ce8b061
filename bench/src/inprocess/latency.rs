//! How soon a reader sees that something was taken back: from before the slot is stored to after a verification that says *ask*.
//!
//! The daemon does not say when it stores a slot, so a thread of the bench does it, with the daemon's own writer and on the daemon's own board. What it
//! takes to find the slot is counted in.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use hallpass_client::{Needs, SessionKind, Verifier, Way};
use hallpass_protocol::board::{Header, WriteMapping, Writer, bytes};
use hallpass_protocol::time::Stamp;

use super::Extent;
use crate::daemon::{Daemon, Session};
use crate::place::{cores, here};
use crate::report::{OURS, Row, Unit};
use crate::{Outcome, place};

/// What its row is called.
pub const NAME: &str = "in process, until a reader sees a slot stored";
/// Stores in one round.
const STORES: usize = 200;
/// How long a reader reads before anything changes.
const READING: Duration = Duration::from_micros(50);
/// Longest wait for a verifier to hold what it was told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures the median of each round.
pub async fn measure(daemon: &Daemon, extent: &Extent<'_>) -> Outcome<Row> {
    let mut row = Row::of(NAME.to_owned(), Unit::Nanos, &[OURS]);
    let mut sessions = daemon.open(SessionKind::Cookie, 2, 1).await?;
    let (Some(other), Some(session)) = (sessions.pop(), sessions.pop()) else {
        return Err("two sessions were not opened".into());
    };
    let (verifier, writer) = (Verifier::connect(daemon.socket())?, writer(daemon)?);
    for round in 0..=extent.rounds {
        let mut nanos = Vec::with_capacity(STORES);
        for _ in 0..STORES {
            held_again(daemon, &verifier, &session, &other).await?;
            nanos.push(store_and_see(&verifier, &writer, &session)?.as_secs_f64() * 1e9);
        }
        if round > 0 {
            row.add(vec![crate::report::median(&mut nanos)]);
        }
    }
    place::everywhere()?;
    println!("{}", row.line());
    Ok(row)
}

fn writer(daemon: &Daemon) -> Outcome<Writer<WriteMapping>> {
    let mut file = File::options().read(true).write(true).open(daemon.board())?;
    let mut start = [0; 128];
    file.read_exact(&mut start)?;
    let header = Header::from_bytes(&start)?;
    Ok(Writer::new(WriteMapping::new(&file, bytes(header.slots))?, header))
}

/// Has the daemon commit something that concerns nobody here, so that it has seen what was stored, and the verifier learn of it.
async fn held_again(daemon: &Daemon, verifier: &Verifier, session: &Session, other: &Session) -> Outcome<()> {
    let give_up = Instant::now() + PATIENCE;
    while verifier.verify_async(&session.token, &Needs::default(), None).await?.way() != Way::Memory {
        if Instant::now() > give_up {
            return Err("the verifier never holds what it is told".into());
        }
        daemon.admin.user_set_roles(&other.user, Vec::new()).await?;
    }
    Ok(())
}

/// The time from one to the other. Reader and writer have a core each.
fn store_and_see(verifier: &Verifier, writer: &Writer<WriteMapping>, session: &Session) -> Outcome<Duration> {
    let cores = cores()?;
    let (reading, needs) = (AtomicBool::new(false), Needs::default());
    let sees = || {
        // Where a thread cannot be put, it runs where it may.
        let _ = here(cores[1]);
        while verifier.try_verify(&session.token, &needs, None).is_some() {
            reading.store(true, Ordering::Relaxed);
        }
        Instant::now()
    };
    here(cores[0])?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(sees);
        while !reading.load(Ordering::Relaxed) && !reader.is_finished() {}
        let begun = Instant::now();
        while begun.elapsed() < READING {}
        let now = SystemTime::UNIX_EPOCH.elapsed()?;
        let stamp = Stamp(u64::try_from(now.as_micros())?);
        let stored = Instant::now();
        writer.raise(session.id.as_bytes(), stamp);
        let seen = reader.join().map_err(|_| "the reader panicked")?;
        Ok(seen.duration_since(stored))
    })
}
