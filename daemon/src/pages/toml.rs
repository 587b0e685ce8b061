//! The shipped configuration and its manual page, hallpass.toml(5), made from the table of settings.

use roff::{Roff, bold, italic, roman};

use crate::config::catalogue::{Changes, Fallback, SECTIONS, Section, Setting};

/// Lines of the file are no longer than this.
const WIDTH: usize = 118;

const TOP: &str = "\
# Configuration of a hallpassd that serves a whole host: hallpassd --config /etc/hallpass/hallpass.toml
# Every key is shown with its default; hallpass.toml(5) says the same. An unknown key or a value out of range is an error that names its line:
# hallpass config check. After a change: systemctl reload hallpassd, or restart where it says so.
";

/// `packaging/hallpass.toml`.
pub(super) fn shipped() -> String {
    let mut text = vec![TOP.trim_end().to_owned()];
    for section in SECTIONS {
        text.push(String::new());
        if section.name == "app" {
            apps(section, &mut text);
            continue;
        }
        comment(section.about, &mut text);
        if !section.name.is_empty() {
            text.push(format!("[{}]", section.name));
        }
        for (number, setting) in section.settings.iter().enumerate() {
            if number > 0 && section.name.is_empty() {
                text.push(String::new());
            }
            comment(&format!("{} {}", setting.words, facts(setting)), &mut text);
            let off = if matches!(setting.default, Fallback::Words { .. }) { "# " } else { "" };
            text.push(format!("{off}{} = {}", name(section, setting), setting.default.example()));
        }
    }
    text.join("\n") + "\n"
}

fn apps(section: &Section, text: &mut Vec<String>) {
    comment(section.about, text);
    text.extend(["#", "# [[app]]"].map(str::to_owned));
    for setting in section.settings {
        comment(&format!("  {} {}", setting.words, facts(setting)), text);
        text.push(format!("# {} = {}", name(section, setting), setting.default.example()));
    }
}

fn name(section: &Section, setting: &Setting) -> &'static str {
    setting.key.strip_prefix(section.name).map_or(setting.key, |rest| rest.trim_start_matches('.'))
}

/// What it takes, what holds without it, and when a change holds.
fn facts(setting: &Setting) -> String {
    let takes = setting.takes.to_string();
    let takes = takes[..1].to_uppercase() + &takes[1..];
    let changes = match setting.changes {
        Changes::Reload => "",
        Changes::Restart => " Read at the start: a change takes a restart.",
    };
    match setting.default {
        Fallback::Value(_) => format!("{takes}.{changes}"),
        Fallback::Words { words, .. } | Fallback::Packaged { words, .. } => {
            format!("{takes}. Default: {words}.{changes}")
        }
    }
}

/// The text as lines of a comment.
fn comment(words: &str, text: &mut Vec<String>) {
    let indent = if words.starts_with("  ") { "#   " } else { "# " };
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            text.push(std::mem::take(&mut line));
        }
        line.push_str(if line.is_empty() { indent } else { " " });
        line.push_str(word);
    }
    if !line.is_empty() {
        text.push(line);
    }
}

/// `packaging/man/hallpass.toml.5`.
pub(super) fn page() -> Vec<u8> {
    let mut page = super::head("hallpass.toml", "5");
    page.control("SH", ["NAME"]).text([roman("hallpass.toml - configuration of hallpassd")]);
    page.control("SH", ["SYNOPSIS"]).text([bold("/etc/hallpass/hallpass.toml")]);
    page.control("SH", ["DESCRIPTION"]);
    for paragraph in [
        "A TOML file that hallpassd reads when it is started with --config, as the package does. Every key has a default, and the packaged file \
         shows each. A file that names neither an app nor an administrator is refused, since nobody could call.",
        "A key that is not here, or a value that is out of its range, is an error that names file, line, key and what is allowed; nothing falls back \
         on a default because it was wrong. `hallpass config check` names all that is wrong at once, and `hallpass config show` shows what holds and \
         where it comes from.",
        "After a change: systemctl reload hallpassd. It refuses a file that cannot be used, and goes on with what held before. A key that is said to be \
         read at the start takes systemctl restart hallpassd; a reload names those that have changed.",
        "Times are written with their units, such as \"90s\", \"15m\", \"2h 30m\" or \"30days\".",
    ] {
        page.text([roman(paragraph)]).control("PP", []);
    }
    for section in SECTIONS {
        let title = match section.name {
            "" => "BEFORE THE FIRST TABLE".to_owned(),
            "app" => "[[APP]]".to_owned(),
            name => format!("[{}]", name.to_uppercase()),
        };
        page.control("SH", [title.as_str()]);
        page.text([roman(section.about)]);
        for setting in section.settings {
            entry(section, setting, &mut page);
        }
    }
    page.control("SH", ["EXAMPLE"]).control("nf", []);
    for line in [
        "[lifetimes]",
        "profile = \"strict\"",
        "",
        "[admin]",
        "uids = [0]",
        "",
        "[[app]]",
        "name = \"shop\"",
        "users = [\"www-data\"]",
    ] {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    super::see_also(&["hallpass(1)", "hallpassd(8)", "hallpass-protocol(7)"], &mut page);
    page.to_roff().into_bytes()
}

fn entry(section: &Section, setting: &Setting, page: &mut Roff) {
    page.control("TP", []).text([
        bold(name(section, setting)),
        roman(" = "),
        italic(setting.default.example()),
    ]);
    page.text([roman(setting.words)]).control("br", []);
    let default = match setting.default {
        Fallback::Value(value) => format!(" Default: {value}."),
        _ => String::new(),
    };
    page.text([roman(format!("{}{default}", facts(setting)))]);
}
