//! Sockets, the master key and the disk, as they lie in the file system.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use hallpass_client::admin::Status;
use nix::unistd::{Gid, Group, User, geteuid, getgroups};

use super::report::Finding;
use super::subject::Subject;
use crate::daemon::{DaemonError, master_key_of};
use crate::verify::opens;

/// Less than this is worth a warning, in bytes: the daemon's own log warns from there on.
const LITTLE: u64 = 64 << 20;
/// Where the package keeps the master key, encrypted for its host.
const CREDENTIAL: &str = "/etc/credstore.encrypted/hallpass.master-key";
/// The same in the clear, for who has chosen that.
const PLAIN_CREDENTIAL: &str = "/etc/credstore/hallpass.master-key";

/// How both sockets and their directory are.
pub(super) fn sockets(subject: &Subject) -> Vec<Finding> {
    let dir = subject.socket.parent().unwrap_or(Path::new("/"));
    let mut findings: Vec<Finding> = of_directory(dir, dir.metadata()).into_iter().collect();
    for (path, widest) in
        [(&subject.socket, if subject.for_host { 0o660 } else { 0o600 }), (&subject.admin_socket, 0o600)]
    {
        findings.extend(of_socket(path, path.symlink_metadata(), widest, subject));
    }
    findings
}

/// What is wrong with the directory of the sockets.
fn of_directory(dir: &Path, found: io::Result<Metadata>) -> Option<Finding> {
    let (found, name) = (found.ok()?, dir.display());
    if found.mode() & 0o022 != 0 {
        let message = format!(
            "others can write {name} (mode {:o}), and could put a socket of their own in the place of the daemon's",
            found.mode() & 0o7777
        );
        return Some(Finding::problem("sockets", message, format!("chmod go-w {name}")));
    }
    if found.uid() != 0 && found.uid() != geteuid().as_raw() && !is_the_daemons(found.uid()) {
        let message =
            format!("{name} belongs to user id {}, who could put another socket there", found.uid());
        return Some(Finding::problem("sockets", message, format!("chown root:root {name}")));
    }
    None
}

fn is_the_daemons(uid: u32) -> bool {
    User::from_name("hallpass").ok().flatten().is_some_and(|user| user.uid.as_raw() == uid)
}

/// How a socket is that may be this open at most.
fn of_socket(path: &Path, found: io::Result<Metadata>, widest: u32, subject: &Subject) -> Option<Finding> {
    let name = path.display();
    let found = match found {
        Ok(found) => found,
        // A daemon that binds its own has none while it is down.
        Err(error) if error.kind() == ErrorKind::NotFound && !subject.for_host => return None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!("there is no socket at {name}");
            return Some(Finding::problem("sockets", message, subject.start()));
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Some(Finding::unknown("sockets", format!("{name} is out of reach of this user")));
        }
        Err(error) => return Some(Finding::unknown("sockets", format!("{name}: {error}"))),
    };
    if !found.file_type().is_socket() {
        let message = format!("{name} is not a socket");
        let next = format!("find out what it is, rm {name}, and: {}", subject.start());
        return Some(Finding::problem("sockets", message, next));
    }
    let mode = found.mode() & 0o777;
    if mode & !widest != 0 {
        let message = format!("{name} is open to more than it should be: its mode is {mode:o}");
        return Some(Finding::problem("sockets", message, format!("chmod {widest:o} {name}")));
    }
    let group = Group::from_gid(Gid::from_raw(found.gid()))
        .ok()
        .flatten()
        .map_or_else(|| found.gid().to_string(), |group| group.name);
    let whose = if mode & 0o060 == 0 { String::new() } else { format!(", group {group}") };
    Some(Finding::ok("sockets", format!("{name}, mode {mode:o}{whose}")))
}

/// Whether this process may use a socket as a member of its group.
pub(super) enum Member {
    /// It is in this group.
    Process(String),
    /// Its user is in this group, and the process is older than that.
    Database(String, String),
    /// Its user is not in this group.
    No(String, String),
    /// It cannot be told.
    Unknown,
}

/// Whether this process is in the group of a socket.
pub(super) fn member(socket: &Path) -> Member {
    let Ok(found) = socket.symlink_metadata() else { return Member::Unknown };
    let gid = Gid::from_raw(found.gid());
    let group = Group::from_gid(gid).ok().flatten();
    let user = User::from_uid(geteuid()).ok().flatten();
    let user_name = user.as_ref().map_or_else(|| format!("user id {}", geteuid()), |user| user.name.clone());
    let group_name = group.as_ref().map_or_else(|| gid.to_string(), |group| group.name.clone());
    let is_process = nix::unistd::getegid() == gid || getgroups().is_ok_and(|groups| groups.contains(&gid));
    let is_listed = group.is_some_and(|group| group.mem.contains(&user_name));
    match (is_process, is_listed) {
        (true, _) => Member::Process(group_name),
        (false, true) => Member::Database(group_name, user_name),
        (false, false) => Member::No(group_name, user_name),
    }
}

