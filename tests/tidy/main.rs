//! The house rules, held by reading the sources as text: who may name what, how long things get, and what must not be left lying about.
//!
//! A complaint says where, what, and what to do instead. A new rule is a row in `IMPORTS` or in `RULES`, with something bad that it must
//! catch.

mod cases;
mod examples;
mod imports;
mod rules;
mod source;
mod standard;

use std::fs;
use std::path::{Path, PathBuf};

use cases::{Proofs, tests, unproved, untested};
use examples::unshown;
use imports::{IMPORTS, imports};
use rules::{
    FILE_LINES, FUNCTION_LINES, LONG_FILE, LONG_FUNCTION, RULES, Rule, orphans, stray, undeclared, unused,
};
use source::Source;
use standard::unmet;

/// Where Rust sources lie.
const SOURCES: [&str; 6] = ["protocol", "client", "daemon", "bench", "fuzz", "tests"];

// The repository, held to them.

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(top().join(path)).expect("a readable source")
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut waiting: Vec<PathBuf> = SOURCES.iter().map(|dir| top().join(dir)).collect();
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).expect("a readable directory") {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                waiting.extend(Some(path).filter(|path| !path.ends_with("target")));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name =
                    path.strip_prefix(top()).ok().and_then(Path::to_str).expect("a plain name below the top");
                sources.push(Source::new(name, &read(name)));
            }
        }
    }
    sources
}

fn none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} breaches of the house rules:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn every_room_names_only_what_it_may_know() {
    none(&sources().iter().flat_map(imports).collect::<Vec<_>>());
}

#[test]
fn every_file_keeps_the_rules() {
    let rules: Vec<Rule> = RULES.iter().map(|(rule, ..)| *rule).collect();
    let mut complaints: Vec<String> =
        sources().iter().flat_map(|source| rules.iter().flat_map(|rule| rule(source))).collect();
    complaints.sort();
    complaints.dedup();
    none(&complaints);
}

#[test]
fn every_file_is_compiled_and_every_test_runs() {
    none(&orphans(&sources()));
    none(&undeclared(&sources(), &read("daemon/Cargo.toml")));
}

#[test]
fn every_dependency_is_used() {
    for package in ["protocol", "client", "daemon", "bench", "bench/jsonwebtoken", "fuzz"] {
        none(&unused(package, &read(format!("{package}/Cargo.toml")), &sources()));
    }
}

