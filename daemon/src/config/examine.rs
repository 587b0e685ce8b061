//! Looks at every key of a file by itself, so that whatever is wrong is named with its line and what would be right, and all of it at once.

use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{Setting, Takes, is_table, setting, settings};
use super::{Config, ConfigError};
use crate::near::nearest;

/// A file that was looked at.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The configuration, if it can be used.
    pub(crate) config: Option<Config>,
    /// What is wrong.
    pub(crate) faults: Vec<Fault>,
    /// The keys that it sets.
    pub(crate) entries: Vec<Entry>,
}

/// A key that a file sets.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key, with that of its table.
    pub(crate) key: String,
    /// Of which app it is, counted from the first.
    pub(crate) app: Option<usize>,
    /// The line that it stands on, counted from 1.
    pub(crate) line: usize,
    /// What is written there.
    pub(crate) text: String,
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, if it is one line's fault.
    pub(crate) line: Option<usize>,
    /// The key, if it is one key's.
    pub(crate) key: Option<String>,
    /// What is wrong.
    pub(crate) message: String,
    /// What could be written instead.
    pub(crate) allowed: Option<String>,
    /// What may have been meant.
    pub(crate) near: Option<&'static str>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(near) = self.near {
            write!(f, "; did you mean {near}?")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, "; it takes {allowed}")?;
        }
        Ok(())
    }
}

impl Fault {
    pub(crate) fn of_all(message: impl Into<String>) -> Self {
        Self { line: None, key: None, message: message.into(), allowed: None, near: None }
    }
}

impl Examined {
    /// The configuration, or the first thing that is wrong with this file.
    pub(crate) fn usable(self, path: &Path) -> Result<Config, ConfigError> {
        let Some(first) = self.faults.first() else {
            return self.config.ok_or_else(|| ConfigError::new(format!("{} cannot be read", path.display())));
        };
        let line = first.line.map_or_else(String::new, |line| format!(":{line}"));
        let more = match self.faults.len() - 1 {
            0 => String::new(),
            more => format!(" ({more} more: `hallpass config check {}` names them all)", path.display()),
        };
        Err(ConfigError::new(format!("{}{line}: {first}{more}", path.display())))
    }
}

/// Looks at what a file says.
pub(crate) fn examine(text: &str) -> Examined {
    let mut entries = Vec::new();
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let fault = Fault {
                line: error.span().map(|span| line_of(text, span.start)),
                ..Fault::of_all(error.message())
            };
            return Examined { config: None, faults: vec![fault], entries };
        }
    };
    walk(text, table.get_ref(), "", None, &mut entries);
    let mut faults: Vec<Fault> = entries.iter().filter_map(fault_of).collect();
    let parsed = Config::parse(text).and_then(Config::for_somebody);
    let config = match parsed {
        Ok(config) => Some(config),
        Err(error) if faults.is_empty() => {
            faults.push(Fault::of_all(error.to_string()));
            None
        }
        Err(_) => None,
    };
    faults.sort_by_key(|fault| fault.line);
    Examined { config, faults, entries }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
}

fn walk(text: &str, table: &DeTable<'_>, before: &str, app: Option<usize>, found: &mut Vec<Entry>) {
    for (name, value) in table {
        let key = format!("{before}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if setting(&key).is_none() && is_table(&key) && key != "app" => {
                walk(text, inner, &format!("{key}."), app, found);
            }
            DeValue::Array(apps) if key == "app" && apps.iter().all(|app| app.get_ref().is_table()) => {
                for (number, app) in apps.iter().enumerate() {
                    if let Some(inner) = app.get_ref().as_table() {
                        walk(text, inner, "app.", Some(number), found);
                    }
                }
            }
            _ => found.push(entry(text, key, app, name, value)),
        }
    }
}

fn entry(
    text: &str,
    key: String,
    app: Option<usize>,
    name: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Entry {
    let written = text.get(value.span()).unwrap_or_default().to_owned();
    Entry { key, app, line: line_of(text, name.span().start), text: written }
}

/// What is wrong with this key by itself.
fn fault_of(entry: &Entry) -> Option<Fault> {
    let at = |message: String, allowed, near| {
        Some(Fault { line: Some(entry.line), key: Some(entry.key.clone()), message, allowed, near })
    };
    let Some(setting) = setting(&entry.key) else {
        return if is_table(&entry.key) {
            let brackets = if entry.key == "app" { "[[app]]".to_owned() } else { format!("[{}]", entry.key) };
            at(format!("{} is a table; write {brackets} above its keys", entry.key), None, None)
        } else {
            at(format!("there is no setting {}", entry.key), None, meant(&entry.key))
        };
    };
    let error = toml::from_str::<Config>(&alone(setting, &entry.text)).err()?;
    let near = match setting.takes {
        Takes::OneOf(words) | Takes::AnyOf(words) => entry
            .text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty() && !words.contains(word))
            .find_map(|word| nearest(word, words.iter().copied())),
        _ => None,
    };
    let written: String = entry.text.chars().take(60).collect();
    // What the table says is wanted; what the reader says is wrong tells more only of its own form.
    let message = format!("{} = {written}: {}", entry.key, first_line(error.message()));
    at(message, Some(setting.takes.to_string()), near)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The setting that may have been meant: one of the same table first, then one of that name in another.
fn meant(key: &str) -> Option<&'static str> {
    let (table, name) = split(key);
    let beside = settings().map(|setting| setting.key).filter(|known| split(known).0 == table);
    let slip = nearest(name, beside.map(|known| split(known).1));
    let whole = |table: Option<&str>, name: &str| {
        let is_it =
            |known: &&str| split(known).1 == name && table.is_none_or(|table| split(known).0 == table);
        settings().map(|setting| setting.key).find(is_it)
    };
    slip.and_then(|near| whole(Some(table), near))
        .or_else(|| whole(None, name))
        .or_else(|| whole(None, nearest(name, settings().map(|setting| split(setting.key).1))?))
        .or_else(|| nearest(key, settings().map(|setting| setting.key)))
}

