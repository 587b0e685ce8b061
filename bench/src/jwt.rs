//! What a full check of a JWT costs with the library that most people use. It lives in a package of its own, whose dependencies meet no others.

use std::process::Command;

use serde_json::Value;

use crate::report::{Measured, Row, Unit};
use crate::{Outcome, repository};

/// Measures it, if cargo can build it here.
pub fn measure(rounds: usize, only: &str) -> Outcome<Vec<Row>> {
    const NAME: &str = "full check of a JWT";
    if !NAME.contains(only) {
        return Ok(Vec::new());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--quiet", "--locked", "--manifest-path"]);
    command.arg(repository().join("bench/jsonwebtoken/Cargo.toml"));
    command.arg("--target-dir").arg(repository().join("target/bench")).arg("--").arg(rounds.to_string());
    let output = match command.output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            println!("jsonwebtoken is left out: {}", String::from_utf8_lossy(&output.stderr).trim());
            return Ok(Vec::new());
        }
        Err(error) => {
            println!("jsonwebtoken is left out: cargo cannot be run: {error}");
            return Ok(Vec::new());
        }
    };
    let Value::Object(found) = serde_json::from_slice(&output.stdout)? else {
        return Err("the measurement of jsonwebtoken wrote no JSON object".into());
    };
    let measured = |(algorithm, samples): (String, Value)| -> Outcome<Measured> {
        let name = format!("jsonwebtoken {algorithm}");
        Ok(Measured { name, samples: serde_json::from_value(samples)? })
    };
    let measured = found.into_iter().map(measured).collect::<Outcome<_>>()?;
    let row = Row { name: NAME.to_owned(), unit: Unit::Nanos, measured };
    println!("{}", row.line());
    Ok(vec![row])
}
