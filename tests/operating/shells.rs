//! The manual pages and completions, in the programs that they are for.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{hallpass, is_installed, stderr, stdout};

/// The manual pages.
const PAGES: [(&str, &str); 4] = [
    ("hallpass.1", include_str!("../../packaging/man/hallpass.1")),
    ("hallpass.toml.5", include_str!("../../packaging/man/hallpass.toml.5")),
    ("hallpass-protocol.7", include_str!("../../packaging/man/hallpass-protocol.7")),
    ("hallpassd.8", include_str!("../../packaging/man/hallpassd.8")),
];
const BASH: &str = include_str!("../../packaging/completions/hallpass.bash");
const ZSH: &str = include_str!("../../packaging/completions/_hallpass");
const FISH: &str = include_str!("../../packaging/completions/hallpass.fish");

/// Lines that somebody completes, each with words that must be offered, and words that belong elsewhere.
const LINES: [(&str, &[&str], &[&str]); 5] = [
    ("hallpass ", &["doctor", "config", "session", "user", "status"], &["show", "rotate", "roles"]),
    ("hallpass config ", &["check", "show"], &["doctor", "list", "rotate"]),
    ("hallpass session ", &["list", "show", "revoke"], &["doctor", "check", "rotate"]),
    ("hallpass key ro", &["rotate"], &["list", "reseal", "show"]),
    ("hallpass user import --", &["--dry-run", "--json"], &["--kind", "--against"]),
];
/// Longest that a shell may take over all of them.
const SECONDS: &str = "20";

/// Runs a shell with no file of its user's.
fn shell(words: &[&str], script: &str, home: &TempDir) -> Output {
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1", SECONDS])
        .args(words)
        .arg(script)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("TERM", "dumb").output().expect("it runs")
}

/// A shell that has this completion in the file FILE of its script offers what belongs there for each of the LINES, and nothing that does not. The
/// script says `== ` and the number of a line before what is offered for it.
fn completes(words: &[&str], completion: &str, script: &str) {
    if !is_installed(words[0]) {
        return;
    }
    let home = TempDir::new().unwrap();
    let place = |name: &str| home.path().join(name).display().to_string();
    fs::write(place("completion"), completion).unwrap();
    let lines: Vec<_> = LINES.iter().map(|(line, ..)| format!("'{line}'")).collect();
    let script = script.replace("FILE", &place("completion")).replace("SAID", &place("said"));
    let said = shell(words, &script.replace("LINES", &lines.join(" ")), &home);
    let all = stdout(&said);
    assert!(said.status.success() && said.stderr.is_empty(), "{}: {all}{}", words[0], stderr(&said));
    for (number, (line, wanted, elsewhere)) in LINES.iter().enumerate() {
        let offered = all.split_once(&format!("== {}\n", number + 1)).expect("every line was asked about").1;
        let offered: Vec<_> = offered.lines().take_while(|said| !said.starts_with("== ")).collect();
        // One shell says behind each word what it does, and options are offered beside what they are named by.
        let words_of = offered.iter().map(|said| said.split(['\t', ' ', ':']).next().unwrap_or_default());
        let offered: Vec<_> = words_of.collect();
        for word in *wanted {
            assert!(offered.contains(word), "{} does not offer {word} for {line:?}: {offered:?}", words[0]);
        }
        for word in *elsewhere {
            assert!(!offered.contains(word), "{} offers {word} for {line:?}", words[0]);
        }
    }
}

#[test]
fn bash_completes_commands_and_what_is_below_them() {
    // What bash itself does before it calls the function: the line in words, the last of them to be completed.
    let script = "source 'FILE'; complete -p hallpass >/dev/null || exit 1; number=0; for line in LINES; do \
                  COMP_WORDS=($line); [[ $line == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); \
                  _hallpass hallpass \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; \
                  echo \"== $((++number))\"; printf '%s\\n' \"${COMPREPLY[@]}\"; done";
    completes(&["bash", "--norc", "--noprofile", "-c"], BASH, script);
}

#[test]
fn zsh_completes_commands_and_what_is_below_them() {
    // A second zsh on a terminal of its own, at which the tab key is pressed: what it is about to offer is written down. Keys are pressed once its prompt
    // is there, since before that the terminal itself would see to some of them.
    let script = r#"
        zmodload zsh/zpty || exit 1
        zpty inner zsh -f -i
        zpty -w inner "PS1='REA''DY '; autoload -U compinit; compinit -u -D; source 'FILE'
            compadd() { local -a found; builtin compadd -O found \"\$@\"; print -rl -- \$found >>'SAID'; builtin compadd \"\$@\" }
            print LOAD''ED"
        zpty -r inner out '*LOADED*READY*' || exit 1
        number=0
        for line in LINES; do
            print -r -- "== $((++number))" >>'SAID'
            zpty -w -n inner "$line"$'\t\x15'"print DONE''$number"$'\n'
            zpty -r inner out "*DONE$number*READY*" || exit 1
        done
        zpty -d inner
        cat 'SAID'
    "#;
    completes(&["zsh", "-f", "-c"], ZSH, script);
}

#[test]
fn fish_completes_commands_and_what_is_below_them() {
    let script = "source 'FILE'; set number 0; for line in LINES; set number (math $number + 1); echo == $number; complete -C $line; end";
    completes(&["fish", "--no-config", "-c"], FISH, script);
}

#[test]
fn man_renders_every_page_without_a_warning() {
    if !is_installed("man") {
        return;
    }
    let dir = TempDir::new().unwrap();
    for (name, page) in PAGES {
        let path = dir.path().join(name);
        fs::write(&path, page).unwrap();
        let mut man = Command::new("man");
        man.arg("--warnings").arg("-l").arg(&path).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80");
        let said = man.output().unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{name}: {}", stderr(&said));
        let title = name.rsplit_once('.').map_or(name, |(title, _)| title);
        assert!(stdout(&said).contains(title), "{name}: {}", stdout(&said));
    }
}

#[test]
fn nothing_is_coloured_that_is_no_terminal() {
    for arguments in [&["--help"][..], &["doctor"], &["config", "show"], &["nonsense"]] {
        let said = hallpass(arguments);
        assert!(![&said.stdout, &said.stderr].iter().any(|text| text.contains(&0x1b)), "{arguments:?}");
    }
}
