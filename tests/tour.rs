//! The tour: what a newcomer runs first has to work, to tell the truth, and to leave nothing behind.
#![cfg(test)]

use std::process::Command;

#[test]
fn the_tour_shows_every_step_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hallpass"))
            .args(arguments)
            .env_clear()
            .env("TMPDIR", home.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let steps: Vec<serde_json::Value> =
        run(&["tour", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |step: &str, outcome: &str| {
        let found = steps.iter().any(|told| told["step"] == step && told["outcome"] == outcome);
        assert!(found, "{step}: {outcome} is not among {steps:#?}");
    };
    told("verify the access token", "alice, reader");
    told("verify the old access token", "alice, editor");
    told("a thief shows the first one", "refused: reused; the family dies");
    told("verify the session token", "refused: revoked");
    assert!(steps.iter().all(|step| step["micros"].as_u64().is_some_and(|micros| micros > 0)));

    let text = run(&["tour"]);
    assert!(steps.iter().all(|step| text.contains(step["outcome"].as_str().unwrap())));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "it fits a terminal:\n{text}");
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}
