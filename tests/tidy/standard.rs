//! The table of the standard: every requirement of its chapters has one row, and the tests that it names exist.

use crate::cases::{quoted, tests};
use crate::source::Source;

/// The sections of OWASP ASVS 5.0.0 that the page is about, and the level of each of their requirements, in order.
const SECTIONS: [(&str, &str); 32] = [
    ("6.1", "122"),
    ("6.2", "111111112222"),
    ("6.3", "11223333"),
    ("6.4", "112233"),
    ("6.5", "22222333"),
    ("6.6", "2223"),
    ("6.7", "33"),
    ("6.8", "2222"),
    ("7.1", "222"),
    ("7.2", "1111"),
    ("7.3", "22"),
    ("7.4", "11222"),
    ("7.5", "223"),
    ("7.6", "22"),
    ("8.1", "1233"),
    ("8.2", "1123"),
    ("8.3", "133"),
    ("8.4", "23"),
    ("9.1", "111"),
    ("9.2", "1222"),
    ("11.1", "2233"),
    ("11.2", "22233"),
    ("11.3", "11233"),
    ("11.4", "1222"),
    ("11.5", "23"),
    ("11.6", "23"),
    ("11.7", "33"),
    ("16.1", "2"),
    ("16.2", "22222"),
    ("16.3", "2222"),
    ("16.4", "222"),
    ("16.5", "2223"),
];

/// What a row can say of a requirement.
const STATES: [&str; 5] = ["met", "partly", "app", "n/a", "not met"];

/// What the page lacks, and what it names that is not there.
pub(crate) fn unmet(page: &str, sources: &[Source]) -> Vec<String> {
    let rows: Vec<[&str; 6]> = page.lines().filter_map(row).collect();
    let mut found = Vec::new();
    let mut numbers = Vec::new();
    for (section, levels) in SECTIONS {
        for (place, level) in levels.chars().enumerate() {
            let number = format!("{section}.{}", place + 1);
            let of: Vec<_> = rows.iter().filter(|row| row[0] == number).collect();
            match of[..] {
                [row] if row[1] == level.to_string() => {}
                [row] => found.push(format!("{number} is of level {level}, not {}", row[1])),
                _ => found.push(format!("{number} has {} rows; write one", of.len())),
            }
            numbers.push(number);
        }
    }
    for [number, _, _, state, _, named] in rows {
        if !numbers.iter().any(|known| known == number) {
            found.push(format!("{number} is no requirement of these chapters"));
        }
        if !STATES.contains(&state) {
            found.push(format!("{number} is {state:?}; say one of {STATES:?}"));
        }
        if state == "met" && quoted(named).next().is_none() {
            found.push(format!("{number} is met and no test shows it; name one, or say what it is"));
        }
        let unknown = quoted(named).filter(|test| !exists(test, sources));
        found.extend(unknown.map(|test| format!("{number}: there is no test {test}")));
    }
    found
}

/// Whether a test is there, named by its file and itself.
fn exists(named: &str, sources: &[Source]) -> bool {
    let Some((path, test)) = named.split_once("::") else { return false };
    sources
        .iter()
        .filter(|source| source.path == path)
        .any(|source| tests(source).iter().any(|name| name == test))
}

/// The cells of a row of a requirement, which begins with its number.
fn row(line: &str) -> Option<[&str; 6]> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    cells
        .try_into()
        .ok()
        .filter(|cells: &[&str; 6]| cells[0].starts_with(|first: char| first.is_ascii_digit()))
}
