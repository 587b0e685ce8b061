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

/// Runs a shell with no file of its user's.
fn shell(words: &[&str], script: &str, home: &TempDir) -> Output {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg(script)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("TERM", "dumb").output().expect("it runs")
}

/// A shell that has this completion in the file FILE of its script says all of these words.
fn completes(words: &[&str], completion: &str, script: &str, wanted: &[&str]) {
    if !is_installed(words[0]) {
        return;
    }
    let home = TempDir::new().unwrap();
    let file = home.path().join("completion");
    fs::write(&file, completion).unwrap();
    let said = shell(words, &script.replace("FILE", &format!("'{}'", file.display())), &home);
    assert!(said.status.success() && said.stderr.is_empty(), "{}: {}", words[0], stderr(&said));
    for word in wanted {
        assert!(
            stdout(&said).split_whitespace().any(|said| said == *word),
            "{}: no {word} in {}",
            words[0],
            stdout(&said)
        );
    }
}

#[test]
fn bash_completes_commands_and_what_is_below_them() {
    let script = "source FILE && complete -p hallpass && COMP_WORDS=(hallpass '') COMP_CWORD=1 && _hallpass hallpass '' hallpass && echo \"${COMPREPLY[@]}\" \
                  && COMP_WORDS=(hallpass config '') COMP_CWORD=2 && _hallpass hallpass '' config && echo \"${COMPREPLY[@]}\"";
    let words = ["doctor", "config", "user", "check", "show", "--json"];
    completes(&["bash", "--norc", "--noprofile", "-c"], BASH, script, &words);
}

#[test]
fn zsh_knows_the_command() {
    let script = "autoload -U compinit && compinit -u -D && source FILE && echo $_comps[hallpass] && functions _hallpass_commands";
    completes(&["zsh", "-f", "-c"], ZSH, script, &["_hallpass"]);
}

#[test]
fn fish_completes_commands_and_what_is_below_them() {
    let script = "source FILE; complete -C 'hallpass '; complete -C 'hallpass config '";
    completes(&["fish", "--no-config", "-c"], FISH, script, &["doctor", "config", "user", "check", "show"]);
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
