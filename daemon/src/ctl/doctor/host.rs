//! The kernel, the file system under the database, and what systemd has to say of the service.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::statfs::{FsType, statfs};

use super::report::Finding;
use super::subject::Subject;

/// How long a program of the system may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Starts after crashes from which on somebody should look.
const MANY: u32 = 3;
/// What shows more.
const LOG: &str = "journalctl -u hallpassd -n 50";

/// Whether systemd is process 1 here.
pub(super) fn is_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What a program of the system says, if it is there and does not take long.
pub(super) fn asked(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (mut child, begun) = (command.spawn().ok()?, Instant::now());
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                // It is ours, and nobody waits for it any more.
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return None;
            }
        }
    };
    let mut said = String::new();
    child.stdout.take()?.read_to_string(&mut said).ok().filter(|_| status.success())?;
    Some(said)
}

/// What the kernel gives, and as whom the daemon sees this process.
pub(super) fn kernel() -> Vec<Finding> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").is_ok();
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    of_kernel(boot, release.trim(), &map, nix::unistd::geteuid().as_raw())
}

fn of_kernel(has_boot_id: bool, release: &str, map: &str, uid: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    if has_boot_id {
        findings.push(Finding::ok("kernel", format!("Linux {release} gives what the board needs")));
    } else {
        let message = "/proc/sys/kernel/random/boot_id cannot be read, so no board can be told from one of another boot";
        findings.push(Finding::problem("kernel", message, "mount /proc here; in a unit, no ProcSubset=pid"));
    }
    let ranges: Vec<[u32; 3]> = map.lines().filter_map(range).collect();
    let is_whole = matches!(ranges.as_slice(), [] | [[0, 0, u32::MAX]]);
    if !is_whole {
        let outside = ranges.iter().find(|[inner, _, count]| uid >= *inner && uid - inner < *count);
        let outside = outside.map(|[inner, outer, _]| outer + (uid - inner));
        let seen = outside.map_or_else(
            || "nobody (65534)".to_owned(),
            |outer| format!("user id {outer}, as the namespace around this one counts"),
        );
        let message = format!(
            "this process is in a user namespace: user id {uid} here is {seen}, and a daemon outside sees that"
        );
        let uids = outside.map_or_else(|| "UID".to_owned(), |outer| outer.to_string());
        findings.push(Finding::warning(
            "kernel",
            message,
            format!("uids = [{uids}] in an [[app]]; see docs/containers.md"),
        ));
    }
    findings
}

fn range(line: &str) -> Option<[u32; 3]> {
    let numbers: Vec<u32> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

/// What file system the database lies on, if that is one to know about.
pub(super) fn file_system(subject: &Subject) -> Option<Finding> {
    let dir = subject.state_dir.as_ref()?;
    of_file_system(&dir.display().to_string(), statfs(dir).ok()?.filesystem_type())
}

fn of_file_system(dir: &str, kind: FsType) -> Option<Finding> {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, NFS_SUPER_MAGIC, TMPFS_MAGIC};
    let far = "move it to a disk of this host: state_dir in hallpass.toml(5)";
    if kind == NFS_SUPER_MAGIC {
        let message = format!("{dir} lies on a network file system, where locks and syncs promise less");
        return Some(Finding::problem("disk", message, far));
    }
    if kind == TMPFS_MAGIC {
        return Some(Finding::warning(
            "disk",
            format!("{dir} lies in memory: a reboot loses every user"),
            far,
        ));
    }
    (kind == BTRFS_SUPER_MAGIC).then(|| {
        let message = format!("{dir} lies on a file system that copies what it writes: how much room is left is a good guess there");
        Finding::warning("disk", message, format!("chattr +C {dir}, while it is empty"))
    })
}

/// How the service is doing, where systemd runs it, and the last error it has told if it does not answer.
pub(super) fn service(subject: &Subject, is_up: bool) -> Vec<Finding> {
    if !subject.for_host || !is_systemd() {
        return Vec::new();
    }
    let wanted = "--property=LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus";
    let shown = asked("systemctl", &["show", "hallpassd.service", wanted]).and_then(|said| of_service(&said));
    let Some(shown) = shown else { return Vec::new() };
    // What the daemon has said, and not what systemd says of it.
    let journal =
        ["_SYSTEMD_UNIT=hallpassd.service", "-p", "err", "-n", "1", "-o", "cat", "--no-pager", "-q"];
    let last = if is_up { None } else { asked("journalctl", &journal).and_then(|said| of_last_words(&said)) };
    [Some(shown), last].into_iter().flatten().collect()
}

