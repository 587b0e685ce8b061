//! What breaks: crashes, hangs, and keys that are gone. The sockets stay, callers come through, and somebody is told.

use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::machine::Machine;

/// A drop-in that has a hang noticed soon.
const WATCHED: &str = "mkdir -p /etc/systemd/system/hallpassd.service.d && \
                       printf '[Service]\\nWatchdogSec=2s\\n' >/etc/systemd/system/hallpassd.service.d/watch.conf && \
                       systemctl daemon-reload && systemctl restart hallpassd";

#[test]
fn crashes_and_hangs_leave_the_sockets_and_the_app_comes_through() {
    let Some(machine) = super::machine("crashes") else { return };
    let machine = machine.with_hallpass().without_a_limit_on_rotations();
    machine.does(WATCHED);
    let app = machine.starts_the_app();
    for signal in ["KILL", "ABRT"] {
        crashes(&machine, signal);
    }
    hangs(&machine, "hallpassd");
    hangs(&machine, "writer");
    for _ in 0..40 {
        crashes(&machine, "KILL");
    }
    machine.keeps_its_sockets();
    let seen = machine.stops_the_app(app);
    assert_eq!(seen["wrong"], serde_json::json!([]), "{seen}");
    assert!(seen["by_board"].as_u64() > Some(50), "{seen}");
    writeln!(std::io::stderr(), "42 crashes and two hangs: {seen}").expect("an output");
}

/// Kills the daemon, and waits until another serves.
fn crashes(machine: &Machine, signal: &str) {
    let pid = machine.shows("MainPID");
    machine.does(&format!("systemctl kill --kill-who=main -s {signal} hallpassd"));
    serves_anew(machine, &pid);
}

fn serves_anew(machine: &Machine, pid: &str) {
    let new = "systemctl show -P MainPID hallpassd";
    machine.comes_to(&format!(
        "test \"$({new})\" != {pid} && test \"$({new})\" != 0 && systemctl -q is-active hallpassd && hallpass status"
    ));
}

/// Stops one thread of the daemon, and that one alone, until systemd has had enough.
fn hangs(machine: &Machine, thread: &str) {
    let (pid, inside) = (machine.daemon(), machine.shows("MainPID"));
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the daemon runs");
    let mut tasks =
        tasks.filter_map(|task| task.expect("a thread").file_name().to_str()?.parse::<i32>().ok());
    let named = |task: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/task/{task}/comm"));
        name.is_ok_and(|name| name.trim() == thread)
    };
    let task = Pid::from_raw(tasks.find(named).expect("a thread of that name"));
    let timeouts = || machine.journal().matches("Watchdog timeout").count();
    let before = timeouts();
    ptrace::attach(task).expect("root may");
    waitpid(task, Some(WaitPidFlag::__WALL)).expect("it is traced");
    let begun = Instant::now();
    // One that is traced is gone only when whoever traces it has heard of it.
    let gone = || match waitpid(task, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
        Ok(nix::sys::wait::WaitStatus::Stopped(..)) => {
            ptrace::cont(task, nix::sys::signal::Signal::SIGABRT).is_err()
        }
        Ok(nix::sys::wait::WaitStatus::StillAlive) => false,
        _ => true,
    };
    while !gone() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nobody notices that {thread} hangs:\n{}",
            machine.journal()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let noticed = begun.elapsed();
    serves_anew(machine, &inside);
    assert!(timeouts() > before, "another has ended it:\n{}", machine.journal());
    writeln!(std::io::stderr(), "{thread} hangs: noticed after {noticed:.1?}").expect("an output");
}

const CREDENTIAL: &str = "/etc/credstore.encrypted/hallpass.master-key";
/// Has the next start meet what lies there now.
const STOP: &str = "systemctl stop hallpassd && systemctl reset-failed hallpassd";

#[test]
fn a_credential_that_is_gone_or_wrong_is_told_and_makes_neither_a_storm_nor_a_new_key() {
    let Some(machine) = super::machine("credential") else { return };
    let machine = machine.with_hallpass();
    machine.does(&format!("cp -p {CREDENTIAL} /srv/right"));
    let encrypt = format!("systemd-creds encrypt --with-key=host --name=hallpass.master-key - {CREDENTIAL}");

    is_refused(
        &machine,
        &format!("rm {CREDENTIAL}"),
        &["hallpass.master-key is missing", "dpkg-reconfigure hallpass"],
    );
    is_refused(
        &machine,
        &format!("head -c 32 /dev/urandom | {encrypt}"),
        &["the keys in the database do not open under this master key"],
    );
    is_refused(&machine, &format!("head -c 7 /dev/urandom | {encrypt}"), &["is not 32 bytes long"]);
    is_refused(&machine, &format!("echo garbage >{CREDENTIAL}"), &["systemd could not open the master key"]);
    let said = machine.does(&format!("rm {CREDENTIAL}; dpkg-reconfigure hallpass 2>&1"));
    assert!(said.contains("no new one is made"), "{said}");
    machine.does(&format!("test ! -e {CREDENTIAL} && test ! -e /var/lib/hallpass/master.key"));

    // The right one is back: the next call has it started.
    machine.does(&format!("cp -p /srv/right {CREDENTIAL}"));
    machine.comes_to("hallpass user show alice");

    // Replaced in order, by one that takes over; then the old one opens nothing.
    machine.does("head -c 32 /dev/urandom >/srv/next && chmod 600 /srv/next && hallpass key reseal --new-key /srv/next");
    machine.does(&format!("{encrypt} </srv/next && systemctl restart hallpassd && hallpass user show alice"));
    is_refused(&machine, &format!("cp -p /srv/right {CREDENTIAL}"), &["was replaced on"]);
    machine.does(&format!("rm {CREDENTIAL}; {encrypt} </srv/next"));
    machine.comes_to("hallpass user show alice");
}

/// After this change the daemon does not start: the journal says why, callers are told, and it is not tried again and again.
fn is_refused(machine: &Machine, change: &str, says: &[&str]) {
    machine.does(&format!("{STOP}; {change}"));
    let starts = machine.starts();
    let said = machine.tries("hallpass status");
    assert_eq!(said.code, 69, "{change}: {}", said.text);
    std::thread::sleep(Duration::from_secs(5));
    let journal = machine.journal();
    for word in says {
        assert!(journal.contains(word), "{change}: no {word:?}\n{journal}");
    }
    let tried = machine.starts() - starts;
    assert!(tried <= 3, "{change}: {tried} starts in five seconds\n{journal}");
    let doctor = machine.tries("hallpass doctor --json");
    assert_eq!(doctor.code, 1, "{change}: {}", doctor.text);
    for word in says {
        let missing = word.contains("is missing") && doctor.text.contains("is missing");
        assert!(missing || doctor.text.contains(word), "{change}: no {word:?}\n{}", doctor.text);
    }
    machine.keeps_its_sockets();
}
