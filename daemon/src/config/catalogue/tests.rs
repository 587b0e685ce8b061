//! The table, held to what the daemon does with each setting.

use super::*;
use crate::config::Config;
use crate::config::examine::alone;
use crate::domain::policy::Right;

/// What can be written there, and what cannot for being just outside, or something else.
fn edges(takes: &Takes) -> (Vec<String>, Vec<String>) {
    let quoted = |text: &str| format!("{text:?}");
    let seconds = |seconds: u64| format!("\"{seconds}s\"");
    match takes {
        Takes::Whole(0, to, _) => {
            (vec!["0".into(), to.to_string()], vec![(to + 1).to_string(), "-1".into(), "\"1\"".into()])
        }
        Takes::Whole(from, to, _) => (
            vec![from.to_string(), to.to_string()],
            vec![(from - 1).to_string(), (to + 1).to_string(), "\"1\"".into()],
        ),
        Takes::Time(0, to) => {
            (vec![seconds(0), seconds(*to)], vec![seconds(to + 1), "60".into(), quoted("long")])
        }
        Takes::Time(from, to) => {
            (vec![seconds(*from), seconds(*to)], vec![seconds(from - 1), seconds(to + 1), "60".into()])
        }
        Takes::OneOf(words) => {
            (words.iter().map(|word| quoted(word)).collect(), vec![quoted("other"), "1".into()])
        }
        Takes::PowerOfTwo(from, to) => (
            vec![from.to_string(), to.to_string()],
            vec![(from / 2).to_string(), (from + 1).to_string(), (u64::from(*to) * 2).to_string()],
        ),
        Takes::Label => {
            let longest = "x".repeat(NAME_BYTES);
            let bad = ["", "a b", &format!("{longest}x")].map(quoted).to_vec();
            (vec![quoted("x"), quoted(&longest)], bad)
        }
        Takes::AppName => {
            let long = "x".repeat(33);
            (
                vec![quoted("a-1"), quoted(&long[1..])],
                ["", "A", "admin", "hallpassd", &long].map(quoted).to_vec(),
            )
        }
        Takes::PepperId => (vec![quoted("p1"), quoted("abcdefgh")], vec!["1".into()]),
        Takes::Path => (vec![quoted("/a/b")], vec!["1".into()]),
        Takes::Ids => {
            (vec!["[1]".into(), "[0, 4294967295]".into()], vec!["1".into(), "[-1]".into(), "[\"a\"]".into()])
        }
        Takes::Names => (vec!["[\"root\"]".into()], vec!["\"root\"".into(), "[1]".into()]),
        Takes::AnyOf(words) => {
            let all = format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "));
            (vec![all, "[]".into()], vec!["[\"other\"]".into(), "\"login\"".into()])
        }
        Takes::Labels => (vec!["[\"a\"]".into()], vec!["[]".into(), "[\"a b\"]".into(), "\"a\"".into()]),
    }
}

#[test]
fn each_setting_takes_what_the_table_says_and_nothing_beside_it() {
    for setting in settings() {
        let (good, bad) = edges(&setting.takes);
        for value in good {
            let read = Config::parse(&alone(setting, &value));
            assert!(read.is_ok(), "{} = {value}: {read:?}", setting.key);
        }
        for value in bad {
            assert!(Config::parse(&alone(setting, &value)).is_err(), "{} = {value}", setting.key);
        }
        let example = setting.default.example();
        assert!(Config::parse(&alone(setting, example)).is_ok(), "{} = {example}", setting.key);
    }
}

#[test]
fn what_holds_without_a_setting_is_what_the_table_says() {
    let effective = Config::parse("").unwrap().effective();
    for setting in settings() {
        if let Fallback::Value(default) = setting.default {
            let written = Config::parse(&alone(setting, default)).unwrap().effective();
            assert_eq!(effective[setting.key], written[setting.key], "{}", setting.key);
        }
    }
}

#[test]
fn every_key_that_is_read_stands_in_the_table() {
    let all = settings().filter(|setting| !setting.key.starts_with("app."));
    let lines: Vec<_> =
        all.map(|setting| format!("{} = {}", setting.key, setting.default.example())).collect();
    let text = lines.join("\n");
    let config = Config::parse(&format!("{text}\n[[app]]\nname = \"a\"\nuids = [1]\n")).unwrap();
    for (key, _) in config.effective() {
        let key = key.strip_prefix("app.a.").map_or(key.clone(), |of_app| format!("app.{of_app}"));
        assert!(setting(&key).is_some(), "{key} is read and stands nowhere");
    }
    let rights = serde_json::to_value(Right::ALL).unwrap();
    let written = setting("app.rights").unwrap();
    let Takes::AnyOf(words) = written.takes else { panic!("a list of words") };
    assert_eq!(rights, serde_json::json!(words));
}

#[test]
fn what_a_reload_changes_is_what_the_table_says() {
    for setting in settings().filter(|setting| !setting.key.starts_with("app.")) {
        let (good, _) = edges(&setting.takes);
        let config = |value: &str| Config::parse(&alone(setting, value)).unwrap();
        let default = config(setting.default.example());
        let other =
            good.iter().map(|value| config(value)).find(|config| config.effective() != default.effective());
        let named = default.only_at_start(&other.expect("another value"));
        let starts =
            named.iter().any(|key| setting.key == *key || setting.key.starts_with(&format!("{key}.")));
        assert_eq!(starts, setting.changes == Changes::Restart, "{}: {named:?}", setting.key);
    }
}
