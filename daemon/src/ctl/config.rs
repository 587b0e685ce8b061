//! Checks a configuration, and shows what holds under one. No daemon is asked.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::args::{CheckConfigArgs, ConfigVerb, ShowConfigArgs};
use super::failure::Failure;
use super::render::text::neutral;
use super::render::{self, Out};
use crate::caller::Callers;
use crate::config::catalogue;
use crate::config::examine::{Examined, Fault, examine};
use crate::config::{Config, ConfigError};
use crate::daemon_main::{SYSTEM_CONFIG, Source, Where};

/// Checks or shows.
pub(super) fn run(verb: ConfigVerb, out: &mut Out<'_>) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Check(args) => check(&args, out),
        ConfigVerb::Show(args) => show(&args, out),
    }
}

/// What a check has found. The field names are a promise.
#[derive(Serialize)]
struct CheckView<'a> {
    file: &'a str,
    usable: bool,
    settings: usize,
    apps: usize,
    faults: Vec<FaultView<'a>>,
}

#[derive(Serialize)]
struct FaultView<'a> {
    line: Option<usize>,
    key: Option<&'a str>,
    message: &'a str,
    allowed: Option<&'a str>,
    did_you_mean: Option<&'a str>,
}

impl<'a> From<&'a Fault> for FaultView<'a> {
    fn from(fault: &'a Fault) -> Self {
        Self {
            line: fault.line,
            key: fault.key.as_deref(),
            message: &fault.message,
            allowed: fault.allowed.as_deref(),
            did_you_mean: fault.near,
        }
    }
}

fn check(args: &CheckConfigArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let file = args.file.clone().unwrap_or_else(|| PathBuf::from(SYSTEM_CONFIG));
    let mut examined = read(&file)?;
    if let Some(config) = &examined.config {
        examined.faults = on_this_machine(config);
    }
    let name = file.display().to_string();
    let (faults, apps) = (&examined.faults, examined.config.as_ref().map_or(0, |config| config.app.len()));
    if out.json {
        out.object(&CheckView {
            file: &name,
            usable: faults.is_empty(),
            settings: examined.entries.len(),
            apps,
            faults: faults.iter().map(FaultView::from).collect(),
        })?;
    } else {
        told(&name, &examined, apps, out)?;
    }
    if examined.faults.is_empty() { Ok(()) } else { Err(Failure::Misconfigured) }
}

fn told(name: &str, examined: &Examined, apps: usize, out: &mut Out<'_>) -> io::Result<()> {
    let name = neutral(name);
    for fault in &examined.faults {
        let line = fault.line.map_or_else(String::new, |line| format!(":{line}"));
        writeln!(out.to, "{name}{line}: {}", neutral(&fault.to_string()))?;
    }
    if examined.faults.is_empty() {
        let settings = examined.entries.len();
        writeln!(out.to, "{name} can be used: {settings} keys are set, for {apps} apps.")?;
        return writeln!(
            out.to,
            "Next: systemctl reload hallpassd, or see it all with `hallpass config show`"
        );
    }
    writeln!(out.to, "A daemon could not use this file. Next: mend it; hallpass.toml(5) has every key.")
}

/// What this machine lacks that the configuration names.
fn on_this_machine(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Err(error) = Callers::new(&config.app, &config.admin.uids) {
        faults.push(Fault::of_all(error.to_string()));
    }
    for (key, path) in config.files() {
        // One that this user may not look for is the daemon's to find.
        if path.try_exists().is_ok_and(|exists| !exists) {
            let message =
                format!("{key} is {}, and there is no such file; make it or mend the path", path.display());
            faults.push(Fault { key: Some(key.to_owned()), ..Fault::of_all(message) });
        }
    }
    faults
}

fn read(file: &Path) -> Result<Examined, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        ConfigError::new(format!(
            "cannot read the configuration {}: {error}; name another file",
            file.display()
        ))
    })?;
    Ok(examine(&text))
}

