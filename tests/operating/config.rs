//! `hallpass config`, which needs no daemon.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{hallpass, stderr, stdout};

fn file(dir: &TempDir, text: &str) -> String {
    let path = dir.path().join("hallpass.toml");
    fs::write(&path, text).expect("it is written");
    path.to_str().expect("a plain name").to_owned()
}

#[test]
fn a_bad_file_is_told_with_every_line_and_exit_78() {
    let dir = TempDir::new().unwrap();
    let path = file(&dir, "isuer = \"x\"\n[admin]\nuids = [0]\n[limits]\nconnections = 7\n");
    let said = hallpass(["config", "check", &path]);
    assert_eq!(said.status.code(), Some(78));
    let text = stdout(&said);
    assert!(text.contains(&format!("{path}:1: there is no setting isuer; did you mean issuer?")), "{text}");
    assert!(text.contains(&format!("{path}:5: limits.connections = 7: ")), "{text}");
    assert!(text.contains("a whole number of connections, 8 to 8192"), "{text}");

    let said = hallpass(["config", "check", "--json", &path]);
    let json: Value = serde_json::from_str(&stdout(&said)).expect("one object");
    assert_eq!((said.status.code(), &json["usable"]), (Some(78), &Value::Bool(false)));
    assert_eq!(
        (&json["faults"][0]["line"], &json["faults"][0]["did_you_mean"]),
        (&1.into(), &"issuer".into())
    );
    assert_eq!(json["faults"][1]["key"], "limits.connections");
}

#[test]
fn what_this_machine_lacks_is_told_too() {
    let dir = TempDir::new().unwrap();
    let path = file(
        &dir,
        "master_key = \"/nowhere/key\"\n[[app]]\nname = \"shop\"\nusers = [\"nobody-of-this-name\"]\n",
    );
    let said = hallpass(["config", "check", &path]);
    let text = stdout(&said);
    assert_eq!(said.status.code(), Some(78), "{text}");
    assert!(text.contains("nobody-of-this-name") && text.contains("master_key is /nowhere/key"), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_named_and_the_shipped_one_is_good() {
    let said = hallpass(["config", "check", "/nowhere/hallpass.toml"]);
    assert!(
        said.status.code() == Some(78) && stderr(&said).contains("/nowhere/hallpass.toml"),
        "{}",
        stderr(&said)
    );
    let dir = TempDir::new().unwrap();
    let shipped = file(&dir, include_str!("../../packaging/hallpass.toml"));
    let said = hallpass(["config", "check", &shipped]);
    assert!(
        said.status.success() && stdout(&said).contains("systemctl reload hallpassd"),
        "{}",
        stdout(&said)
    );
}

#[test]
fn every_value_is_shown_with_where_it_comes_from() {
    let dir = TempDir::new().unwrap();
    let path = file(
        &dir,
        "[lifetimes]\nprofile = \"strict\"\nidle = \"20m\"\n[board]\nslots = 1024\n[[app]]\nname = \"shop\"\nuids = [33]\n",
    );
    let said = hallpass(["config", "show", "--json", &path, "--state-dir", "/srv/state"]);
    assert!(said.status.success(), "{}", stderr(&said));
    let all: Vec<Value> =
        stdout(&said).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of =
        |key: &str| all.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("no {key}"));
    for (key, value, from, line) in [
        ("lifetimes.profile", Value::from("strict"), "file", Some(2)),
        ("lifetimes.idle", "20m".into(), "file", Some(3)),
        ("lifetimes.access", "5m".into(), "profile", None),
        ("board.slots", 1024.into(), "file", Some(5)),
        ("state_dir", "/srv/state".into(), "command line", None),
        ("runtime_dir", "/run/hallpass".into(), "default", None),
        ("limits.connections", 1024.into(), "default", None),
        ("app.shop.uids", vec![33].into(), "file", Some(8)),
        ("app.shop.audiences", vec!["shop"].into(), "default", None),
    ] {
        let setting = of(key);
        assert_eq!((&setting["value"], &setting["from"]), (&value, &Value::from(from)), "{setting}");
        assert_eq!(setting["line"].as_u64(), line, "{setting}");
    }
    assert_eq!(
        (&of("issuer")["changes_with"], &of("log.level")["changes_with"]),
        (&"restart".into(), &"reload".into())
    );

    let said = hallpass(["config", "show", "--set", &path]);
    let text = stdout(&said);
    assert!(
        text.contains("board.slots") && text.contains("line 5") && !text.contains("limits.connections"),
        "{text}"
    );
    let own = hallpass(["config", "show", &file(&dir, "issuer = 1")]);
    assert!(own.status.code() == Some(78) && stderr(&own).contains(":1: issuer = 1"), "{}", stderr(&own));
}
