//! What was found, and how it is said.

use std::io;

use serde::Serialize;

use crate::ctl::render::Out;
use crate::ctl::render::colour::Colour;
use crate::ctl::render::text::neutral;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work, or will not.
    Problem,
    /// This user or this machine cannot tell.
    Unknown,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }

    const fn colour(self) -> Colour {
        match self {
            Self::Ok => Colour::Good,
            Self::Warning => Colour::Warning,
            Self::Problem => Colour::Bad,
            Self::Unknown => Colour::Faint,
        }
    }
}

/// One thing that was looked at. The field names are a promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, as a stable word.
    pub(super) about: &'static str,
    /// How it is.
    pub(super) state: State,
    /// What was seen.
    pub(super) message: String,
    /// What to do about it, as it would be typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Finding {
    pub(super) fn ok(about: &'static str, message: impl Into<String>) -> Self {
        Self { about, state: State::Ok, message: message.into(), next: None }
    }

    pub(super) fn unknown(about: &'static str, message: impl Into<String>) -> Self {
        Self { state: State::Unknown, ..Self::ok(about, message) }
    }

    pub(super) fn warning(about: &'static str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { state: State::Warning, next: Some(next.into()), ..Self::ok(about, message) }
    }

    pub(super) fn problem(about: &'static str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { state: State::Problem, next: Some(next.into()), ..Self::ok(about, message) }
    }

    pub(super) fn is_problem(&self) -> bool {
        self.state == State::Problem
    }
}

#[derive(Serialize)]
struct ReportView<'a> {
    healthy: bool,
    problems: usize,
    warnings: usize,
    unknown: usize,
    findings: &'a [Finding],
}

/// Where the text of a finding begins.
const MARGIN: usize = 19;
/// Lines are no longer than this, however wide the terminal is.
const WIDEST: usize = 110;
/// How wide what is no terminal is taken to be.
const USUAL: usize = 80;

/// Says all of it, and how many of each there are.
pub(super) fn show(findings: &[Finding], out: &mut Out<'_>) -> io::Result<()> {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (problems, warnings, unknown) = (count(State::Problem), count(State::Warning), count(State::Unknown));
    if out.json {
        return out.object(&ReportView { healthy: problems == 0, problems, warnings, unknown, findings });
    }
    let width = out.width.unwrap_or(USUAL).clamp(MARGIN + 20, WIDEST) - MARGIN;
    for finding in findings {
        let state = out.coloured(finding.state.colour(), &format!("{:7}", finding.state.as_str()));
        let mut before = format!("{state}  {:8}  ", finding.about);
        for line in wrapped(&neutral(&finding.message), width) {
            writeln!(out.to, "{before}{line}")?;
            before = " ".repeat(MARGIN);
        }
        for (number, line) in
            wrapped(&neutral(finding.next.as_deref().unwrap_or_default()), width - 3).iter().enumerate()
        {
            let arrow = if number == 0 { "->" } else { "  " };
            writeln!(out.to, "{before}{arrow} {line}")?;
        }
    }
    let seen = |count, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let all = if problems + warnings == 0 {
        "All is well".to_owned()
    } else {
        format!("{}, {}", seen(problems, "problem"), seen(warnings, "warning"))
    };
    let told = match unknown {
        0 => format!("{all}."),
        _ if nix::unistd::geteuid().is_root() => format!("{all}; {unknown} could not be told."),
        _ => format!("{all}; {unknown} could not be told: root sees more (sudo hallpass doctor)."),
    };
    writeln!(out.to)?;
    wrapped(&told, MARGIN + width).iter().try_for_each(|line| writeln!(out.to, "{line}"))
}

/// The text in lines of at most so many characters. A word that is longer is a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::time::Millis;

    fn shown(findings: &[Finding], width: Option<usize>, json: bool, colour: bool) -> String {
        let mut to = Vec::new();
        show(findings, &mut Out { to: &mut to, json, now: Millis::from_u64(0), width, colour }).unwrap();
        String::from_utf8(to).unwrap()
    }

    fn some() -> [Finding; 3] {
        [
            Finding::ok("version", "hallpassd 0.1.0, as is this command"),
            Finding::problem(
                "sockets",
                "others can write /run/hallpass, and could put a socket of their own in the place of the daemon's",
                "chmod go-w /run/hallpass",
            ),
            Finding::unknown("audit", "bad\u{1b}[2Jname"),
        ]
    }

    #[test]
    fn each_line_fits_and_says_how_what_and_what_to_do() {
        let text = shown(&some(), Some(80), false, false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with("ok       version   hallpassd 0.1.0, as is this command\n"), "{text}");
        assert!(text.contains("\n                   -> chmod go-w /run/hallpass\n"), "{text}");
        assert!(text.contains("1 problem, 0 warnings") && text.contains("bad\\u{1b}[2Jname"), "{text}");
        assert!(!text.contains('\u{1b}'), "no colour");
        assert!(shown(&some(), Some(200), false, true).contains("\u{1b}[1;31mproblem\u{1b}[0m  sockets"));
    }

    #[test]
    fn a_program_reads_the_same_in_one_object() {
        let json: serde_json::Value = serde_json::from_str(&shown(&some(), None, true, false)).unwrap();
        assert_eq!(
            (&json["healthy"], &json["problems"], &json["unknown"]),
            (&false.into(), &1.into(), &1.into())
        );
        assert_eq!(json["findings"][1]["next"], "chmod go-w /run/hallpass");
        assert_eq!(json["findings"][1]["state"], "problem");
        assert!(json["findings"][0].get("next").is_none());
    }
}
