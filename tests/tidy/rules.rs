//! The rules about files: how they begin, how long they get, and what must not be left in them.

use crate::source::{Source, Token, is_word};

/// Most lines in one file.
pub(crate) const FILE_LINES: usize = 500;
/// Most lines of one function of the product.
pub(crate) const FUNCTION_LINES: usize = 60;
/// Most lines of one test, which may tell a longer story.
const TEST_LINES: usize = 80;
/// Most lines of a binary: it says what it is, the library does it.
const BINARY_LINES: usize = 10;
/// Files that may hold unsafe code.
const UNSAFE_FILES: &[&str] = &["protocol/src/board/mapping.rs"];
/// Everything that belongs beside the workspace's manifest.
const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "bench",
    "client",
    "clippy.toml",
    "daemon",
    "deny.toml",
    "docs",
    "fuzz",
    "packaging",
    "protocol",
    "rustfmt.toml",
    "systemd",
    "tests",
];

pub(crate) type Rule = fn(&Source) -> Vec<String>;

/// Rules about one file, each with a bad one: where it lies, what is in it, and a word of the complaint.
pub(crate) const RULES: &[(Rule, &str, &str, &str)] = &[
    (has_header, "client/src/x.rs", "use std::fmt;\n", "`//!`"),
    (is_short, "client/src/x.rs", LONG_FILE, "split it"),
    (is_short, "daemon/src/bin/x.rs", "//! X.\n\n\n\n\n\n\n\n\n\n\n", "library"),
    (has_short_functions, "client/src/x.rs", LONG_FUNCTION, "take a step out"),
    (leaves_nothing_behind, "client/src/x.rs", concat!("// TO", "DO: later\n"), "do it"),
    (leaves_nothing_behind, "client/src/x.rs", concat!("/* FIX", "ME */"), "do it"),
    (leaves_nothing_behind, "tests/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn x() {}", "run it"),
    (leaves_nothing_behind, "client/src/x.rs", "fn x() { dbg!(1); }", "take it out"),
    (leaves_nothing_behind, "client/src/x.rs", "#![allow(missing_docs)]", "`expect`"),
    (is_safe, "client/src/x.rs", "fn x() { unsafe { y() } }", "UNSAFE_FILES"),
];

pub(crate) const LONG_FILE: &str = "\n\n\n\n\n\n\n\n\n\n";
pub(crate) const LONG_FUNCTION: &str = "fn long() -> u8 {";

pub(crate) fn complaint(source: &Source, line: usize, fault: &str, instead: &str) -> String {
    format!("{}:{line}: {fault}; {instead}", source.path)
}

fn has_header(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![complaint(source, 1, "does not say what it is", "begin it with a `//!` sentence")]
}

fn is_short(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let (most, instead) = if source.is_in(&["daemon/src/bin/"]) {
        (BINARY_LINES, "move it to the library")
    } else {
        (FILE_LINES, "split it by what it is about")
    };
    if lines <= most {
        return Vec::new();
    }
    vec![complaint(source, lines, &format!("is longer than {most} lines"), instead)]
}

fn has_short_functions(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let tests_from = source.text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX);
    let is_test = |line: usize| line > tests_from || source.path.contains("tests");
    let starts =
        tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && is_word(pair[1].text));
    let long = starts.filter_map(|(at, pair)| {
        let (first, last) = (pair[0].line, end_of_function(&tokens[at..])?);
        let most = if is_test(first) { TEST_LINES } else { FUNCTION_LINES };
        let fault = || format!("`{}` is longer than {most} lines", pair[1].text);
        (last - first >= most)
            .then(|| complaint(source, first, &fault(), "take a step out of it and name it"))
    });
    long.collect()
}

