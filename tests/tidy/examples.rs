//! The examples of the client's documentation: what an app can name has one that compiles, for somebody to copy.
//!
//! A type, a trait and a function that can fail has its own. One that cannot fail has its own or is called in that of its type.

use std::collections::BTreeSet;

use crate::rules::complaint;
use crate::source::{Source, is_word};

/// Where the surface of apps is declared. What is `pub` there can be named from outside: the compiler warns of what cannot.
const CLIENT: &[&str] = &["client/src/"];
/// What says which types of the protocol belong to it.
const SURFACE: &[&str] = &["client/src/lib.rs", "client/src/admin.rs"];
/// Where those are declared.
const PROTOCOL: &[&str] = &["protocol/src/"];
/// How examples begin that are compiled.
const COMPILED: &[&str] = &["", "rust", "no_run", "should_panic"];
/// What a macro calls each of the types that it makes.
const MADE: &str = "$name";

/// Something that an app can name.
struct Item<'a> {
    source: &'a Source,
    line: usize,
    name: String,
    kind: Kind,
    /// The code of the examples above it.
    example: Option<String>,
}

enum Kind {
    Type,
    Function { of: String, can_fail: bool },
}

impl Item<'_> {
    /// The type that it is, or is a function of.
    fn subject(&self) -> &str {
        match &self.kind {
            Kind::Type => &self.name,
            Kind::Function { of, .. } => of,
        }
    }

    fn is_type(&self) -> bool {
        matches!(self.kind, Kind::Type)
    }

    /// Whether an example calls it: on a value, or as a function of its type and of no other.
    fn is_called_in(&self, example: &str) -> bool {
        let of = if self.subject() == MADE { "" } else { self.subject() };
        let calls = |way: &str| [format!("{way}{}(", self.name), format!("{way}{}::<", self.name)];
        [".", &format!("{of}::")].into_iter().flat_map(calls).any(|call| example.contains(&call))
    }
}

/// What of the surface of apps has no example.
pub(crate) fn unshown(sources: &[Source]) -> Vec<String> {
    let within = |places: &'static [&'static str]| sources.iter().filter(move |source| source.is_in(places));
    let named: BTreeSet<String> = within(SURFACE).flat_map(shown).collect();
    let mut items: Vec<Item<'_>> = within(CLIENT).flat_map(items).collect();
    for source in within(PROTOCOL) {
        let is_named = |name: &str| named.contains(&format!("{}::{name}", module(source)));
        let mut of_file = self::items(source);
        let makes_one = of_file.iter().any(|item| item.is_type() && is_named(&item.name));
        of_file.retain(|item| is_named(item.subject()) || makes_one && item.subject() == MADE);
        items.extend(of_file);
    }
    items.iter().filter_map(|item| fault(item, &items)).collect()
}

/// What is wrong with this one.
fn fault(item: &Item<'_>, items: &[Item<'_>]) -> Option<String> {
    if item.example.is_some() {
        return None;
    }
    let of = item.subject();
    let name =
        if item.is_type() || of.is_empty() { item.name.clone() } else { format!("{of}::{}", item.name) };
    let (fault, instead) = match &item.kind {
        Kind::Function { can_fail: true, .. } => (
            format!("`{name}` has no example"),
            "show above it what somebody would copy, and what to do when it fails".to_owned(),
        ),
        _ if item.is_type() || of.is_empty() => {
            (format!("`{name}` has no example"), "show above it what somebody would copy".to_owned())
        }
        _ => {
            let types = |here: bool| {
                items.iter().filter(move |other| {
                    let is_it = other.name == of || here && of == MADE;
                    other.is_type() && is_it && (other.source.path == item.source.path) == here
                })
            };
            let mut examples = types(true).chain(types(false)).take(if of == MADE { usize::MAX } else { 1 });
            if examples.any(|other| other.example.as_deref().is_some_and(|code| item.is_called_in(code))) {
                return None;
            }
            (format!("`{name}` is in no example"), format!("call it in that of `{of}`, or give it its own"))
        }
    };
    Some(complaint(item.source, item.line, &fault, &instead))
}

