//! The table of cases: every line of it is somewhere, and what it names exists.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// What has to have a row: the rows of the rotation table with the rules beneath it, and the lines of the lists B to F, and G10.
const LINES: [&str; 84] = [
    "row c = n",
    "row c = n-1, window",
    "row c = n-1, attempt",
    "row c < n",
    "row c > n",
    "row bad MAC",
    "rule strict",
    "row outage",
    "rule rate",
    "B1",
    "B2",
    "B3",
    "B4",
    "B5",
    "B6",
    "B7",
    "B8",
    "B9",
    "B11",
    "B12",
    "B13",
    "B15",
    "B16",
    "B17",
    "B18",
    "B19",
    "C1",
    "C2",
    "C4",
    "C5",
    "C6",
    "C7",
    "C8",
    "C9",
    "C11",
    "C12",
    "C13",
    "C14",
    "C15",
    "C17",
    "C18",
    "D1",
    "D2",
    "D3",
    "D4",
    "D5",
    "D6",
    "D7",
    "D8",
    "D10",
    "D11",
    "D12",
    "D13",
    "D14",
    "D16",
    "D18",
    "D19",
    "D20",
    "D21",
    "E1",
    "E2",
    "E3",
    "E4",
    "E7",
    "E8",
    "E9",
    "E10",
    "E12",
    "E13",
    "E14",
    "E15",
    "E16",
    "E18",
    "E19",
    "F1",
    "F2",
    "F3",
    "F5",
    "F6",
    "F7",
    "F9",
    "F10",
    "F12",
    "G10",
];

/// Where the table begins and ends.
const HEADING: &str = "## Where each line is";

/// What a row of the table can name.
pub(crate) struct Proofs {
    /// For each published file, without its ending, what its cases begin with.
    pub(crate) cases: BTreeMap<String, Vec<String>>,
    /// The names of tests.
    pub(crate) tests: BTreeSet<String>,
}

/// What the table lacks, and what it names that is not there.
pub(crate) fn unproved(page: &str, proofs: &Proofs) -> Vec<String> {
    let table =
        page.split_once(HEADING).map_or("", |(_, rest)| rest).split("\n## ").next().unwrap_or_default();
    let rows: Vec<[&str; 3]> = table.lines().filter_map(row).collect();
    let mut found = Vec::new();
    for line in LINES {
        let proved =
            |[of, cases, tests]: &[&str; 3]| *of == line && (cases.contains('`') || tests.contains('`'));
        if !rows.iter().any(proved) {
            found.push(format!("{line} is nowhere; name a case or a test in its row"));
        }
    }
    for [line, cases, tests] in rows {
        let is_case = |case: &&str| {
            let named = case.split_once(": ").and_then(|(file, of)| Some((proofs.cases.get(file)?, of)));
            named.is_some_and(|(cases, of)| cases.iter().any(|case| case == of))
        };
        found.extend(
            quoted(cases)
                .filter(|case| !is_case(case))
                .map(|case| format!("{line}: there is no case {case}")),
        );
        let untested = quoted(tests).filter(|test| !proofs.tests.contains(*test));
        found.extend(untested.map(|test| format!("{line}: there is no test {test}")));
    }
    found
}

/// What the last column of a table names that is no test, and rows that name none.
pub(crate) fn untested(page: &str, heading: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let table =
        page.split_once(heading).map_or("", |(_, rest)| rest).split("\n## ").next().unwrap_or_default();
    let rows: Vec<[&str; 3]> = table.lines().filter_map(row).skip(2).collect();
    let mut found = Vec::new();
    if rows.is_empty() {
        found.push(format!("there is no table under {heading}"));
    }
    for [what, _, named] in rows {
        if quoted(named).next().is_none() {
            found.push(format!("{what}: no test; name one"));
        }
        let unknown = quoted(named).filter(|test| !tests.contains(*test));
        found.extend(unknown.map(|test| format!("{what}: there is no test {test}")));
    }
    found
}

/// The cells of a row of a table.
fn row(line: &str) -> Option<[&str; 3]> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    cells.try_into().ok()
}

/// What a cell has between backticks.
pub(crate) fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The tests of a source: functions with an attribute that ends in `test`.
pub(crate) fn tests(source: &Source) -> Vec<String> {
    let (tokens, mut found, mut is_test) = (source.tokens(), Vec::new(), false);
    for pair in tokens.windows(2) {
        match [pair[0].text, pair[1].text] {
            ["test", "]" | "("] => is_test = true,
            ["fn", name] if is_test => {
                found.push(name.to_owned());
                is_test = false;
            }
            ["}", _] => is_test = false,
            _ => {}
        }
    }
    found
}