/// Whether the master key is there, and opens the keys of the database.
pub(super) fn master_key(subject: &Subject, is_up: bool) -> Finding {
    let Ok(parts) = &subject.parts else {
        return Finding::unknown("key file", "where the master key lies cannot be told");
    };
    if subject.for_host && parts.master_key.is_none() && !master_key_of(parts).exists() {
        let found = [CREDENTIAL, PLAIN_CREDENTIAL].map(|path| (path, Path::new(path).metadata()));
        return of_credential(found, is_up);
    }
    let path = master_key_of(parts);
    let name = path.display();
    if is_up {
        return match path.metadata() {
            Ok(found) if found.mode() & 0o077 != 0 => {
                let message = format!("{name} can be read or written by others: the next start refuses it");
                Finding::problem(
                    "key file",
                    message,
                    format!("find out who could read it, then: chmod 600 {name}"),
                )
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message =
                    format!("{name} is gone: the daemon that runs has it, and the next start will not");
                Finding::problem("key file", message, "put your copy of it back, or hallpass key reseal")
            }
            Err(_) => Finding::ok("key file", "the daemon has opened its keys with it"),
            Ok(_) => Finding::ok("key file", format!("{name}; the daemon has opened its keys with it")),
        };
    }
    match (path.metadata(), parts.state_dir.metadata()) {
        (Err(error), _) if error.kind() == ErrorKind::PermissionDenied => {
            Finding::unknown("key file", "only the daemon's user can say whether it opens the database")
        }
        // A key that is its user's alone is refused to everybody else, root too.
        (Ok(key), Ok(state)) if key.uid() == state.uid() && key.uid() != geteuid().as_raw() => {
            Finding::unknown(
                "key file",
                format!("user id {} can say whether {name} opens the database", key.uid()),
            )
        }
        _ => of_opening(opens(parts), &name.to_string()),
    }
}

fn of_opening(opened: Result<(), DaemonError>, name: &str) -> Finding {
    match opened {
        Ok(()) => Finding::ok("key file", format!("{name} opens the keys of the database")),
        Err(DaemonError::Key(error)) => {
            Finding::problem("key file", error.to_string(), format!("put the right one in its place: {name}"))
        }
        Err(error) => {
            Finding::unknown("key file", format!("whether it opens the database cannot be told: {error}"))
        }
    }
}

fn of_credential(found: [(&str, io::Result<Metadata>); 2], is_up: bool) -> Finding {
    let mut unseen = false;
    for (path, found) in found {
        match found {
            // What is encrypted for the host may be read, and never written.
            Ok(found) if found.mode() & if path == PLAIN_CREDENTIAL { 0o077 } else { 0o022 } != 0 => {
                let message = format!("{path} can be read or written by others");
                return Finding::problem("key file", message, format!("chmod 600 {path}"));
            }
            Ok(_) if is_up => {
                return Finding::ok("key file", format!("{path}; the daemon has opened its keys with it"));
            }
            Ok(_) => {
                return Finding::ok(
                    "key file",
                    format!("{path} is there; only a start can tell whether it is the right one"),
                );
            }
            Err(error) => unseen |= error.kind() == ErrorKind::PermissionDenied,
        }
    }
    match (unseen, is_up) {
        (true, _) => Finding::unknown("key file", "the credential is root's to see"),
        (false, true) => Finding::problem(
            "key file",
            format!(
                "{CREDENTIAL} is gone: the daemon that runs has the master key, and the next start will not"
            ),
            "put your copy of it back as hallpassd(8) says",
        ),
        (false, false) => Finding::problem(
            "key file",
            format!("{CREDENTIAL} is missing, and without it nothing starts"),
            "put your copy of it back as hallpassd(8) says; where there was never one: dpkg-reconfigure hallpass",
        ),
    }
}

/// How much room there is for the database.
pub(super) fn disk(subject: &Subject, status: Option<&Status>) -> Finding {
    let Some(dir) = &subject.state_dir else {
        return Finding::unknown("disk", "where the database lies only an administrator is told");
    };
    let name = dir.display().to_string();
    if let Some(status) = status {
        return of_room(&name, status.disk_available, status.disk_full);
    }
    match nix::sys::statvfs::statvfs(dir) {
        Ok(found) => of_room(&name, found.blocks_available().saturating_mul(found.fragment_size()), false),
        Err(nix::errno::Errno::ENOENT) => Finding::warning(
            "disk",
            format!("there is no {name} yet: the first start makes it"),
            subject.start(),
        ),
        Err(error) => Finding::unknown("disk", format!("{name}: {}", error.desc())),
    }
}

fn of_room(dir: &str, available: u64, is_full: bool) -> Finding {
    let mib = available >> 20;
    if is_full {
        let message = format!("{dir} is full: nobody can log in, and sessions can only be ended");
        return Finding::problem(
            "disk",
            message,
            format!("make room: df -h {dir}; hallpass compact, with the daemon stopped"),
        );
    }
    if available < LITTLE {
        return Finding::warning(
            "disk",
            format!("{dir} has {mib} MiB left"),
            format!("make room: df -h {dir}"),
        );
    }
    Finding::ok("disk", format!("{dir} has {mib} MiB left"))
}

#[cfg(test)]
mod tests;
