//! How far something long is, on a line of the terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often it is shown, and after how long first.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// A line on the terminal that says how far it is, for as long as it lives. On anything else nothing is said.
pub(super) struct Progress {
    /// What is counted, such as `rows`.
    what: &'static str,
    shown: Instant,
    is_shown: bool,
}

impl Progress {
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, shown: Instant::now(), is_shown: false }
    }

    /// So much is done, of so much in all where that is known.
    pub(super) fn at(&mut self, done: u64, all: Option<u64>) {
        if self.shown.elapsed() < SHOW_EVERY || !io::stderr().is_terminal() {
            return;
        }
        (self.shown, self.is_shown) = (Instant::now(), true);
        // A terminal that is gone does not need to know.
        let _ = write!(io::stderr(), "\r{}", said(self.what, done, all));
    }
}

fn said(what: &str, done: u64, all: Option<u64>) -> String {
    match all {
        None => format!("{done} {what}"),
        Some(all) => {
            let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
            format!("{done} of {all} {what}, {percent} %")
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = writeln!(io::stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_much_of_what_is_done() {
        assert_eq!(said("rows", 1, Some(3)), "1 of 3 rows, 33 %");
        assert_eq!(said("rows", 0, Some(0)), "0 of 0 rows, 100 %");
        assert_eq!(said("lines", 7, None), "7 lines");
    }
}