/// The last line of the function that starts here; nothing for one without a body.
fn end_of_function(tokens: &[Token<'_>]) -> Option<usize> {
    let (mut depth, mut braces) = (0_usize, 0_usize);
    for token in tokens {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "{" => braces += 1,
            "}" if braces == 1 => return Some(token.line),
            "}" => braces -= 1,
            ";" if depth == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

fn leaves_nothing_behind(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in source.comments.lines().enumerate() {
        let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
        if words.iter().any(|word| line.split(|c: char| !c.is_alphanumeric()).any(|other| other == *word)) {
            found.push(complaint(source, number + 1, "puts something off", "do it, or open an issue"));
        }
    }
    let tokens = source.tokens();
    for window in tokens.windows(3) {
        let (fault, instead) = match [window[0].text, window[1].text, window[2].text] {
            ["dbg" | "todo" | "unimplemented", "!", _] => ("has a macro of work in progress", "take it out"),
            ["#", "[", "ignore"] => ("has a test that never runs", "run it or remove it"),
            ["[" | ",", "allow", "("] => ("silences a lint for good", "use `expect` with a reason"),
            _ => continue,
        };
        found.push(complaint(source, window[0].line, fault, instead));
    }
    found
}

fn is_safe(source: &Source) -> Vec<String> {
    if source.is_in(UNSAFE_FILES) {
        return Vec::new();
    }
    let tokens = source.tokens().into_iter().filter(|token| token.text == "unsafe");
    let instead = "do without, or argue for the file in UNSAFE_FILES";
    tokens.map(|token| complaint(source, token.line, "is not safe", instead)).collect()
}

/// Modules that no file declares, which are therefore never compiled.
pub(crate) fn orphans(sources: &[Source]) -> Vec<String> {
    let is_root = |dir: &str, stem: &str| {
        matches!(stem, "lib" | "main")
            || ["bin", "examples", "benches", "fuzz_targets", "tests"].contains(&file_name(dir))
    };
    let declares = |source: &Source, module: &str| {
        source.tokens().windows(2).any(|pair| pair[0].text == "mod" && pair[1].text == module)
    };
    let mut found = Vec::new();
    for source in sources {
        let (mut dir, mut stem) = split_path(source.path.trim_end_matches(".rs"));
        if stem == "mod" {
            (dir, stem) = split_path(dir);
        } else if is_root(dir, stem) {
            continue;
        }
        let beside = |other: &Source| split_path(&other.path).0 == dir || other.path == format!("{dir}.rs");
        if !sources.iter().any(|other| beside(other) && declares(other, stem)) {
            found.push(complaint(
                source,
                1,
                "is never compiled",
                &format!("declare `mod {stem}` or remove the file"),
            ));
        }
    }
    found
}

fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn file_name(path: &str) -> &str {
    split_path(path).1
}

/// Whole-system tests that the daemon's manifest does not list, which therefore never run.
pub(crate) fn undeclared(sources: &[Source], manifest: &str) -> Vec<String> {
    let is_test = |path: &str| {
        path.starts_with("tests/") && (split_path(path).0 == "tests" || path.ends_with("/main.rs"))
    };
    let tests = sources.iter().filter(|source| is_test(&source.path));
    let declared = |path: &str| manifest.contains(&format!("path = \"../{path}\""));
    let missing = tests.filter(|source| !declared(&source.path));
    missing
        .map(|source| complaint(source, 1, "never runs", "add it as a [[test]] to daemon/Cargo.toml"))
        .collect()
}

/// Dependencies of a package that none of its sources names.
pub(crate) fn unused(package: &str, manifest: &str, sources: &[Source]) -> Vec<String> {
    let places = [format!("{package}/"), "tests/".to_owned()];
    let places: Vec<&str> =
        places.iter().take(if package == "daemon" { 2 } else { 1 }).map(String::as_str).collect();
    let (mut within, mut found) = (false, Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]");
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default().replace('-', "_");
        let is_name = within && name.starts_with(char::is_alphabetic);
        let used =
            |source: &Source| source.is_in(&places) && source.tokens().iter().any(|token| token.text == name);
        if is_name && !sources.iter().any(used) {
            found.push(format!("{package}/Cargo.toml: nothing uses {name}; take the dependency out"));
        }
    }
    found
}

pub(crate) fn stray(names: &[&str]) -> Vec<String> {
    let known = |name: &str| TOP_LEVEL.contains(&name) || name.starts_with('.') || name == "target";
    let instead = "move it where it belongs, or add it to TOP_LEVEL";
    names
        .iter()
        .filter(|name| !known(name))
        .map(|name| format!("{name} lies at the top; {instead}"))
        .collect()
}