/// The types of the protocol that a file shows as its own, each behind the name of its module.
fn shown(source: &Source) -> Vec<String> {
    let paths = source.names().into_iter().map(|named| named.path);
    paths.filter_map(|path| path.strip_prefix("hallpass_protocol::").map(str::to_owned)).collect()
}

/// The module of the protocol that a file is, or is a part of.
fn module(source: &Source) -> &str {
    let within = source.path.trim_start_matches(PROTOCOL[0]).trim_end_matches(".rs");
    within.split('/').next().unwrap_or_default()
}

/// What a file declares that can be named from outside.
fn items(source: &Source) -> Vec<Item<'_>> {
    let (lines, code): (Vec<&str>, Vec<&str>) =
        (source.text.lines().collect(), source.code.lines().collect());
    let (mut items, mut of) = (Vec::new(), "");
    for (at, line) in code.iter().enumerate().take_while(|(_, line)| **line != "#[cfg(test)]") {
        let trimmed = line.trim();
        of = implemented(trimmed).unwrap_or(of);
        let owner = || if line.starts_with(' ') { of.to_owned() } else { String::new() };
        let (name, kind) = if let Some((word, name)) = declared(trimmed) {
            let function = || Kind::Function { of: owner(), can_fail: can_fail(&code[at..]) };
            (name, if word == "fn" { function() } else { Kind::Type })
        } else if let Some(name) = made_function(trimmed) {
            (name, Kind::Function { of: owner(), can_fail: true })
        } else if is_made_type(trimmed)
            && lines[..at].last().is_some_and(|before| before.trim().starts_with("///"))
        {
            (trimmed, Kind::Type)
        } else {
            continue;
        };
        let example = example(&lines[..at]);
        items.push(Item { source, line: at + 1, name: name.to_owned(), kind, example });
    }
    items
}

/// The type whose functions begin here.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?.strip_suffix('{')?.trim();
    let named = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest };
    named.split(['<', ' ']).next()
}

/// What is declared here for everybody: the word for it, and its name.
fn declared(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("pub ")?;
    let (word, rest) = rest.trim_start_matches("async ").trim_start_matches("const ").split_once(' ')?;
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (["fn", "struct", "enum", "trait", "type"].contains(&word) && is_word(name)).then_some((word, name))
}

/// A function in the words of a macro of ours: `name(argument: Kind) -> Answer;`.
fn made_function(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('(')?;
    let is_name = is_word(name) && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && rest.contains(") -> ") && rest.ends_with(';')).then_some(name)
}

/// Whether a type is made here by a macro of ours, which is given nothing but its documentation and its name.
fn is_made_type(line: &str) -> bool {
    line.starts_with(char::is_uppercase) && line.chars().all(char::is_alphanumeric)
}

/// Whether the function that begins here says that it can fail.
fn can_fail(code: &[&str]) -> bool {
    let ends = code.iter().position(|line| line.ends_with(['{', '}', ';'])).unwrap_or(0);
    let signature = code[..=ends].join(" ");
    signature.rsplit_once("->").is_some_and(|(_, answer)| answer.contains("Result"))
}

/// The code of the examples in the documentation that these lines end with.
fn example(lines: &[&str]) -> Option<String> {
    let above = lines.iter().rev().map(|line| line.trim());
    let mut docs: Vec<_> =
        above.take_while(|line| line.starts_with("//") || line.starts_with("#[")).collect();
    docs.reverse();
    // Whether an example has begun, and whether it is compiled.
    let (mut begun, mut found) = (None, None);
    for said in docs.iter().filter_map(|line| line.strip_prefix("///")).map(str::trim) {
        match (said.strip_prefix("```"), begun) {
            (Some(how), None) => {
                let compiled = COMPILED.contains(&how);
                begun = Some(compiled);
                found = if compiled { found.or(Some(String::new())) } else { found };
            }
            (Some(_), Some(_)) => begun = None,
            (None, Some(true)) => found = found.map(|code| code + said + "\n"),
            (None, _) => {}
        }
    }
    found
}
