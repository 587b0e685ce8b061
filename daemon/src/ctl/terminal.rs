//! The terminal: questions on it, and answers that are not shown. However a question ends, the terminal is left as it was found.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::SignalFd;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::{Zeroize, Zeroizing};

/// Signals that would end or stop this process while the terminal shows nothing.
const HELD: [Signal; 5] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];

/// A question without an answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The terminal was closed, or its user typed the end-of-file key.
    Closed,
    /// This signal came; the terminal is as it was, and what the signal does is still to be done.
    Signal(Signal),
    /// The terminal cannot be used.
    Io(io::Error),
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for Unanswered {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// The terminal of whoever runs this command, whatever stdin and stdout are.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: File,
}

impl Terminal {
    /// Opens it, if there is one.
    pub(super) fn open() -> Option<Self> {
        let tty = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty");
        Some(Self { tty: tty.ok()? })
    }

    /// Asks for a line that is shown as it is typed.
    pub(super) fn ask(&self, question: &str, max: usize) -> Result<Zeroizing<Vec<u8>>, Unanswered> {
        (&self.tty).write_all(question.as_bytes())?;
        let mut line = Zeroizing::new(Vec::with_capacity(max + 1));
        while !self.read_more(&mut line, max)? {}
        Ok(line)
    }

    /// Asks for lines that are not shown, one after the other. Of an overlong one, the first byte too many is the last that is kept.
    pub(super) fn ask_secrets<const N: usize>(
        &self,
        questions: [&str; N],
        max: usize,
    ) -> Result<[Zeroizing<Vec<u8>>; N], Unanswered> {
        let held = Held::new()?;
        let mut quiet = Quiet::new(&self.tty)?;
        let mut lines = [(); N].map(|()| Zeroizing::new(Vec::with_capacity(max + 1)));
        for (question, line) in questions.iter().zip(&mut lines) {
            (&self.tty).write_all(question.as_bytes())?;
            while let Some(signal) = self.read_quietly(&held, line, max)? {
                drop(quiet);
                (&self.tty).write_all(b"\n")?;
                if signal != Signal::SIGTSTP {
                    return Err(Unanswered::Signal(signal));
                }
                Held::stop_here()?;
                quiet = Quiet::new(&self.tty)?;
                line.zeroize();
                (&self.tty).write_all(question.as_bytes())?;
            }
        }
        drop(quiet);
        Ok(lines)
    }

