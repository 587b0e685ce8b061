//! How far something long is, on a line of the terminal: on stderr, and only where that is a terminal which can be drawn on and nobody asked for JSON.
//!
//! Whatever else is written finds the line gone. It comes back by itself for as long as the work goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::stat::{SFlag, fstat};

use super::can_be_drawn_on;
use super::render::Out;

/// How often the line is drawn, and after how long first: what is done sooner needs none.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// Columns of a terminal that does not say how many it has.
const USUAL: usize = 80;
/// Takes away all from here to the end of the line.
const CLEAR: &str = "\u{1b}[K";

/// A line on the terminal that says how far it is, for as long as it lives; where there is no terminal, nothing.
pub(super) struct Progress(Option<Drawn>);

struct Drawn {
    line: Arc<Mutex<Line>>,
    /// What is dropped ends the thread. It draws also while the work itself does not say how far it is.
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Of something that is counted in units, such as `rows`.
    pub(super) fn of(doing: impl Into<String>, unit: &'static str, out: &Out<'_>) -> Self {
        if out.json || !can_be_drawn_on() || !io::stderr().is_terminal() {
            return Self(None);
        }
        let line = Arc::new(Mutex::new(Line::new(doing.into(), unit, Box::new(io::stderr()))));
        let (ends, ended) = mpsc::channel();
        let (drawn, begun) = (Arc::clone(&line), Instant::now());
        let draw = move || {
            while ended.recv_timeout(DRAW_EVERY) == Err(RecvTimeoutError::Timeout) {
                let size = terminal_size::terminal_size_of(io::stderr());
                let width = size.map_or(USUAL, |(width, _)| width.0.into());
                locked(&drawn).draw(begun.elapsed(), width);
            }
        };
        // Without a thread the work is done all the same, and says nothing.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(draw).ok();
        Self(Some(Drawn { line, ends: Some(ends), thread }))
    }

    /// Of something whose answer goes to stdout piece by piece. On a terminal that is all that needs to be seen, and what reads a pipe may show it on
    /// the terminal that this would draw on.
    pub(super) fn beside_answer(doing: &'static str, unit: &'static str, out: &Out<'_>) -> Self {
        let to_a_file = fstat(io::stdout())
            .is_ok_and(|found| found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits());
        if to_a_file { Self::of(doing, unit, out) } else { Self(None) }
    }

    /// So much is done, of so much in all where that is known.
    pub(super) fn at(&self, done: u64, all: Option<u64>) {
        if let Some(drawn) = &self.0 {
            locked(&drawn.line).count = Some((done, all));
        }
    }

    /// Writes something else, which may go to the same terminal.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(drawn) => {
                let mut line = locked(&drawn.line);
                line.erase();
                // It is not drawn again before this is written.
                write()
            }
            None => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(drawn) = &mut self.0 else { return };
        drop(drawn.ends.take());
        // One that has panicked draws no more either.
        let _ = drawn.thread.take().map(JoinHandle::join);
        locked(&drawn.line).erase();
    }
}

