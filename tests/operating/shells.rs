//! The manual pages and completions, in the programs that they are for.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{hallpass, is_installed, repository, stderr, stdout};

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

fn completes(words: &[&str], script: &str, wanted: &[&str]) {
    if !is_installed(words[0]) {
        return;
    }
    let said = shell(words, script, &TempDir::new().unwrap());
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

fn completion(name: &str) -> String {
    format!("'{}'", repository("packaging/completions").join(name).display())
}

#[test]
fn bash_completes_commands_and_what_is_below_them() {
    let file = completion("hallpass.bash");
    let script = format!(
        "source {file} && complete -p hallpass && COMP_WORDS=(hallpass '') COMP_CWORD=1 && _hallpass hallpass '' hallpass && echo \"${{COMPREPLY[@]}}\" \
         && COMP_WORDS=(hallpass config '') COMP_CWORD=2 && _hallpass hallpass '' config && echo \"${{COMPREPLY[@]}}\""
    );
    completes(
        &["bash", "--norc", "--noprofile", "-c"],
        &script,
        &["doctor", "config", "user", "check", "show", "--json"],
    );
}

#[test]
fn zsh_knows_the_command() {
    let file = completion("_hallpass");
    let script = format!(
        "autoload -U compinit && compinit -u -D && source {file} && echo $_comps[hallpass] && functions _hallpass_commands"
    );
    completes(&["zsh", "-f", "-c"], &script, &["_hallpass"]);
}

#[test]
fn fish_completes_commands_and_what_is_below_them() {
    let file = completion("hallpass.fish");
    let script = format!("source {file}; complete -C 'hallpass '; complete -C 'hallpass config '");
    completes(&["fish", "--no-config", "-c"], &script, &["doctor", "config", "user", "check", "show"]);
}

#[test]
fn man_renders_every_page_without_a_warning() {
    if !is_installed("man") {
        return;
    }
    for page in fs::read_dir(repository("packaging/man")).unwrap().map(|entry| entry.unwrap().path()) {
        let mut man = Command::new("man");
        let said = man
            .arg("--warnings")
            .arg("-l")
            .arg(&page)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .output()
            .unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{}: {}", page.display(), stderr(&said));
        let name = page.file_stem().and_then(|name| name.to_str()).unwrap();
        assert!(stdout(&said).contains(name), "{}: {}", page.display(), stdout(&said));
    }
}

#[test]
fn nothing_is_coloured_that_is_no_terminal() {
    for arguments in [&["--help"][..], &["doctor"], &["config", "show"], &["nonsense"]] {
        let said = hallpass(arguments);
        assert!(![&said.stdout, &said.stderr].iter().any(|text| text.contains(&0x1b)), "{arguments:?}");
    }
}
