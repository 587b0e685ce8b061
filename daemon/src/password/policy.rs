//! What a new password must be: long enough, and not one that is tried first. There are no rules of composition, and no password ever has to be
//! changed for its age. A password that exists is never held to any of this.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{NAME_BYTES, PASSWORD_BYTES};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_public_assigned;
use zeroize::Zeroizing;

/// Passwords that are tried first, folded and sorted, one a line. `packaging/common_passwords.py` makes them.
const COMMON: &str = include_str!("common.txt");
/// Most bytes of an operator's own list that are kept.
const BLOCKLIST_BYTES: usize = 64 * 1024 * 1024;
/// Fewest code points of a word that counts as context: a shorter one is found in too many good passwords.
const WORD_LENGTH: usize = 3;

/// What a new password must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Fewest code points.
    pub(crate) min_length: usize,
    /// What the operator does not want.
    pub(crate) blocklist: Blocklist,
    /// Words that everybody here would try: the host's name, the product's.
    pub(crate) words: Vec<String>,
}

impl Rules {
    /// Refuses a new password, in normal form, of the user of this name.
    pub(crate) fn admit(&self, normal: &str, name: &str) -> Result<(), Refusal> {
        if let Some(place) = normal.chars().position(is_unassigned) {
            return Err(Refusal::because(
                ErrorCode::InvalidRequest,
                format!(
                    "character {} of the password is one that Unicode does not define yet, so it may be typed in another way later; leave it out",
                    place + 1
                ),
            ));
        }
        let length = normal.chars().count();
        if length < self.min_length {
            return Err(weak(format!(
                "the password has {length} characters and needs at least {}; a few words in a row are easy to remember",
                self.min_length
            )));
        }
        let folded = folded(normal);
        if holds(COMMON, &folded) {
            return Err(weak(
                "the password is one of those that are tried first; choose one of your own".into(),
            ));
        }
        if holds(&self.blocklist.0, &folded) {
            return Err(weak("the password is on this host's list of refused ones; choose another".into()));
        }
        if is_made_of(&folded, &self.context(name)) {
            return Err(weak(
                "the password is made of the user's, the host's or the product's name alone; choose words that have nothing to do with them"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The context words for this user, folded: each name, its parts, and those parts without what is no letter around them.
    fn context(&self, name: &str) -> Vec<Zeroizing<String>> {
        // What is too long for a name is nobody's, and not worth the work.
        let name = Some(name).filter(|name| name.len() <= NAME_BYTES);
        let names = self.words.iter().map(String::as_str).chain(name);
        let parts = names.flat_map(|name| name.split(|c: char| !c.is_alphanumeric()).chain([name]));
        let words = parts.flat_map(|part| [part, part.trim_matches(|c: char| !c.is_alphabetic())]);
        words.filter(|word| word.chars().count() >= WORD_LENGTH).map(folded).collect()
    }
}

fn weak(why: String) -> Refusal {
    Refusal::because(ErrorCode::WeakPassword, why)
}

/// Whether a later Unicode may say what this is, and with that change its normal form. Private characters never change theirs.
fn is_unassigned(c: char) -> bool {
    let private =
        matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}');
    !is_public_assigned(c) && !private
}

/// One form for a text in any case.
fn folded(text: &str) -> Zeroizing<String> {
    // Small letters take at most three bytes for two, so this is never moved and leaves no copy behind.
    let mut folded = Zeroizing::new(String::with_capacity(6 * PASSWORD_BYTES.max(text.len())));
    folded.extend(text.nfc().flat_map(char::to_lowercase).nfc());
    folded
}

/// Whether the text is nothing but these words, at least one of them, and characters between them that are no letters.
fn is_made_of(text: &str, words: &[Zeroizing<String>]) -> bool {
    // For each place: can it be reached without a word, and with one?
    let mut reached = vec![(false, false); text.len() + 1];
    if let Some(start) = reached.first_mut() {
        start.0 = true;
    }
    for (place, c) in text.char_indices() {
        let (bare, named) = reached.get(place).copied().unwrap_or_default();
        if !bare && !named {
            continue;
        }
        let rest = text.get(place..).unwrap_or_default();
        for word in words.iter().filter(|word| rest.starts_with(word.as_str())) {
            if let Some(after) = reached.get_mut(place + word.len()) {
                after.1 = true;
            }
        }
        if let Some(after) = reached.get_mut(place + c.len_utf8()).filter(|_| !c.is_alphabetic()) {
            *after = (after.0 || bare, after.1 || named);
        }
    }
    reached.last().is_some_and(|&(_, named)| named)
}

/// Whether the sorted lines hold this one. Nothing is allocated: the search walks over the text itself.
fn holds(lines: &str, wanted: &str) -> bool {
    let mut rest = lines;
    while !rest.is_empty() {
        // The line that the middle byte lies in; a newline belongs to the line before it.
        let bytes = rest.as_bytes();
        let middle = bytes.len() / 2;
        let start = bytes.iter().take(middle).rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let length = bytes.iter().skip(start).position(|&byte| byte == b'\n').unwrap_or(bytes.len() - start);
        let Some(line) = rest.get(start..start + length) else { return false };
        match wanted.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = rest.get(..start).unwrap_or_default(),
            std::cmp::Ordering::Greater => rest = rest.get(start + length + 1..).unwrap_or_default(),
        }
    }
    false
}

/// Passwords that the operator does not want, folded and sorted, one a line.
#[derive(Clone, Default)]
pub(crate) struct Blocklist(std::sync::Arc<str>);

impl std::fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocklist({} bytes)", self.0.len())
    }
}

