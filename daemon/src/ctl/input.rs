//! Where passwords, tokens and consent come from: the terminal or stdin, and nowhere else.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{PASSWORD_BYTES, TOKEN_BYTES};
use hallpass_protocol::secret::{NewMasterKey, Password, Token};
use zeroize::{Zeroize, Zeroizing};

use super::failure::Failure;
use super::render::text::neutral;
use super::terminal::{Terminal, Unanswered};

/// Bytes of a master key.
const KEY_BYTES: usize = 32;

/// A line as it was typed, wiped when dropped.
type Line = Zeroizing<Vec<u8>>;

/// A password that exists already.
pub(super) fn password(name: &str, from_stdin: bool) -> Result<Password, Failure> {
    if piped(from_stdin) {
        return to_password(stdin_line(PASSWORD_BYTES)?);
    }
    let terminal = terminal("a password", "--password-stdin")?;
    let question = format!("Password of {}: ", neutral(name));
    let [line] = secrets(&terminal, [&question], PASSWORD_BYTES)?;
    to_password(line)
}

/// A password to set, asked for twice where it is typed.
pub(super) fn new_password(name: &str, from_stdin: bool) -> Result<Password, Failure> {
    if piped(from_stdin) {
        return to_password(stdin_line(PASSWORD_BYTES)?);
    }
    let terminal = terminal("a password", "--password-stdin")?;
    let question = format!("New password of {}: ", neutral(name));
    let [first, second] = secrets(&terminal, [&question, "The same again: "], PASSWORD_BYTES)?;
    if first != second {
        return Err(Failure::usage("the two passwords differ; nothing was changed"));
    }
    to_password(first)
}

/// A token, without the space a copied one may bring along.
pub(super) fn token(from_stdin: bool) -> Result<Token, Failure> {
    if piped(from_stdin) {
        return to_token(stdin_line(TOKEN_BYTES)?);
    }
    let [line] = secrets(&terminal("a token", "`-`")?, ["Token: "], TOKEN_BYTES)?;
    to_token(line)
}

/// Goes on only if `--yes` was given or the word is typed by whoever sits at stdin.
pub(super) fn confirm(yes: bool, consequence: &str, word: &str) -> Result<(), Failure> {
    if yes {
        Ok(())
    } else {
        consent(io::stdin().is_terminal().then(Terminal::open).flatten(), consequence, word)
    }
}

fn consent(terminal: Option<Terminal>, consequence: &str, word: &str) -> Result<(), Failure> {
    let Some(terminal) = terminal else {
        let why = format!("{consequence}; nobody is there to confirm it, so give --yes if it is meant");
        return Err(Failure::Usage(why));
    };
    let word = neutral(word);
    let question = format!("This cannot be undone: {}. Type {word} to go on: ", neutral(consequence));
    let typed = terminal.ask(&question, TOKEN_BYTES).map_err(unanswered)?;
    if typed.trim_ascii() == word.as_bytes() {
        Ok(())
    } else {
        Err(Failure::usage("not confirmed; nothing was changed"))
    }
}

/// Whether a line is to be read from stdin. On a terminal it is asked for instead, so that it is not shown.
fn piped(from_stdin: bool) -> bool {
    from_stdin && !io::stdin().is_terminal()
}

fn terminal(what: &str, instead: &str) -> Result<Terminal, Failure> {
    Terminal::open().ok_or_else(|| {
        Failure::usage(format!(
            "there is no terminal to ask for {what}; give {instead} and the first line of stdin is taken \
             (arguments and environment variables are not looked at)"
        ))
    })
}

fn secrets<const N: usize>(
    terminal: &Terminal,
    questions: [&str; N],
    max: usize,
) -> Result<[Line; N], Failure> {
    terminal.ask_secrets(questions, max).map_err(unanswered)
}

