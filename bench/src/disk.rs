//! Where databases lie while they are measured: on a real disk, filled once and copied for every run.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use tempfile::TempDir;

use crate::Outcome;

/// A directory on a real disk.
pub struct Disk {
    root: PathBuf,
    run: TempDir,
}

impl Disk {
    /// The disk under this directory, which keeps what is filled for the next run.
    pub fn open(root: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(root)?;
        if statfs(root)?.filesystem_type() == TMPFS_MAGIC {
            return Err(
                format!("{} is memory and no disk; name a directory with --data", root.display()).into()
            );
        }
        let run = tempfile::Builder::new().prefix("run-").tempdir_in(root)?;
        open_to_all(run.path())?;
        Ok(Self { root: root.canonicalize()?, run })
    }

    /// What it is, for people: the directory, its file system and the device under it.
    pub fn describe(&self) -> Outcome<String> {
        let shown = Command::new("df").args(["--output=source,fstype"]).arg(&self.root).output()?;
        let shown = String::from_utf8_lossy(&shown.stdout);
        let under = shown.lines().last().unwrap_or_default().split_whitespace();
        Ok(format!("{} ({})", self.root.display(), under.collect::<Vec<_>>().join(", ")))
    }

    /// A directory of this name with what `fill` has put there, in this run or an earlier one.
    pub async fn filled(&self, name: &str, fill: impl AsyncFnOnce(&Path) -> Outcome<()>) -> Outcome<PathBuf> {
        let kept = self.root.join(name);
        if !kept.is_dir() {
            let half = self.root.join(format!("{name}.half"));
            if half.exists() {
                std::fs::remove_dir_all(&half)?;
            }
            std::fs::create_dir(&half)?;
            open_to_all(&half)?;
            println!("Filling {name}, once; it is kept in {}.", self.root.display());
            let begun = std::time::Instant::now();
            fill(&half).await?;
            println!("Filled {name} in {:.0} s.", begun.elapsed().as_secs_f64());
            std::fs::rename(&half, &kept)?;
        }
        Ok(kept)
    }

    /// A copy of it to work with, which ends with this run.
    pub fn copy(&self, kept: &Path, name: &str) -> Outcome<PathBuf> {
        let copy = self.run.path().join(name);
        let copied = Command::new("cp").arg("-a").arg(kept).arg(&copy).status()?;
        if !copied.success() {
            return Err(format!("{} cannot be copied", kept.display()).into());
        }
        // What is measured next should not wait for what was copied.
        nix::unistd::sync();
        Ok(copy)
    }
}

/// Lets every user look into a directory: PostgreSQL runs as one of its own.
pub fn open_to_all(dir: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?)
}