#[test]
fn nothing_strays_at_the_top() {
    let names: Vec<_> = fs::read_dir(top()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let names: Vec<_> = names.iter().map(|name| name.to_str().unwrap()).collect();
    none(&stray(&names));
}

#[test]
fn what_an_app_can_name_has_an_example() {
    none(&unshown(&sources()));
}

/// The published cases, by what stands before the colon of their names, and every test there is.
fn proofs() -> Proofs {
    let files = fs::read_dir(top().join("tests/vectors")).expect("a readable directory");
    let files = files.map(|entry| entry.expect("a readable directory").path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let of_file = |path: PathBuf| {
        let file: serde_json::Value = serde_json::from_str(&read(&path)).expect("a file of cases");
        let cases = file["cases"].as_array().expect("a list of cases");
        let names = cases.iter().filter_map(|case| case["name"].as_str()?.split_once(": "));
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        (stem.to_owned(), names.map(|(of, _)| of.to_owned()).collect())
    };
    Proofs { cases: files.map(of_file).collect(), tests: sources().iter().flat_map(tests).collect() }
}

#[test]
fn every_line_of_the_table_of_cases_is_proved_by_what_it_names() {
    none(&unproved(&read("tests/vectors/README.md"), &proofs()));
}

#[test]
fn every_limit_has_a_test() {
    none(&untested(&read("SECURITY.md"), "## What callers may take up", &proofs().tests));
}

#[test]
fn every_requirement_of_the_standard_has_its_row() {
    none(&unmet(&read("docs/ASVS.md"), &sources()));
}

#[test]
fn a_requirement_that_is_missing_or_unproved_is_caught() {
    let (page, sources) = (read("docs/ASVS.md"), sources());
    let with = |from: &str, to: &str| {
        assert!(page.contains(from), "{from}");
        unmet(&page.replacen(from, to, 1), &sources)
    };
    assert_eq!(
        with("| 9.2.4 | 2 |", "| 9.2.5 | 2 |").len(),
        2,
        "a number that is missing, and one that is none"
    );
    assert_eq!(with("| 9.2.3 |", "| 9.2.4 |").len(), 2, "a number that is there twice");
    assert_eq!(with("| 9.1.1 | 1 |", "| 9.1.1 | 2 |").len(), 1, "another level");
    assert_eq!(with("no questions | n/a |", "no questions | maybe |").len(), 1, "a state that is none");
    let renamed = with("::the_token_is_over_at_exp`", "::the_token_is_over`");
    assert_eq!(renamed, ["9.2.1: there is no test protocol/src/jws/tests/claims.rs::the_token_is_over"]);
    let unproved = with("`protocol/src/jws/tests/mutation.rs::a11_no_mutation_of_a_token_is_accepted`", "");
    assert_eq!(unproved, ["9.1.1 is met and no test shows it; name one, or say what it is"]);
}

// The rules, held to what they must catch.

#[test]
fn each_import_rule_catches_its_bad_line_and_governs_something() {
    let sources = sources();
    for rule in IMPORTS {
        let place = rule.places[0];
        let file = if place.ends_with('/') { format!("{place}x.rs") } else { place.to_owned() };
        let complaints = imports(&Source::new(&file, rule.bad));
        assert!(complaints.iter().any(|complaint| complaint.contains(rule.instead)), "{}", rule.bad);
        for place in rule.places.iter().chain(rule.except) {
            assert!(
                sources.iter().any(|source| source.is_in(&[place])),
                "a rule is about {place}, which is gone"
            );
        }
    }
}

#[test]
fn each_rule_catches_its_bad_file() {
    let long = |text: &str| match text {
        LONG_FILE => text.repeat(FILE_LINES),
        LONG_FUNCTION => format!("{text}{}0\n}}", "\n".repeat(FUNCTION_LINES)),
        text => text.to_owned(),
    };
    for (rule, path, text, word) in RULES {
        let complaints = rule(&Source::new(path, &long(text)));
        assert!(complaints.iter().any(|complaint| complaint.contains(word)), "{text:?} passes");
    }
    let lost = [Source::new("daemon/src/lib.rs", "mod kept;"), Source::new("daemon/src/lost.rs", "")];
    assert_eq!(orphans(&lost).len(), 1);
    assert_eq!(undeclared(&[Source::new("tests/lost.rs", "")], "path = \"../tests/kept.rs\"").len(), 1);
    let manifest = "[dependencies]\nkept-one.workspace = true\nlost = \"1\"\n[lints]\nworkspace = true";
    assert_eq!(unused("client", manifest, &[Source::new("client/src/lib.rs", "use kept_one::X;")]).len(), 1);
    assert_eq!(stray(&["Cargo.toml", "notes.txt", ".git", "target"]).len(), 1);
}

#[test]
fn what_lacks_an_example_is_caught() {
    let example = "/// X.\n///\n/// ```\n/// let x = X::new().calm();\n/// ```\n";
    let is_shown = |path: &str, text: &str| {
        let surface = Source::new("client/src/lib.rs", "pub use hallpass_protocol::auth::{X, Y};");
        unshown(&[surface, Source::new(path, text)])
    };
    let item = |docs: &str, item: &str| is_shown("client/src/x.rs", &format!("{docs}{item}"));
    let x = "#[derive(Debug)]\npub struct X;\nimpl X {\n    /// New.\n    pub const fn new() -> Self {}\n    pub fn calm(&self) {}\n";
    assert_eq!(item(example, &format!("{x}}}\n#[cfg(test)]\npub struct Y;")), [""; 0]);
    assert_eq!(
        item(example, &format!("{x}    pub async fn ask(&self) -> Result<(), Error> {{}}\n}}\n")),
        [
            "client/src/x.rs:12: `X::ask` has no example; show above it what somebody would copy, and what to do when it fails"
        ]
    );
    assert_eq!(
        item(example, &format!("{x}    pub fn other(&self) -> u8 {{}}\n}}\n")),
        ["client/src/x.rs:12: `X::other` is in no example; call it in that of `X`, or give it its own"]
    );
    let another = example.replace("X::new()", "Other::new()");
    assert_eq!(
        item(&another, &format!("{x}}}\n")),
        ["client/src/x.rs:10: `X::new` is in no example; call it in that of `X`, or give it its own"]
    );
    for docs in
        ["", "/// X.\n", &example.replacen("```", "```text", 1), &example.replacen("```", "```ignore", 1)]
    {
        for declared in ["pub struct X;", "pub enum X {}", "pub trait X {}", "pub fn x() {}"] {
            assert_eq!(item(docs, declared).len(), 1, "{docs}{declared}");
        }
    }
    assert_eq!(item("", "pub(crate) struct X;\nimpl X {\n    pub(crate) fn x() {}\n}\n"), [""; 0]);
    assert_eq!(item("", "answers! {\n    /// How.\n    ask(what: String) -> Answer;\n}\n").len(), 1);
    assert_eq!(is_shown("protocol/src/hello.rs", "pub struct Y;").len(), 0, "another of the same name");
    let of_protocol = |text: &str| is_shown("protocol/src/auth/y.rs", text).len();
    assert_eq!(of_protocol("/// Z.\npub struct Z;"), 0, "apps cannot name it");
    assert_eq!(of_protocol("/// Y.\npub struct Y;"), 1);
    assert_eq!(of_protocol("made! {\n    /// Y.\n    Y\n}\n"), 1);
    let made = "        impl $name {\n            pub fn calm(&self) {}\n            pub fn wild(&self) {}\n        }\n";
    assert_eq!(of_protocol(&format!("{made}made! {{\n{example}    Y\n}}\n")), 1);
}

#[test]
fn a_table_that_names_what_is_not_there_is_caught() {
    let (page, proofs) = (read("tests/vectors/README.md"), proofs());
    let without = |from: &str, to: &str| {
        assert!(page.contains(from), "{from}");
        unproved(&page.replacen(from, to, 1), &proofs)
    };
    assert_eq!(without("\n| B8 |", "\n| B0 |").len(), 1, "a line that is nowhere");
    assert_eq!(without("`lifetimes: C17`", "").len(), 1, "a line with nothing in its row");
    assert_eq!(without("`lifetimes: C17`", "`lifetimes: C99`").len(), 1, "a case that is not there");
    assert_eq!(without("`lifetimes: C17`", "`seasons: C17`").len(), 1, "a file that is not there");
    let renamed = without("`b13_nothing_outlives_the_absolute_end`", "`b13_nothing`");
    assert_eq!(renamed, ["B13: there is no test b13_nothing"]);
    assert_eq!(without("`b13_nothing_outlives_the_absolute_end`", "`with_attempt`").len(), 1, "no test");
}

#[test]
fn a_limit_without_a_test_is_caught() {
    let tests = proofs().tests;
    let page = |named: &str| {
        format!("## L\n\n| limit | value | tests |\n|---|---|---|\n| a frame | 7 | {named} |\n\n## N\n")
    };
    assert_eq!(untested(&page("`any_deadline_is_answered`"), "## L", &tests), [""; 0]);
    for bad in ["", "`any_deadline`"] {
        assert_eq!(untested(&page(bad), "## L", &tests).len(), 1, "{bad:?}");
    }
    assert_eq!(untested("", "## L", &tests).len(), 1);
}

#[test]
fn what_is_allowed_passes() {
    let fine = [
        (
            "daemon/src/domain/x.rs",
            "//! Not std::fs.\nuse super::time::Moment;\nuse hallpass_protocol::auth::{Needs, SessionKind};",
        ),
        (
            "daemon/src/domain/x.rs",
            "//! X.\nuse std::{time::Duration, sync::Arc};\nuse super::*;\nuse crate::domain::{policy, time::Moment};",
        ),
        (
            "daemon/src/connection.rs",
            "//! X.\nuse tokio::time::{Instant, Sleep};\nconst TEXT: &str = \"redb::Database // \\\" crate::store\";",
        ),
        (
            "daemon/src/daemon_main.rs",
            "//! X.\nuse crate::clock::SystemTime;\nconst RAW: &str = r#\"unsafe { \"bincode::x\" }\"#;",
        ),
        (
            "daemon/src/store/x.rs",
            "//! X.\nuse redb::{Database, backends::InMemoryBackend};\nfn x<'a>(c: char) -> bool { c == '\"' || c == '\\'' }",
        ),
    ];
    for (path, text) in fine {
        let source = Source::new(path, text);
        let mut complaints = imports(&source);
        complaints.extend(RULES.iter().flat_map(|(rule, ..)| rule(&source)));
        none(&complaints);
    }
}

#[test]
fn names_are_found_however_they_are_written() {
    let text = "use a::{self, b::{c, d as e}, f::*,};\npub use ::g;\nfn h() -> i::J { k::l::<m::N>() }";
    let names: Vec<_> =
        Source::new("x.rs", text).names().into_iter().map(|named| (named.line, named.path)).collect();
    let expected = [
        (1, "a"),
        (1, "a::b::c"),
        (1, "a::b::d"),
        (1, "a::f"),
        (2, "g"),
        (3, "i::J"),
        (3, "k::l"),
        (3, "m::N"),
    ];
    assert_eq!(names, expected.map(|(line, path)| (line, path.to_owned())));
}