/// A key as its table and its name there.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// A file that sets nothing but this, and what has to stand beside it.
pub(super) fn alone(setting: &Setting, value: &str) -> String {
    let key = setting.key;
    let Some(of_app) = key.strip_prefix("app.") else {
        let beside = match key {
            "lifetimes.idle" => "lifetimes.absolute = \"400days\"\n",
            "lifetimes.absolute" => "lifetimes.idle = \"1m\"\n",
            "passwords.pepper.id" => "passwords.pepper.file = \"/pepper\"\n",
            "passwords.pepper.file" => "passwords.pepper.id = \"p\"\n",
            _ => "",
        };
        return format!("{beside}{key} = {value}\n");
    };
    let name = if of_app == "name" { "" } else { "name = \"a\"\n" };
    let uids = if of_app == "uids" { "gids" } else { "uids" };
    format!("[[app]]\n{name}{uids} = [0]\n{of_app} = {value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let say = |fault: &Fault| format!("{}: {fault}", fault.line.unwrap_or(0));
        examine(text).faults.iter().map(say).collect()
    }

    const WHO: &str = "admin.uids = [0]\n";

    #[test]
    fn everything_that_is_wrong_is_named_at_once_with_line_and_remedy() {
        let text = "isuer = \"x\"\n[admin]\nuids = [0]\n[lifetimes]\naccess = \"2h\"\nprofile = \"strickt\"\nmin_length = 9\n\n\
                    [[app]]\nname = \"shop\"\nuids = [33]\nrights = [\"login\", \"verfy\"]\nuid = 3\n[colours]\nred = 1\n";
        let found = faults(text);
        let wanted = [
            "1: there is no setting isuer; did you mean issuer?",
            "5: lifetimes.access = \"2h\": a duration between 1m and 1h is wanted, such as \"10m\"; it takes a time such as \"90s\" or \"2h 30m\", 1m to 1h",
            "6: lifetimes.profile = \"strickt\": unknown variant `strickt`, expected `standard` or `strict`; did you mean strict?; it takes one of \"standard\", \"strict\"",
            "7: there is no setting lifetimes.min_length; did you mean passwords.min_length?",
            "12: app.rights = [\"login\", \"verfy\"]: unknown variant `verfy`, expected one of `login`, `verify`, `refresh`, `revoke`, `list`, `vouch`, `service_token`; did you mean verify?; it takes a list of any of \"login\", \"verify\", \"refresh\", \"revoke\", \"list\", \"vouch\", \"service_token\"",
            "13: there is no setting app.uid; did you mean app.uids?",
            "14: there is no setting colours",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_no_toml_and_what_does_not_fit_together_is_named_too() {
        assert!(
            faults("issuer = \"x\"\nissuer = \"y\"\n")[0].starts_with("2: "),
            "{:?}",
            faults("a = 1\na = 2")
        );
        assert!(faults("a = \n")[0].starts_with("1: "));
        assert!(faults("lifetimes = 3")[0].contains("[lifetimes] above its keys"));
        assert!(faults("[app]\nname = \"a\"")[0].contains("[[app]] above its keys"));
        assert!(faults("")[0].contains("nobody could call"));
        assert!(faults(&format!("{WHO}[lifetimes]\nidle = \"40d\""))[0].contains("cannot idle past its end"));
        assert!(
            faults(&format!("{WHO}[passwords]\npepper = {{ id = \"p1\" }}"))[0]
                .contains("missing field `file`")
        );
        let elsewhere = faults("[admin]\nuids = [0]\nisuer = 1");
        assert_eq!(elsewhere, ["3: there is no setting admin.isuer; did you mean issuer?"]);
        assert_eq!(faults(WHO), [""; 0]);
    }

    #[test]
    fn a_daemon_that_cannot_use_a_file_names_line_and_how_to_see_the_rest() {
        let text = "isuer = 1\nrun_dir = 2\n";
        let error = examine(text).usable(Path::new("/etc/h.toml")).unwrap_err().to_string();
        assert_eq!(
            error,
            "/etc/h.toml:1: there is no setting isuer; did you mean issuer? (1 more: `hallpass config check /etc/h.toml` names them all)"
        );
    }

    #[test]
    fn each_key_is_found_with_its_line_and_app() {
        let text = format!(
            "{WHO}[board]\nslots = 1024\n[[app]]\nname = \"a\"\nuids = [1]\n[[app]]\nname = \"b\"\nuids = [2]\n"
        );
        let found = examine(&text);
        assert!(found.config.is_some(), "{:?}", found.faults);
        let entries: Vec<_> =
            found.entries.iter().map(|entry| (entry.key.as_str(), entry.app, entry.line)).collect();
        let mut wanted = [
            ("admin.uids", None, 1),
            ("board.slots", None, 3),
            ("app.name", Some(0), 5),
            ("app.uids", Some(0), 6),
            ("app.name", Some(1), 8),
            ("app.uids", Some(1), 9),
        ];
        for entry in &mut wanted {
            assert!(entries.contains(entry), "{entry:?} of {entries:?}");
        }
    }
}