fn of_last_words(said: &str) -> Option<Finding> {
    let said = said.trim();
    (!said.is_empty()).then(|| Finding::problem("log", format!("the last error was: {said}"), LOG))
}

fn of_service(said: &str) -> Option<Finding> {
    let of = |key: &str| {
        said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
    };
    if of("LoadState") != "loaded" {
        return None;
    }
    let restarts: u32 = of("NRestarts").parse().unwrap_or(0);
    let (active, sub) = (of("ActiveState"), of("SubState"));
    Some(match active {
        _ if restarts >= MANY => {
            let message = format!(
                "hallpassd.service was started again {restarts} times after it had failed; it is {active}"
            );
            Finding::warning(
                "service",
                message,
                format!("{LOG}; when mended: systemctl reset-failed hallpassd"),
            )
        }
        "failed" => {
            let (result, code) = (of("Result"), of("ExecMainStatus"));
            let message = format!(
                "hallpassd.service has failed ({result}, exit code {code}); the next caller has it tried again"
            );
            Finding::problem("service", message, LOG)
        }
        "inactive" => Finding::ok("service", "hallpassd.service waits for the first call"),
        _ => Finding::ok("service", format!("hallpassd.service is {active} ({sub})")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;

    fn states(findings: &[Finding]) -> Vec<State> {
        findings.iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_kernel_without_a_boot_id_and_a_mapped_user_are_named() {
        assert_eq!(states(&of_kernel(true, "6.1", "0 0 4294967295\n", 33)), [State::Ok]);
        assert_eq!(states(&of_kernel(false, "6.1", "", 33)), [State::Problem]);
        let mapped = of_kernel(true, "6.1", "         0     100000      65536\n", 33);
        assert!(
            mapped[1].state == State::Warning && mapped[1].message.contains("is user id 100033"),
            "{mapped:?}"
        );
        assert!(mapped[1].next.as_ref().unwrap().contains("uids = [100033]"));
        let nobody = of_kernel(true, "6.1", "0 1000 1\n", 33);
        assert!(nobody[1].message.contains("nobody (65534)"), "{nobody:?}");
    }

    #[test]
    fn what_systemd_says_is_told() {
        let said = |active: &str, restarts: u32| {
            format!(
                "LoadState=loaded\nActiveState={active}\nSubState=x\nResult=exit-code\nNRestarts={restarts}\nExecMainStatus=78\n"
            )
        };
        for (said, state, word) in [
            (said("active", 0), State::Ok, "is active"),
            (said("inactive", 2), State::Ok, "first call"),
            (said("active", 40), State::Warning, "40 times"),
            (said("failed", 0), State::Problem, "exit code 78"),
        ] {
            let finding = of_service(&said).unwrap();
            assert!(finding.state == state && finding.message.contains(word), "{finding:?}");
        }
        let last = of_last_words("hallpassd: the master key is missing\n").unwrap();
        assert!(last.is_problem() && last.message.ends_with("the master key is missing"), "{last:?}");
        assert_eq!(of_last_words("\n"), None);
        assert_eq!(of_service("LoadState=not-found\nActiveState=inactive\n"), None);
    }

    #[test]
    fn file_systems_that_promise_less_are_named() {
        use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, NFS_SUPER_MAGIC, TMPFS_MAGIC};
        let state = |kind| of_file_system("/s", kind).map(|finding| finding.state);
        assert_eq!(state(NFS_SUPER_MAGIC), Some(State::Problem));
        assert_eq!(
            (state(TMPFS_MAGIC), state(BTRFS_SUPER_MAGIC)),
            (Some(State::Warning), Some(State::Warning))
        );
        assert_eq!(state(EXT4_SUPER_MAGIC), None);
    }

    #[test]
    fn a_program_that_is_not_there_or_never_ends_is_no_answer() {
        assert_eq!(asked("/nowhere/program", &[]), None);
        assert_eq!(asked("false", &[]), None);
        assert_eq!(asked("echo", &["x"]).as_deref(), Some("x\n"));
    }
}
