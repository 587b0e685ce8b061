//! What a full check of a JWT costs with the library that most people use. It lives in a package of its own, whose dependencies meet no others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use crate::{Outcome, repository};

/// The program that checks with it.
pub struct Checks(PathBuf);

impl Checks {
    /// Builds it; nothing, if that cannot be done here.
    pub fn build() -> Option<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]);
        command.arg(repository().join("bench/jsonwebtoken/Cargo.toml"));
        let target = repository().join("target/bench");
        match command.arg("--target-dir").arg(&target).output() {
            Ok(output) if output.status.success() => {
                return Some(Self(target.join("release/hallpass-bench-jsonwebtoken")));
            }
            Ok(output) => {
                println!("jsonwebtoken is left out: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
            Err(error) => println!("jsonwebtoken is left out: cargo cannot be run: {error}"),
        }
        None
    }

    /// Nanoseconds that one check takes, by algorithm, in one round.
    pub fn round(&self) -> Outcome<BTreeMap<String, f64>> {
        let output = Command::new(&self.0).arg("1").output()?;
        let found: BTreeMap<String, Vec<f64>> = serde_json::from_slice(&output.stdout)?;
        Ok(found.into_iter().filter_map(|(name, samples)| Some((name, *samples.first()?))).collect())
    }
}
