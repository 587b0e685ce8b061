//! What the rules read: sources as code, comments and the paths that they name.

/// A source file, taken apart.
pub(crate) struct Source {
    /// Where it lies, from the top of the repository.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// The same without comments and without what is in quotes.
    pub(crate) code: String,
    /// The comments alone.
    pub(crate) comments: String,
}

/// A path that a source names, such as `std::time::Instant`.
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: String,
}

pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        Self { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    /// Whether it lies in one of these places.
    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || place.ends_with('/') && self.path.starts_with(place))
    }

    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = Vec::new();
        for (number, line) in self.code.lines().enumerate() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let length = match word {
                    0 if rest.starts_with("::") => 2,
                    0 => first.len_utf8(),
                    word => word,
                };
                tokens.push(Token { line: number + 1, text: &rest[..length] });
                rest = rest[length..].trim_start();
            }
        }
        tokens
    }

    /// Every path of more than one part and everything that is imported.
    pub(crate) fn names(&self) -> Vec<Named> {
        let (tokens, mut named, mut at) = (self.tokens(), Vec::new(), 0);
        while at < tokens.len() {
            let next = tokens.get(at + 1).map_or("", |token| token.text);
            if tokens[at].text == "use" && next != "<" {
                at = use_tree(&tokens, at + 1, "", &mut named);
            } else if is_word(tokens[at].text) && next == "::" {
                let (line, mut path) = (tokens[at].line, tokens[at].text.to_owned());
                while at + 2 < tokens.len() && tokens[at + 1].text == "::" && is_word(tokens[at + 2].text) {
                    path = format!("{path}::{}", tokens[at + 2].text);
                    at += 2;
                }
                named.push(Named { line, path });
            }
            at += 1;
        }
        for name in &mut named {
            name.path = absolute(&self.path, &name.path);
        }
        named
    }
}

/// Reads one `use` tree and gives the index of what ends it.
fn use_tree(tokens: &[Token<'_>], mut at: usize, before: &str, named: &mut Vec<Named>) -> usize {
    let (mut path, line) = (before.to_owned(), tokens.get(at).map_or(0, |token| token.line));
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => {
                while tokens.get(at).is_some_and(|token| token.text != "}" && token.text != ";") {
                    at = use_tree(tokens, at + 1, &path, named);
                }
                // A group is the end of its branch; what it holds has been named.
                return at + 1;
            }
            "," | ";" | "}" => break,
            "as" => at += 1,
            "::" | "self" | "*" => {}
            part if path.is_empty() => path.push_str(part),
            part => path = format!("{path}::{part}"),
        }
        at += 1;
    }
    // The end of a list with a comma behind its last branch names nothing.
    if at > 0 && !matches!(tokens[at - 1].text, "," | "{") {
        named.push(Named { line, path });
    }
    at
}

/// The path from the top of the crate, for one that starts at the parent of its file's module.
fn absolute(file: &str, path: &str) -> String {
    let Some(rest) = path.strip_prefix("super::") else { return path.to_owned() };
    let module = file.split_once("/src/").map_or("", |(_, inside)| inside);
    let module = module.trim_end_matches(".rs").trim_end_matches("/mod");
    let parent = module.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.replace('/', "::"));
    if parent.is_empty() { format!("crate::{rest}") } else { format!("crate::{parent}::{rest}") }
}

pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Whether `path` is `root` or lies under it.
pub(crate) fn lies_under(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Splits a source into its code and its comments, each with spaces where the other was. What is in quotes is in neither.
fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let (mut rest, mut before) = (text, ' ');
    while let Some(first) = rest.chars().next() {
        let (length, kind) = piece(rest, before);
        for c in rest[..length].chars() {
            let blank = if c == '\n' { '\n' } else { ' ' };
            code.push(if kind == Kind::Code { c } else { blank });
            comments.push(if kind == Kind::Comment { c } else { blank });
        }
        before = first;
        rest = &rest[length..];
    }
    (code, comments)
}

#[derive(PartialEq)]
enum Kind {
    Code,
    Comment,
    Quoted,
}

/// Length and kind of what the text starts with.
fn piece(text: &str, before: char) -> (usize, Kind) {
    let until =
        |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    let hashes = text
        .trim_start_matches('b')
        .strip_prefix('r')
        .map(|raw| &raw[..raw.len() - raw.trim_start_matches('#').len()]);
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), Kind::Comment);
    }
    if text.starts_with("/*") {
        return (until("*/", 2), Kind::Comment);
    }
    if let Some(hashes) =
        hashes.filter(|hashes| !is_word(&before.to_string()) && text.contains(&format!("r{hashes}\"")))
    {
        let start = text.find('r').unwrap_or(0) + 1 + hashes.len();
        if text[start..].starts_with('"') {
            return (until(&format!("\"{hashes}"), start + 1), Kind::Quoted);
        }
    }
    let quote = match text.chars().next() {
        Some('"') => '"',
        // Not a lifetime: a character, or an escaped one, and then the other quote.
        Some('\'') if text[1..].starts_with('\\') || text.chars().nth(2) == Some('\'') => '\'',
        other => return (other.map_or(0, char::len_utf8), Kind::Code),
    };
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return (at + 1, Kind::Quoted);
        }
        escaped = c == '\\' && !escaped;
    }
    (text.len(), Kind::Quoted)
}