impl Blocklist {
    /// Reads a list with one password a line. What is shorter than a password can be is refused anyway and not kept.
    pub(crate) fn read(path: &Path, min_length: usize) -> Result<Self, String> {
        let name = path.display();
        let file = File::open(path).map_err(|error| format!("cannot read the blocklist {name}: {error}"))?;
        let (mut lines, mut size) = (Vec::new(), 0);
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|error| format!("the blocklist {name}, line {}: {error}", index + 1))?;
            let line = line.strip_suffix('\r').unwrap_or(&line);
            let entry: String = line.nfc().flat_map(char::to_lowercase).nfc().collect();
            if entry.chars().count() < min_length {
                continue;
            }
            size += entry.len() + 1;
            if size > BLOCKLIST_BYTES {
                return Err(format!(
                    "the blocklist {name} holds more than {BLOCKLIST_BYTES} bytes of passwords with at least {min_length} characters; shorten it"
                ));
            }
            lines.push(entry);
        }
        lines.sort_unstable();
        lines.dedup();
        Ok(Self(lines.join("\n").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn rules() -> Rules {
        Rules {
            min_length: 15,
            blocklist: Blocklist::default(),
            words: vec!["web1.example.org".into(), "hallpass".into()],
        }
    }

    fn why(password: &str) -> String {
        rules().admit(password, "alice.smith42").map_or_else(|refusal| refusal.message, |()| String::new())
    }

    #[test]
    fn the_shipped_list_is_sorted_folded_and_large_enough() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted_by(|one, next| one < next), "sorted, and each once");
        assert!(lines.iter().all(|line| line.trim() == *line && folded(line).as_str() == *line));
        assert!(lines.iter().all(|line| line.chars().count() >= 8), "nothing that is never settable");
        let fitting = lines.iter().filter(|line| line.chars().count() >= 15).count();
        assert!(
            lines.len() >= 3_000 && fitting >= 3_000,
            "{} entries, {fitting} of 15 and more",
            lines.len()
        );
        assert!(lines.iter().all(|line| holds(COMMON, line)), "each is found");
    }

    #[test]
    fn a_search_finds_what_is_there_and_nothing_else() {
        for lines in ["", "b", "b\n", "b\nd", "b\nd\nf\n", "b\nbb\nbbb\nd", "\u{e4}\n\u{f6}\n"] {
            for line in lines.lines() {
                assert!(holds(lines, line), "{line} in {lines:?}");
            }
            for absent in ["a", "c", "e", "g", "bbbb", "", "b\nd", "\u{fc}"] {
                assert!(!holds(lines, absent), "{absent} in {lines:?}");
            }
        }
    }

    #[test]
    fn d20_a_common_password_is_refused_in_any_case() {
        for common in
            ["iloveyouforever123", "ILoveYouForever123", "CORRECTHORSEBATTERYSTAPLE", "qwertyuiopasdfghjkl"]
        {
            assert!(why(common).contains("tried first"), "{common}: {}", why(common));
        }
        assert_eq!(why("iloveyouforever123 and some more"), "");
        assert_eq!(why("a heron reads at noon"), "");
    }

    #[test]
    fn d20_an_operators_list_is_folded_and_composed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all("Short\r\nCafe\u{301} Au Lait At Noon\r\nzebras in the kitchen\n".as_bytes()).unwrap();
        let rules = Rules { blocklist: Blocklist::read(file.path(), 15).unwrap(), ..rules() };
        for refused in ["caf\u{e9} au lait at noon", "CAF\u{c9} AU LAIT AT NOON", "Zebras In The Kitchen"] {
            assert!(
                rules.admit(refused, "bob").unwrap_err().message.contains("this host's list"),
                "{refused}"
            );
        }
        assert!(rules.admit("zebras in the garden", "bob").is_ok());
        assert_eq!(format!("{:?}", rules.blocklist), "Blocklist(43 bytes)", "what is too short is not kept");
    }

    #[test]
    fn a_blocklist_that_cannot_be_read_is_named() {
        let missing = Blocklist::read(Path::new("/nowhere/list"), 15).unwrap_err();
        assert!(missing.contains("/nowhere/list"), "{missing}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"fine\n\xff\n").unwrap();
        let broken = Blocklist::read(file.path(), 8).unwrap_err();
        assert!(broken.contains("line 2") && broken.contains(&file.path().display().to_string()), "{broken}");
    }

    #[test]
    fn names_alone_are_no_password() {
        for refused in [
            "alicealicealice",
            "Alice-Smith-2024!!",
            "alice.smith42 2026",
            "hallpasshallpass",
            "HallPass@web1.example.org",
            "2024smith2024smith",
            "!!!example.org!!!",
        ] {
            assert!(why(refused).contains("name alone"), "{refused}: {}", why(refused));
        }
        for fine in
            ["alice walks to the mill", "malice.smith42..", "20394820394820", "hallpass for the heron"]
        {
            assert!(!why(fine).contains("name alone"), "{fine}");
        }
        assert!(rules().admit("1294 8736 1294 8736", "x").is_ok(), "a short name is no context");
    }

    #[test]
    fn d12_what_unicode_does_not_define_is_refused() {
        let refused = why("fourteen and \u{378} more");
        assert!(refused.contains("character 14 "), "{refused}");
        assert_eq!(why("fourteen and \u{e000} more"), "", "private characters keep their form");
    }

    #[test]
    fn d14_nothing_is_asked_for_but_length() {
        assert_eq!(why("aheronreadsatnoon"), "");
        assert_eq!(why("              \t"), "", "spaces count");
        assert!(why("aheronreadsatn").contains("14 characters and needs at least 15"));
    }
}
