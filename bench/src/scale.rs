//! How everything that a daemon does grows with its sessions: the same measurements on databases of several sizes, and their ratios.

mod churn;
mod process;
mod report;
mod traffic;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, EXCHANGED_AT_WILL, Twist};
use crate::disk::Disk;
use crate::{Outcome, sessions};
use report::Column;

pub use report::{json, table};

/// How often what takes a moment is done, to take the one in the middle.
const TIMES: usize = 3;
/// Up to so many sessions a day of their use is gone through; more would take an hour.
const CHURNED: usize = 1_000_000;
/// For how long a sweep is watched.
const SWEEP: Duration = Duration::from_secs(20);
/// A day after the last of all sessions has ended.
const ALL_OVER: Duration = Duration::from_secs(32 * 24 * 3600);

/// Measures each size, the smallest first.
pub async fn measure(disk: &Disk, dir: &Path, sizes: &[usize], length: Duration) -> Outcome<Vec<Column>> {
    println!("Databases lie in {}.", disk.describe()?);
    let mut columns: Vec<Column> = Vec::new();
    for &size in sizes {
        let column = one(disk, dir, size, length).await?;
        println!("{}", table(std::slice::from_ref(&column)));
        columns.push(column);
    }
    Ok(columns)
}

async fn one(disk: &Disk, dir: &Path, size: usize, length: Duration) -> Outcome<Column> {
    let filled = sessions::filled(disk, size, dir).await?;
    let copy = disk.copy(&filled, &format!("scale-{size}"))?;
    let state = sessions::state(&copy);
    let mut column = Column::new(size);
    let file = state.join("hallpass.redb");
    column.put("file, filled: bytes a session", file_bytes(&file)? / size as f64);

    column.put("start after a clean stop: ms", started(&state, dir, Daemon::stop).await?);
    let daemon = started_on(&state, dir).await?;
    column.put("resident memory, idle: MiB", process::resident_mib(daemon.id())?);
    let mut tokens = sessions::tokens(&filled)?;
    traffic::measure(&daemon, &mut tokens, length, &mut column).await?;
    column.put("resident memory, after that: MiB", process::resident_mib(daemon.id())?);
    if size <= CHURNED {
        let known = churn::day(&daemon, &mut tokens, size).await?;
        column.put("file, after a day: bytes a session", file_bytes(&file)? / known as f64);
        column.put("resident memory, after a day: MiB", process::resident_mib(daemon.id())?);
    }
    column.put("backup: s", backup(&daemon, &copy).await?);
    column.put("resident memory, after a backup: MiB", process::resident_mib(daemon.id())?);
    drop(daemon);

    column.put("start after SIGKILL: ms", started(&state, dir, Daemon::kill).await?);
    churn::sweep(&state, dir, SWEEP, &mut column).await?;
    Ok(column)
}

/// Milliseconds until a daemon answers on a database on which one was ended so, with a change just before.
async fn started(state: &Path, dir: &Path, end: fn(Daemon)) -> Outcome<f64> {
    let mut samples = Vec::new();
    for number in 0..=TIMES {
        let begun = Instant::now();
        let daemon = started_on(state, dir).await?;
        // The first start is after whatever was before.
        if number > 0 {
            samples.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        sessions::open_one(&daemon.client, number, 1).await?;
        end(daemon);
    }
    Ok(crate::report::median(&mut samples))
}

async fn started_on(state: &Path, dir: &Path) -> Outcome<Daemon> {
    Daemon::start_on(state, "scale", dir, EXCHANGED_AT_WILL, Twist::default()).await
}

/// Seconds that `hallpass backup` takes.
async fn backup(daemon: &Daemon, copy: &Path) -> Outcome<f64> {
    let begun = Instant::now();
    let made = daemon.control(&["backup"])?.arg(copy.join("backup.redb")).output()?;
    if !made.status.success() {
        return Err(format!("hallpass backup: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn file_bytes(file: &Path) -> Outcome<f64> {
    Ok(file.metadata()?.len() as f64)
}