fn unanswered(why: Unanswered) -> Failure {
    match why {
        Unanswered::Closed => Failure::usage("nothing was entered"),
        Unanswered::Signal(signal) => Failure::Signal(signal),
        Unanswered::Io(error) => Failure::usage(format!("the terminal cannot be used: {error}")),
    }
}

fn stdin_line(max: usize) -> Result<Line, Failure> {
    // A handle of its own: the one in `std` reads ahead into a buffer that is never wiped.
    let line = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|handle| first_line(&mut File::from(handle), max))
        .map_err(|error| Failure::usage(format!("stdin cannot be read: {error}")))?;
    line.ok_or_else(|| Failure::usage("stdin ended before its first line"))
}

/// Reads up to the first newline and not a byte further, so that the rest is there for whoever reads next. Of an overlong line,
/// the first byte too many is the last that is read.
fn first_line(from: &mut impl Read, max: usize) -> io::Result<Option<Line>> {
    let mut line = Zeroizing::new(Vec::with_capacity(max + 1));
    let mut byte = [0];
    while line.len() <= max {
        match from.read(&mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    byte.zeroize();
    Ok(Some(line))
}

fn to_password(line: Line) -> Result<Password, Failure> {
    if line.len() > PASSWORD_BYTES {
        let why = format!("the password is longer than {PASSWORD_BYTES} bytes; use a shorter one");
        return Err(Refusal::because(ErrorCode::InvalidRequest, why).into());
    }
    to_text(line).map(Password::new).ok_or_else(|| Failure::usage("the password is not valid UTF-8"))
}

fn to_token(mut line: Line) -> Result<Token, Failure> {
    if line.len() > TOKEN_BYTES {
        return Err(Refusal::new(ErrorCode::InvalidToken).into());
    }
    let blank = line.len() - line.trim_ascii_start().len();
    line.rotate_left(blank);
    let length = line.trim_ascii().len();
    line.truncate(length);
    if line.is_empty() {
        return Err(Failure::usage("the first line is empty where a token should be"));
    }
    to_text(line).map(Token::new).ok_or_else(|| Refusal::new(ErrorCode::InvalidToken).into())
}

/// Hands the bytes on as text without leaving a copy behind.
fn to_text(mut line: Line) -> Option<String> {
    String::from_utf8(std::mem::take(&mut *line)).map_err(|error| error.into_bytes().zeroize()).ok()
}

/// The next master key, from a file that nobody else can read, or from stdin for `-`. A file is on disk before anything is sealed under it.
pub(super) fn new_master_key(path: &Path) -> Result<NewMasterKey, Failure> {
    let unusable = |why: &str| Failure::usage(format!("the new master key cannot be used: {why}"));
    let unreadable = |error: io::Error| unusable(&error.to_string());
    let mut key = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
    let from: &mut dyn Read = if path == Path::new("-") {
        &mut io::stdin()
    } else {
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.mode() & 0o077 != 0 {
            return Err(unusable("others can read or write its file; make another one under `umask 077`"));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        file.sync_all().and_then(|()| File::open(dir)?.sync_all()).map_err(unreadable)?;
        &mut { file }
    };
    from.take(KEY_BYTES as u64 + 1).read_to_end(&mut key).map_err(unreadable)?;
    match <&[u8; KEY_BYTES]>::try_from(key.as_slice()) {
        Ok(bytes) if bytes.iter().any(|byte| *byte != bytes[0]) => Ok(NewMasterKey::from_bytes(*bytes)),
        _ => Err(unusable("it is not 32 random bytes; make one with: head -c 32 /dev/urandom")),
    }
}

/// A file that was not there before and that only this user can read.
pub(super) fn new_private_file(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        Failure::usage(format!(
            "the file for the code cannot be made: {error}; name one that is not there yet"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::terminal::tests::pair;
    use std::io::Write;

    fn line(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
        first_line(&mut &*bytes, max).unwrap().map(|line| line.to_vec())
    }

    #[test]
    fn the_first_line_ends_at_its_newline() {
        for (bytes, first) in [
            (&b"secret\nmore\n"[..], &b"secret"[..]),
            (b"secret", b"secret"),
            (b"\n", b""),
            (b" two  words \r\n", b" two  words \r"),
            (b"a\0b\n", b"a\0b"),
        ] {
            assert_eq!(line(bytes, 100).as_deref(), Some(first), "{bytes:?}");
        }
        assert_eq!(line(b"", 100), None);
    }

    #[test]
    fn what_follows_the_first_line_is_left_for_the_next_reader() {
        let mut stdin = &b"one\ntwo\nthree"[..];
        first_line(&mut stdin, 100).unwrap();
        assert_eq!(stdin, b"two\nthree");
    }

    #[test]
    fn an_overlong_line_is_read_no_further_than_needed_to_know() {
        let mut endless = io::repeat(b'x');
        assert_eq!(first_line(&mut endless, 10).unwrap().unwrap().len(), 11);
        assert_eq!(line(b"0123456789\n", 10).unwrap().len(), 10);
    }

    #[test]
    fn a_password_is_taken_as_it_is() {
        let take = |bytes: &[u8]| to_password(Zeroizing::new(bytes.to_vec()));
        assert_eq!(take(b" pass word\t\r").unwrap().expose(), " pass word\t\r");
        assert_eq!(take(b"").unwrap().expose(), "");
        assert_eq!(take(&[b'x'; PASSWORD_BYTES]).unwrap().expose().len(), PASSWORD_BYTES);
        assert!(
            matches!(take(&[b'x'; PASSWORD_BYTES + 1]), Err(Failure::Refused(refusal)) if refusal.code == ErrorCode::InvalidRequest)
        );
        assert!(matches!(take(b"\xff"), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_token_sheds_the_space_around_it() {
        let take = |bytes: &[u8]| to_token(Zeroizing::new(bytes.to_vec()));
        assert_eq!(take(b"  hps_abc \r").unwrap().expose(), "hps_abc");
        assert!(matches!(take(b" \r"), Err(Failure::Usage(_))));
        for bad in [&[b'x'; TOKEN_BYTES + 1][..], b"hps_\xff"] {
            assert!(
                matches!(take(bad), Err(Failure::Refused(refusal)) if refusal.code == ErrorCode::InvalidToken)
            );
        }
    }

    #[test]
    fn f10_only_the_word_itself_is_consent() {
        for (typed, goes_on) in
            [("bob\n", true), (" bob \n", true), ("yes\n", false), ("\n", false), ("\x04", false)]
        {
            let (terminal, mut user) = pair();
            user.write_all(typed.as_bytes()).unwrap();
            let outcome = consent(Some(terminal), "bob is removed", "bob");
            assert_eq!(outcome.is_ok(), goes_on, "{typed:?}: {outcome:?}");
        }
        assert!(
            matches!(consent(None, "bob is removed", "bob"), Err(Failure::Usage(why)) if why.contains("--yes"))
        );
        assert!(confirm(true, "bob is removed", "bob").is_ok());
    }

    #[test]
    fn a_new_master_key_is_32_random_bytes_of_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let key: Vec<u8> = (0..32).collect();
        file.write_all(&key).unwrap();
        assert_eq!(new_master_key(file.path()).unwrap().expose().as_slice(), key);
        for mode in [0o640, 0o604, 0o620] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(new_master_key(file.path()).unwrap_err().to_string().contains("others"), "{mode:o}");
        }
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        for bad in [&key[1..], &[&key[..], b"\n"].concat(), &[0; 32], b""] {
            std::fs::write(file.path(), bad).unwrap();
            assert!(
                new_master_key(file.path()).unwrap_err().to_string().contains("32 random bytes"),
                "{bad:?}"
            );
        }
        assert!(new_master_key(Path::new("/nowhere")).is_err());
    }
}