/// One setting. The field names are a promise.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) key: String,
    /// What holds; nothing where nothing does.
    pub(super) value: Option<Value>,
    /// `default`, `profile`, `file`, `command line` or `environment`.
    pub(super) from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    pub(super) default: &'static str,
    /// As it could be written.
    pub(super) example: &'static str,
    pub(super) allowed: String,
    /// `reload` or `restart`: what a change of it takes.
    pub(super) changes_with: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
}

fn show(args: &ShowConfigArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let file = args.file.clone().or_else(|| Some(PathBuf::from(SYSTEM_CONFIG)).filter(|file| file.exists()));
    let places = Where::told(file.clone(), args.state_dir.clone(), args.runtime_dir.clone());
    let (config, examined) = match &file {
        Some(file) => {
            let examined = read(file)?;
            let entries = Examined { config: None, faults: Vec::new(), entries: examined.entries };
            let found = Examined { config: examined.config, faults: examined.faults, entries: Vec::new() };
            (found.usable(file)?, entries)
        }
        None => (places.config()?, Examined { config: None, faults: Vec::new(), entries: Vec::new() }),
    };
    let mut shown = all(&config, &examined, &places);
    if args.set {
        shown.retain(|setting| setting.from != "default");
    }
    if !out.json {
        let of = file.as_ref().map_or_else(
            || "a daemon of your own, without a configuration".to_owned(),
            |file| format!("a daemon with {}", neutral(&file.display().to_string())),
        );
        writeln!(out.to, "What holds for {of}:")?;
    }
    Ok(render::settings().page(out, &shown)?)
}

/// Every setting in the order of the file, and then those of each app.
fn all(config: &Config, examined: &Examined, places: &Where) -> Vec<Shown> {
    let effective = config.effective();
    let mut shown = Vec::new();
    for setting in catalogue::settings().filter(|setting| !setting.key.starts_with("app.")) {
        let line = |key: &str| examined.entries.iter().find(|entry| entry.key == key).map(|entry| entry.line);
        let mut found = base(setting.key.to_owned(), setting);
        (found.value, found.line) = (effective.get(setting.key).cloned(), line(setting.key));
        found.from = match found.line {
            Some(_) => "file",
            None if setting.key.starts_with("lifetimes.") && line("lifetimes.profile").is_some() => "profile",
            // Whoever starts a daemon of their own is its app and administrator.
            None if setting.key == "admin.uids" && examined.entries.is_empty() => "environment",
            None => "default",
        };
        place(setting.key, config, places, &mut found);
        shown.push(found);
    }
    for (number, app) in config.app.iter().enumerate() {
        for setting in catalogue::settings() {
            let Some(of_app) = setting.key.strip_prefix("app.") else { continue };
            let entry =
                examined.entries.iter().find(|entry| entry.app == Some(number) && entry.key == setting.key);
            let key = format!("app.{}.{of_app}", app.name);
            let mut found = base(key.clone(), setting);
            (found.value, found.line) = (effective.get(&key).cloned(), entry.map(|entry| entry.line));
            found.from = match entry {
                Some(_) => "file",
                None if examined.entries.is_empty() => "environment",
                None => "default",
            };
            shown.push(found);
        }
    }
    shown
}

fn base(key: String, setting: &'static catalogue::Setting) -> Shown {
    Shown {
        key,
        value: None,
        from: "default",
        line: None,
        default: setting.default.words(),
        example: setting.default.example(),
        allowed: setting.takes.to_string(),
        changes_with: setting.changes.as_str(),
        about: setting.words,
    }
}

/// What the command line and the environment have to say of a setting.
fn place(key: &str, config: &Config, places: &Where, found: &mut Shown) {
    let told = match key {
        "state_dir" => places.state_dir(config),
        "runtime_dir" => places.runtime_dir(config),
        "master_key" => Where::master_key(config),
        _ => None,
    };
    let Some((value, source)) = told else { return };
    found.value = Some(Value::String(value.display().to_string()));
    match source {
        Source::Configuration => {}
        Source::CommandLine => (found.from, found.line) = ("command line", None),
        Source::Environment => (found.from, found.line) = ("environment", None),
        Source::Default => (found.from, found.line) = ("default", None),
    }
}
