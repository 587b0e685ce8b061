//! The man pages, the completions and the default configuration, made from what the code itself goes by. What is packaged must be what these make;
//! `HALLPASS_WRITE_PAGES=1 cargo test -p hallpassd --lib pages` makes it so.

mod commands;
mod protocol;
mod source;
mod toml;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use roff::{Roff, roman};

/// Every file, by its place below `packaging/`.
fn pages() -> Vec<(&'static str, Vec<u8>)> {
    let (daemon, control) = (crate::daemon_main::definition(), crate::ctl::definition());
    vec![
        ("hallpass.toml", toml::shipped().into_bytes()),
        ("man/hallpassd.8", man(daemon.clone(), "8")),
        ("man/hallpass.1", commands::page(&control)),
        ("man/hallpass.toml.5", toml::page()),
        ("man/hallpass-protocol.7", protocol::page()),
        ("completions/hallpass.bash", completion(control.clone(), Shell::Bash)),
        ("completions/_hallpass", completion(control.clone(), Shell::Zsh)),
        ("completions/hallpass.fish", completion(control, Shell::Fish)),
    ]
}

fn man(command: Command, section: &str) -> Vec<u8> {
    let mut page = Vec::new();
    let man = Man::new(command).section(section).date("").manual("Hallpass").source("hallpass 0.1");
    man.render(&mut page).expect("memory takes everything");
    page
}

/// The first line of a page.
fn head(title: &str, section: &str) -> Roff {
    let mut page = Roff::new();
    page.control("TH", [title, section, "", "hallpass 0.1", "Hallpass"]);
    page
}

/// The last section of a page.
fn see_also(pages: &[&str], page: &mut Roff) {
    page.control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]);
}

fn completion(mut command: Command, shell: Shell) -> Vec<u8> {
    let (mut script, name) = (Vec::new(), command.get_name().to_owned());
    generate(shell, &mut command, name, &mut script);
    script
}

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

#[test]
fn what_is_packaged_is_made_from_the_definitions() {
    let write = std::env::var_os("HALLPASS_WRITE_PAGES").is_some();
    for (name, text) in pages() {
        let path = packaging().join(name);
        if write {
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(&path, &text).expect("it is written");
        }
        let found = fs::read(&path).unwrap_or_default();
        assert!(
            found == text,
            "packaging/{name} is old; write it anew: HALLPASS_WRITE_PAGES=1 cargo test -p hallpassd --lib pages"
        );
    }
}
