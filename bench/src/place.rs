//! Which core runs what. Callers on one core and servers on another is the best case for all; both on one is the worst.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Outcome;

/// Where callers and servers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Callers on one core, servers on another.
    Apart,
    /// All on one core.
    Together,
}

/// The cores that this process may use.
pub fn cores() -> Outcome<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(1)).or_else(|_| sched_getaffinity(Pid::from_raw(0)))?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
}

impl Place {
    /// Puts the calling thread and these processes, with all they have started, where they belong.
    pub fn take(self, servers: &[u32]) -> Outcome<()> {
        let cores = cores()?;
        let own = *cores.first().ok_or("no core may be used")?;
        let theirs = match self {
            Self::Apart => *cores.get(1).ok_or("one core cannot be two")?,
            Self::Together => own,
        };
        pin(Pid::from_raw(0), &[own])?;
        for server in with_children(servers)? {
            let Ok(threads) = fs::read_dir(format!("/proc/{server}/task")) else { continue };
            for thread in threads {
                let id = thread?.file_name().to_string_lossy().parse()?;
                // A thread that has ended meanwhile needs no place.
                let _ = pin(Pid::from_raw(id), &[theirs]);
            }
        }
        Ok(())
    }
}

/// Lets the calling thread run wherever it may.
pub fn everywhere() -> Outcome<()> {
    pin(Pid::from_raw(0), &cores()?)
}

/// Puts the calling thread on this core.
pub fn here(core: usize) -> Outcome<()> {
    pin(Pid::from_raw(0), &[core])
}

fn pin(thread: Pid, cores: &[usize]) -> Outcome<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    Ok(sched_setaffinity(thread, &set)?)
}

/// These processes and all that descend from them: PostgreSQL has a process for each connection.
fn with_children(roots: &[u32]) -> Outcome<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The name before it is in brackets and may hold spaces.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent: u32| (pid, parent)));
    }
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(&root) = found.get(at) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == root).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(found)
}