fn locked(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The line itself, which knows no clock.
struct Line {
    doing: String,
    unit: &'static str,
    count: Option<(u64, Option<u64>)>,
    to: Box<dyn Write + Send>,
    is_shown: bool,
}

impl Line {
    fn new(doing: String, unit: &'static str, to: Box<dyn Write + Send>) -> Self {
        Self { doing, unit, count: None, to, is_shown: false }
    }

    /// Draws it over what it said before. Its last column stays free: from there a terminal would go on in the next line, and this could not be taken
    /// away any more.
    fn draw(&mut self, since: Duration, width: usize) {
        let text: String = self.said(since).chars().take(width.saturating_sub(1)).collect();
        self.write(&format!("\r{text}{CLEAR}"));
        self.is_shown = true;
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            self.write(&format!("\r{CLEAR}"));
        }
    }

    /// In one piece, so that nobody sees half of it. A terminal that is gone does not need to know.
    fn write(&mut self, text: &str) {
        let _ = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
    }

    fn said(&self, since: Duration) -> String {
        let Self { doing, unit, .. } = self;
        match self.count {
            None => format!("{doing}, {} s", since.as_secs()),
            Some((done, None)) => format!("{doing}: {done} {unit}"),
            Some((done, Some(all))) => {
                let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
                format!("{doing}: {done} of {all} {unit}, {percent} %")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use hallpass_protocol::time::Millis;
    use nix::pty::openpty;

    use super::*;

    fn at(count: Option<(u64, Option<u64>)>) -> Line {
        Line { count, ..Line::new("checking".into(), "rows", Box::new(io::sink())) }
    }

    #[test]
    fn it_says_how_much_of_what_is_done() {
        let said = |count| at(count).said(Duration::from_millis(2900));
        assert_eq!(said(None), "checking, 2 s");
        assert_eq!(said(Some((7, None))), "checking: 7 rows");
        assert_eq!(said(Some((1, Some(3)))), "checking: 1 of 3 rows, 33 %");
        assert_eq!(said(Some((0, Some(0)))), "checking: 0 of 0 rows, 100 %");
    }

    /// A real terminal: the end that somebody looks at, and the one that is written to.
    fn terminal() -> (File, File) {
        let pty = openpty(None, None).unwrap();
        (File::from(pty.master), File::from(pty.slave))
    }

    fn line_on(terminal: &File) -> Line {
        Line::new("checking".into(), "rows", Box::new(terminal.try_clone().unwrap()))
    }

    /// The lines that somebody sees on it once nobody has it open any more.
    fn lines_on(mut user: File) -> Vec<String> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 1024]);
        // It ends with an error then.
        while let Ok(count @ 1..) = user.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
        }
        shown(&String::from_utf8(bytes).unwrap())
    }

    /// The same after this was drawn on it.
    fn seen(draw: impl FnOnce(&mut Line, &mut File)) -> Vec<String> {
        let (user, mut other) = terminal();
        let mut line = line_on(&other);
        draw(&mut line, &mut other);
        drop((line, other));
        lines_on(user)
    }

    /// What a terminal makes of these.
    fn shown(written: &str) -> Vec<String> {
        let (mut lines, mut column) = (vec![Vec::new()], 0);
        let mut rest = written;
        while let Some(c) = rest.chars().next() {
            let line = lines.last_mut().unwrap();
            if let Some(after) = rest.strip_prefix(CLEAR) {
                line.truncate(column);
                rest = after;
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => column = 0,
                '\n' => lines.push(Vec::new()),
                c => {
                    match line.get_mut(column) {
                        Some(cell) => *cell = c,
                        None => line.push(c),
                    }
                    column += 1;
                }
            }
        }
        lines.into_iter().map(|line| line.into_iter().collect()).collect()
    }

    #[test]
    fn a_shorter_line_leaves_nothing_of_a_longer_one() {
        let lines = seen(|line, _| {
            line.count = Some((999, Some(1000)));
            line.draw(Duration::from_millis(500), 80);
            line.count = Some((7, None));
            line.draw(Duration::from_secs(1), 80);
        });
        assert_eq!(lines, ["checking: 7 rows"]);
    }

    #[test]
    fn whatever_is_written_after_it_finds_it_gone() {
        let lines = seen(|line, other| {
            line.draw(Duration::from_secs(3), 80);
            line.erase();
            other.write_all(b"2 rows\n").unwrap();
            line.draw(Duration::from_secs(4), 80);
            line.erase();
            other.write_all(b"ok").unwrap();
        });
        assert_eq!(lines, ["2 rows", "ok"]);
    }

    #[test]
    fn what_was_never_shown_is_not_taken_away() {
        let lines = seen(|line, other| {
            other.write_all(b"asked").unwrap();
            line.erase();
        });
        assert_eq!(lines, ["asked"], "somebody else's line stays");
    }

    #[test]
    fn it_fits_its_terminal_with_a_column_to_spare() {
        let lines = seen(|line, _| {
            line.count = Some((1234, Some(123_456)));
            line.draw(Duration::from_secs(1), 20);
        });
        assert_eq!(lines, ["checking: 1234 of 1"]);
    }

    #[test]
    fn what_is_asked_for_as_json_has_none() {
        let mut to = Vec::new();
        let mut out = Out { to: &mut to, json: true, now: Millis::default(), width: None, colour: false };
        assert!(Progress::of("checking", "rows", &out).0.is_none());
        (out.json, out.width) = (false, Some(80));
        let beside = Progress::beside_answer("exporting", "users", &out);
        assert!(beside.0.is_none(), "the answer is on the terminal itself");
    }

    #[test]
    fn what_is_written_aside_finds_it_gone_and_so_does_its_end() {
        let (user, mut other) = terminal();
        let line = Arc::new(Mutex::new(line_on(&other)));
        let progress = Progress(Some(Drawn { line: Arc::clone(&line), ends: None, thread: None }));
        locked(&line).draw(Duration::from_secs(1), 80);
        progress.aside(|| other.write_all(b"line 3: refused\n")).unwrap();
        locked(&line).draw(Duration::from_secs(2), 80);
        drop(progress);
        drop((line, other));
        assert_eq!(lines_on(user), ["line 3: refused", ""]);
    }
}