    /// Reads until the line is complete or one of the held signals comes, which it returns.
    fn read_quietly(
        &self,
        held: &Held,
        line: &mut Vec<u8>,
        max: usize,
    ) -> Result<Option<Signal>, Unanswered> {
        loop {
            let mut ready = [
                PollFd::new(held.arrivals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.tty.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            if ready[0].any() == Some(true) {
                return Ok(Some(held.arrived()?));
            }
            if self.read_more(line, max)? {
                return Ok(None);
            }
        }
    }

    /// Reads once; says whether the line, or as much of it as is wanted, is complete.
    fn read_more(&self, line: &mut Vec<u8>, max: usize) -> Result<bool, Unanswered> {
        let mut chunk = Zeroizing::new([0; 256]);
        let count = match (&self.tty).read(&mut *chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            // What a terminal says that has been hung up.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => 0,
            other => other?,
        };
        if count == 0 {
            return if line.is_empty() { Err(Unanswered::Closed) } else { Ok(true) };
        }
        let end = chunk[..count].iter().position(|&byte| byte == b'\n');
        let wanted = end.unwrap_or(count).min(max + 1 - line.len());
        line.extend_from_slice(&chunk[..wanted]);
        Ok(end.is_some() || line.len() > max)
    }
}

/// Keeps the terminal from showing what is typed, for as long as it lives.
struct Quiet<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(tty: &'a File) -> nix::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK);
        quiet.local_flags.insert(LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(tty, SetArg::TCSADRAIN, &quiet)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Flushed, so that the rest of an overlong or interrupted line does not end up as a command in the shell.
        let _ = tcsetattr(self.tty, SetArg::TCSAFLUSH, &self.before);
    }
}

/// Keeps the signals in [`HELD`] waiting, for as long as it lives, and tells which have come.
///
/// It works because nothing asks a question once there is a second thread, which would take the signals instead.
struct Held {
    arrivals: SignalFd,
    before: SigSet,
}

impl Held {
    fn new() -> nix::Result<Self> {
        let held = SigSet::from_iter(HELD);
        let arrivals = SignalFd::new(&held)?;
        Ok(Self { arrivals, before: held.thread_swap_mask(SigmaskHow::SIG_BLOCK)? })
    }

    fn arrived(&self) -> Result<Signal, Unanswered> {
        loop {
            match self.arrivals.read_signal() {
                Ok(Some(info)) => {
                    let number = i32::try_from(info.ssi_signo).unwrap_or_default();
                    return Ok(Signal::try_from(number)?);
                }
                Ok(None) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Does what the stop key asks for and returns once the process is continued.
    fn stop_here() -> nix::Result<()> {
        let stop = SigSet::from_iter([Signal::SIGTSTP]);
        raise(Signal::SIGTSTP)?;
        stop.thread_unblock()?;
        stop.thread_block()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use nix::pty::openpty;
    use nix::sys::signal::pthread_sigmask;

    /// A terminal and the end its user types at.
    pub(in crate::ctl) fn pair() -> (Terminal, File) {
        let pty = openpty(None, None).unwrap();
        (Terminal { tty: File::from(pty.slave) }, File::from(pty.master))
    }

    fn echoes(terminal: &Terminal) -> bool {
        tcgetattr(&terminal.tty).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    /// Everything the terminal has shown so far.
    fn shown(user: &mut File) -> String {
        let mut bytes = [0; 4096];
        let count = user.read(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    /// Waits until the question is asked, then types, and waits until each newline is shown. Gives back all that was shown, and the
    /// terminal's other end, which must outlive the question.
    fn type_when_asked(mut user: File, text: &'static str) -> std::thread::JoinHandle<(String, File)> {
        std::thread::spawn(move || {
            let mut seen = shown(&mut user);
            user.write_all(text.as_bytes()).unwrap();
            while seen.matches('\n').count() < text.matches('\n').count() {
                seen.push_str(&shown(&mut user));
            }
            (seen, user)
        })
    }

    #[test]
    fn a_secret_is_read_to_its_newline_and_never_shown() {
        let (terminal, user) = pair();
        let typist = type_when_asked(user, "correct horse \n");
        let [line] = terminal.ask_secrets(["Password: "], 100).unwrap();
        assert_eq!(*line, b"correct horse ");
        let (seen, _user) = typist.join().unwrap();
        assert_eq!(seen, "Password: \r\n");
        assert!(echoes(&terminal));
    }

    #[test]
    fn an_open_question_is_shown_as_it_is_answered() {
        let (terminal, user) = pair();
        let typist = type_when_asked(user, "alice\n");
        assert_eq!(*terminal.ask("Name: ", 100).unwrap(), b"alice");
        assert_eq!(typist.join().unwrap().0, "Name: alice\r\n");
    }

    #[test]
    fn an_overlong_line_keeps_one_byte_too_many_and_leaves_none_behind() {
        let (terminal, mut user) = pair();
        user.write_all(&[&[b'x'; 600][..], b"\n"].concat()).unwrap();
        assert_eq!(terminal.ask_secrets(["Password: "], 500).unwrap()[0].len(), 501);
        user.write_all(b"next\n").unwrap();
        assert_eq!(*terminal.ask_secrets(["Password: "], 500).unwrap()[0], b"next");
    }

    #[test]
    fn two_secrets_may_be_typed_in_one_go() {
        let (terminal, user) = pair();
        let typist = type_when_asked(user, "one\ntwo\n");
        let [first, second] = terminal.ask_secrets(["New: ", "Again: "], 100).unwrap();
        assert_eq!((first.as_slice(), second.as_slice()), (&b"one"[..], &b"two"[..]));
        assert!(!typist.join().unwrap().0.contains("two"));
    }

    #[test]
    fn the_end_of_file_key_is_no_answer() {
        let (terminal, mut user) = pair();
        user.write_all(b"\x04").unwrap();
        assert!(matches!(terminal.ask_secrets(["Password: "], 100), Err(Unanswered::Closed)));
        assert!(echoes(&terminal));
    }

    #[test]
    fn f12_a_signal_at_the_prompt_finds_the_terminal_as_it_was() {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            let (terminal, _user) = pair();
            // Raised before the question, it is waiting when the question is asked: no race, and no other test sees it.
            let mut before = SigSet::empty();
            let block = SigSet::from_iter([signal]);
            pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&block), Some(&mut before)).unwrap();
            raise(signal).unwrap();
            let outcome = terminal.ask_secrets(["Password: "], 100);
            before.thread_set_mask().unwrap();
            assert!(matches!(outcome, Err(Unanswered::Signal(came)) if came == signal), "{outcome:?}");
            assert!(echoes(&terminal));
        }
    }

    #[test]
    fn while_a_secret_is_typed_the_terminal_shows_nothing() {
        let (terminal, _user) = pair();
        let quiet = Quiet::new(&terminal.tty).unwrap();
        assert!(!echoes(&terminal));
        drop(quiet);
        assert!(echoes(&terminal));
    }
}
