//! What one app can do to another: not much, and nothing that lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hallpass_client::{Client, Needs, Token, Verifier};

use crate::errand::{Errand, Program, Shown, Task, open_the_way_to};
use crate::statistics::quantile;
use crate::support::dice::{number, report};
use crate::support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, cookie, own_uid};
use crate::worst::LOGINS;

/// How long one app does its worst, in seconds.
const SECONDS: &str = "HALLPASS_FAIR_SECONDS";
/// The app that does, and the group of the sockets.
const NOISY: u32 = 61_099;
const GROUP: u32 = 0;
/// Longest that a verification may take meanwhile wherever the tests run, in milliseconds. What is promised is measured on a machine that does nothing
/// else.
const BEARABLE: f64 = 1000.0;
/// More memory than this the daemon never takes: all frames, all hashes at once and what else there is. See DESIGN, section 7.
const FRAMES: u64 = 64 << 20;
const HASH: u64 = 19 << 20;
const ELSE: u64 = 32 << 20;
/// How much may be left of it afterwards: what the allocator keeps, and pages of the database.
const LEFT: u64 = 12 << 20;

/// How long each of a row of verifications took, in milliseconds.
async fn verifications(client: &Client, session: &Token, lasting: Duration) -> Vec<f64> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < lasting {
        let asked = Instant::now();
        client.verify(session.clone(), Needs::default()).await.expect("the session stands");
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        // A pace that leaves the daemon room for whoever else calls: this is to find out how long one waits, not how many fit.
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    times
}

/// The same in the app's own process, on a thread of its own: how many nanoseconds each took, a thousand at a time.
fn in_process(verifier: &Verifier, session: &str, lasting: Duration) -> Vec<f64> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < lasting {
        let asked = Instant::now();
        for _ in 0..1000 {
            verifier.verify(session).expect("the session stands");
        }
        times.push(asked.elapsed().as_secs_f64() * 1e6);
        std::thread::sleep(Duration::from_millis(1));
    }
    times
}

async fn measured(daemon: &Daemon, session: &Token, lasting: Duration, when: &str) -> f64 {
    let (client, verifier) =
        (daemon.client().await, Verifier::connect(daemon.socket()).expect("the daemon answers"));
    let shown = session.expose().to_owned();
    let near = tokio::task::spawn_blocking(move || in_process(&verifier, &shown, lasting));
    let times = verifications(&client, session, lasting).await;
    let near = near.await.expect("it verifies");
    let p99 = quantile(&times, 99);
    report(&format!(
        "{when}: {} verifications asked for, {:.3} ms in the middle, {p99:.3} ms at p99; in process {:.0} ns in the middle, {:.0} ns at p99; {} MiB resident",
        times.len(),
        quantile(&times, 50),
        quantile(&near, 50),
        quantile(&near, 99),
        daemon.rss() >> 20
    ));
    p99
}

/// How long a login takes, in milliseconds: the middle of some.
async fn logs_in(daemon: &Daemon) -> f64 {
    let (client, mut times) = (daemon.client().await, Vec::new());
    for _ in 0..5 {
        let begun = Instant::now();
        cookie(&client, "alice", PASSWORD).await.expect("she logs in");
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    quantile(&times, 50)
}

/// One app of the test's own user, which administers too, and a noisy one.
async fn house() -> Daemon {
    let daemon = Daemon::with_settings(&format!(
        "[passwords]\nparallel_hashes = 1\n[[app]]\nname = \"noisy\"\nuids = [{NOISY}]\n"
    ))
    .await;
    for dir in [daemon.dir().to_owned(), daemon.runtime_dir()] {
        open_the_way_to(&dir);
    }
    daemon
}

/// Waits until nothing is left of what the other app had open.
async fn settled(daemon: &Daemon, descriptors: usize) {
    let admin = daemon.admin().await;
    let give_up = Instant::now() + PATIENCE;
    loop {
        let status = admin.status().await.expect("the daemon answers");
        let left = (status.connections, status.hash_queue, status.write_queue, daemon.descriptors());
        // This connection is one of them.
        if left.0 == 1 && left.1 == 0 && left.2 == 0 && left.3 <= descriptors + 1 {
            return;
        }
        assert!(Instant::now() < give_up, "{left:?} left of connections, hashes, writes and descriptors");
        tokio::time::sleep(POLL * 10).await;
    }
}

#[tokio::test]
async fn e7_e9_d6_an_app_that_does_its_worst_neither_starves_another_nor_leaves_anything_behind() {
    if own_uid() != 0 {
        return report("skipped: an app of another user can be started by root only");
    }
    let lasting = Duration::from_secs(number(SECONDS, 2));
    let (daemon, program) = (house().await, Program::new());
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let (session, _) = cookie(&daemon.client().await, "alice", PASSWORD).await.expect("she logs in");
    measured(&daemon, &session, lasting, "alone").await;
    let alone = logs_in(&daemon).await;
    settled(&daemon, usize::MAX - 1).await;
    let (descriptors, memory) = (daemon.descriptors(), daemon.rss());

    let (socket, admin_socket) = (daemon.socket(), daemon.admin_socket());
    let errand =
        Errand { task: Task::DoItsWorst, socket, admin_socket, user: String::new(), shown: Shown::default() };
    let mut worst = program.start(NOISY, GROUP, &errand);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let p99 = measured(&daemon, &session, lasting, "beside an app that does its worst").await;
    let beside = logs_in(&daemon).await;
    report(&format!("a login took {alone:.0} ms alone and {beside:.0} ms beside {LOGINS} of another app"));
    assert!(beside < alone * f64::from(LOGINS) / 2.0, "a login waits behind those of another app");
    worst.kill().expect("it is our child");
    worst.wait().expect("it is our child");
    assert!(p99 < BEARABLE, "{p99} ms");
    let most = FRAMES + HASH + ELSE;
    assert!(daemon.peak_rss() < most, "{} of {most} bytes", daemon.peak_rss());

    settled(&daemon, descriptors).await;
    measured(&daemon, &session, lasting / 2, "afterwards").await;
    let grown = daemon.rss().saturating_sub(memory);
    report(&format!("{} KiB more than before, {} MiB at the most", grown >> 10, daemon.peak_rss() >> 20));
    assert!(grown < LEFT, "{grown} bytes more than before");
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

/// What the process of the noisy app does, until it is killed.
pub(crate) fn do_its_worst(errand: &Errand) {
    let stop = Arc::new(AtomicBool::new(false));
    // Whoever kills it may have come to an end itself.
    let (ended, watched) = (Arc::clone(&stop), std::os::unix::process::parent_id());
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == watched {
            std::thread::sleep(Duration::from_millis(100));
        }
        ended.store(true, Ordering::Relaxed);
    });
    crate::worst::do_it(&errand.socket, &stop);
}
