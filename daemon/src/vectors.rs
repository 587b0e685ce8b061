//! The published cases in `tests/vectors/`, each run against the rules themselves. `tests/vectors/README.md` says how to read them.

mod format;
mod scenario;
mod tokens;
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// One file: what its cases are about, and the cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: String,
    about: String,
    #[serde(default)]
    given: Value,
    cases: Vec<Value>,
}

/// Runs the cases of a file, and says what is wrong with them.
fn run(file: File) -> Result<Vec<String>, String> {
    let names = file.cases.iter().map(|case| case["name"].as_str().unwrap_or_default().to_owned()).collect();
    for case in file.cases {
        let name = case["name"].to_string();
        let outcome = match file.kind.as_str() {
            "rotation" | "revocation" | "lifetimes" => scenario::run(case),
            "tokens" => tokens::run(&file.given, case),
            unknown => return Err(format!("nothing here knows the kind {unknown:?}")),
        };
        outcome.map_err(|fault| format!("{name}: {fault}"))?;
    }
    if file.about.is_empty() { Err("says nothing of what it is about".into()) } else { Ok(names) }
}

/// A case is named after a line of the list of abuse cases or a row of the design's tables.
fn is_named(name: &str) -> bool {
    let Some((of, what)) = name.split_once(": ") else { return false };
    let (letter, number) = of.split_at_checked(1).unwrap_or_default();
    let line = matches!(letter, "A" | "B" | "C") && number.parse::<u8>().is_ok();
    (line || of.starts_with("row ") || of.starts_with("rule ")) && !what.is_empty()
}

fn read(path: &Path) -> Result<File, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

#[test]
fn every_published_case_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut faults, mut cases) = (Vec::new(), 0);
    for path in &files {
        match read(path).and_then(run) {
            Err(fault) => faults.push(format!("{}: {fault}", path.display())),
            Ok(names) => {
                cases += names.len();
                faults.extend(
                    names.iter().filter(|name| !is_named(name)).map(|name| format!("not a name: {name}")),
                );
                let once: BTreeSet<_> = names.iter().collect();
                assert_eq!(once.len(), names.len(), "{}: a name is there twice", path.display());
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(files.len() >= 4 && cases >= 100, "{cases} cases in {files:?}");
}

#[test]
fn a_file_of_an_unknown_kind_or_with_unknown_members_is_refused() {
    let case = r#"{"name":"B1: x","steps":[]}"#;
    let file = |kind: &str, case: &str| {
        let text = format!(r#"{{"kind":"{kind}","about":"x","cases":[{case}]}}"#);
        run(serde_json::from_str(&text).unwrap())
    };
    assert!(file("rotation", case).is_ok());
    assert!(file("rotations", case).unwrap_err().contains("kind"));
    assert!(file("rotation", r#"{"name":"B1: x","steps":[],"sleps":[]}"#).is_err());
}
