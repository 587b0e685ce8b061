//! Settings: the defaults, and what is said of wrong ones.

use std::time::Duration;

use super::*;

#[test]
fn the_empty_configuration_is_the_documented_default() {
    let policy = Config::parse("").unwrap().policy();
    assert_eq!(policy.lifetimes.access, Duration::from_mins(10));
    assert_eq!(policy.lifetimes.idle, Duration::from_hours(7 * 24));
    assert_eq!(policy.lifetimes.absolute, Duration::from_hours(30 * 24));
    assert_eq!(policy.rotation.retry_window, Duration::from_secs(30));
    assert_eq!((policy.rotation.per_minute, policy.max_sessions), (5, 100));
}

#[test]
fn the_shipped_file_shows_the_defaults() {
    let shipped = Config::parse(include_str!("../../../packaging/hallpass.toml")).unwrap();
    let default = Config { admin: AdminConfig { uids: vec![0] }, ..Config::default() };
    assert_eq!(format!("{shipped:?}"), format!("{default:?}"));
}

#[test]
fn a_profile_can_be_changed_in_part() {
    let policy = Config::parse("[lifetimes]\nprofile = \"strict\"\nidle = \"30m\"").unwrap().policy();
    assert_eq!(policy.lifetimes.idle, Duration::from_mins(30));
    assert_eq!(policy.lifetimes.access, Duration::from_mins(5));
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_is_allowed() {
    let cases = [
        ("colour = 1", "unknown field `colour`"),
        ("[lifetimes]\naccess = \"61m\"", "between 1m and 1h"),
        ("[lifetimes]\naccess = 600", "string"),
        ("[refresh]\nretry_window = \"11m\"", "between 0s and 10m"),
        ("[passwords]\nmin_length = 7", "between 8 and 64"),
        ("[passwords]\nmemory_kib = 1024", "between 19456 and 262144"),
        ("[passwords]\nmin_length = 65", "between 8 and 64"),
        ("[passwords]\niterations = 1", "between 2 and 10"),
        ("[passwords]\npepper = { id = \"p1\" }", "missing field `file`"),
        ("[[app]]\nname = \"a\"\nrights = [\"fly\"]", "unknown variant `fly`"),
        ("[[app]]\nname = \"admin\"", "is not \"admin\""),
        ("[[app]]\nname = \"a\"\naudiences = [\"a b\"]", "printable ASCII"),
        ("[lifetimes]\nidle = \"40d\"", "cannot idle past its end"),
        ("[[app]]\nname = \"a\"\n[[app]]\nname = \"a\"", "two apps named"),
        ("[[app]]\nname = \"a\"", "give it users, uids, groups or gids"),
        ("[[app]]\nname = \"a\"\nuids = []\ngroups = []", "give it users, uids, groups or gids"),
        ("[[app]]\nname = \"a\"\nuids = [1]\naudiences = []", "leave out audiences"),
        ("state_dir = \"\"", "state_dir is \"\""),
        ("state_dir = \"state\"", "begins with /"),
        ("runtime_dir = \"./run\"", "runtime_dir is \"./run\""),
    ];
    for (text, wanted) in cases {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    assert!(Config::parse("a = 1\ncolour = 1").unwrap_err().to_string().contains("line 1"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    for (text, wanted) in [
        ("blocklist = \"/nowhere/list\"", "/nowhere/list"),
        ("pepper = { id = \"p1\", file = \"/nowhere/pepper\" }", "/nowhere/pepper"),
        ("pepper = { id = \"P1\", file = \"/nowhere/pepper\" }", "a-z 0-9"),
    ] {
        let config = Config::parse(&format!("[passwords]\n{text}")).unwrap();
        let error = config.password_policy().unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let words = Config::default().password_policy().unwrap().rules.words;
    assert!(words.contains(&"hallpass".to_owned()) && words.len() == 2, "{words:?}");
}

#[test]
fn a_file_that_lets_nobody_in_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, usable) in [
        ("", false),
        ("[admin]\nuids = []", false),
        ("[admin]\nuids = [0]", true),
        ("[[app]]\nname = \"a\"\ngids = [7]", true),
    ] {
        std::fs::write(file.path(), text).unwrap();
        let read = Config::read(file.path());
        assert_eq!(read.is_ok(), usable, "{text}");
        assert!(read.is_ok() || read.unwrap_err().to_string().contains("add an [[app]]"), "{text}");
    }
}
