//! The terminal while it is drawn on, and what happens on it. However that ends, it is left as it was found.

use std::io::{self, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::ctl::failure::Failure;

/// Something that the view has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// It is time for another look.
    Tick,
    /// The terminal has another size.
    Resized,
    /// Somebody has seen enough.
    Quit,
}

/// Columns and rows of the terminal, if there is one.
pub(super) fn size() -> Option<(usize, usize)> {
    crossterm::terminal::size().ok().map(|(width, height)| (width.into(), height.into()))
}

/// The terminal, for as long as it is drawn on.
pub(super) struct Tty {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Tty {
    /// From now on keys come one by one and are not shown, and what stood on the screen is kept for later.
    pub(super) fn take() -> Result<Self, Failure> {
        enable_raw_mode().map_err(|error| {
            Failure::usage(format!("the terminal cannot be drawn on: {error}; give --once"))
        })?;
        // From here on whatever fails puts it back.
        let mut tty = Self { width: 0, height: 0 };
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, cursor::Hide)?;
        tty.resized()?;
        Ok(tty)
    }

    /// It has another size.
    pub(super) fn resized(&mut self) -> Result<(), Failure> {
        let (width, height) = size().unwrap_or((80, 24));
        (self.width, self.height) = (width, height);
        Ok(execute!(io::stdout(), Clear(ClearType::All))?)
    }

    /// Draws all lines, the first of them in bold.
    #[expect(clippy::unused_self, reason = "only whoever has taken the terminal may draw on it")]
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Failure> {
        // In one piece, so that nobody sees half of it.
        io::stdout().write_all(&painted(lines)?)?;
        Ok(io::stdout().flush()?)
    }
}

/// Each row is cleared before it is written: behind the last column of one that is full, clearing would take that away.
fn painted(lines: &[String]) -> io::Result<Vec<u8>> {
    let mut screen = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        let row = u16::try_from(row).unwrap_or(u16::MAX);
        queue!(screen, cursor::MoveTo(0, row), Clear(ClearType::UntilNewLine))?;
        if row == 0 {
            queue!(screen, SetAttribute(Attribute::Bold), Print(line), SetAttribute(Attribute::Reset))?;
        } else {
            queue!(screen, Print(line))?;
        }
    }
    Ok(screen)
}

impl Drop for Tty {
    fn drop(&mut self) {
        // A terminal that is gone needs no putting back.
        let _ = execute!(io::stdout(), EnableLineWrap, cursor::Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// What happens from now on: a tick each interval, and what somebody does on the terminal if that is watched. It ends with what is returned beside it.
pub(super) fn pulse(interval: u8, watched: bool) -> (Receiver<Happened>, mpsc::Sender<()>) {
    let ((happens, happened), (stop, stopped)) = (channel(1), mpsc::channel());
    let interval = Duration::from_secs(interval.into());
    std::thread::spawn(move || beat(interval, watched, &happens, &stopped));
    (happened, stop)
}

fn beat(interval: Duration, watched: bool, happens: &Sender<Happened>, stopped: &mpsc::Receiver<()>) {
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let what = if left.is_zero() {
            next = Instant::now() + interval;
            Some(Happened::Tick)
        } else if watched {
            seen(left)
        } else {
            // Nothing is ever sent: it waits, or whoever wanted to know has gone.
            match stopped.recv_timeout(left) {
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                _ => None,
            }
        };
        let gone = match what {
            // A tick that nobody has time for is none.
            Some(Happened::Tick) => matches!(happens.try_send(Happened::Tick), Err(TrySendError::Closed(_))),
            Some(what) => happens.blocking_send(what).is_err(),
            None => false,
        };
        if gone {
            return;
        }
    }
}

/// What somebody does on the terminal within this time. A terminal that is gone has nobody in front of it.
fn seen(left: Duration) -> Option<Happened> {
    match poll(left).and_then(|any| if any { read().map(Some) } else { Ok(None) }) {
        Ok(Some(Event::Resize(..))) => Some(Happened::Resized),
        Ok(Some(Event::Key(key))) if ends(key) => Some(Happened::Quit),
        Ok(_) => None,
        Err(_) => Some(Happened::Quit),
    }
}

fn ends(key: KeyEvent) -> bool {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let ends = match key.code {
        KeyCode::Char('c' | 'd') => ctrl,
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        _ => false,
    };
    ends && key.kind == KeyEventKind::Press
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_cleared_before_it_is_written() {
        let screen = painted(&["head".to_owned(), "full row".to_owned()]).unwrap();
        let text = String::from_utf8(screen).unwrap();
        assert_eq!(text, "\u{1b}[1;1H\u{1b}[K\u{1b}[1mhead\u{1b}[0m\u{1b}[2;1H\u{1b}[Kfull row");
    }

    #[test]
    fn q_escape_and_ctrl_c_end_it_and_nothing_else_does() {
        let key = |code, modifiers| ends(KeyEvent::new(code, modifiers));
        assert!(key(KeyCode::Char('q'), KeyModifiers::NONE) && key(KeyCode::Esc, KeyModifiers::NONE));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE) && !key(KeyCode::Enter, KeyModifiers::NONE));
    }
}
