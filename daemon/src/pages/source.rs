//! What the protocol's own sources say of its calls and types, so that the page of the protocol says the same.

/// Something that is declared.
pub(super) struct Declared {
    /// What is said of it.
    pub(super) words: String,
    /// Its name, with `struct` or `enum` before it, or that of a call with its arguments.
    pub(super) name: String,
    /// Its fields, variants or, of a call, nothing.
    pub(super) parts: Vec<Part>,
}

/// A field or a variant.
pub(super) struct Part {
    /// What is said of it.
    pub(super) words: String,
    /// As it is declared.
    pub(super) text: String,
    /// How deep it lies: a field of a variant lies one deeper.
    pub(super) depth: usize,
}

/// The methods of a service, in their order.
pub(super) fn calls(source: &str) -> Vec<Declared> {
    let within = source.split("#[tarpc::service]").nth(1).unwrap_or_default();
    let mut words = String::new();
    let mut found = Vec::new();
    for line in within.lines().skip(1).map(str::trim).take_while(|line| !line.starts_with("pub struct")) {
        if let Some(said) = line.strip_prefix("/// ") {
            add(&mut words, said);
        } else if let Some(call) = line.strip_prefix("async fn ") {
            let name = call.trim_end_matches(';').to_owned();
            found.push(Declared { words: std::mem::take(&mut words), name, parts: Vec::new() });
        } else if line == "}" {
            break;
        }
    }
    found
}

/// The structs and enums that cross the wire, in their order.
pub(super) fn types(source: &str) -> Vec<Declared> {
    let (mut found, mut words, mut open): (Vec<Declared>, String, Option<Declared>) =
        (Vec::new(), String::new(), None);
    for line in without_examples(source) {
        let trimmed = line.trim();
        if let Some(said) = trimmed.strip_prefix("/// ") {
            add(&mut words, said);
        } else if let Some(declared) = open.as_mut() {
            if line == "}" {
                found.extend(open.take());
            } else if trimmed != "}," && !trimmed.starts_with('#') {
                let text = trimmed.trim_start_matches("pub ").trim_end_matches([',', '{', ' ']).to_owned();
                let depth = line.len() - line.trim_start().len();
                declared.parts.push(Part { words: std::mem::take(&mut words), text, depth: depth / 4 });
            }
        } else if let Some(rest) =
            line.strip_prefix("pub ").filter(|rest| rest.starts_with("struct ") || rest.starts_with("enum "))
        {
            let name = rest.trim_end_matches([' ', '{']).to_owned();
            let declared = Declared { words: std::mem::take(&mut words), name, parts: Vec::new() };
            if rest.ends_with('{') { open = Some(declared) } else { found.push(declared) }
        } else if !trimmed.starts_with('#') {
            words.clear();
        }
    }
    found
}

/// The lines of a source but for its examples, which are about the client in Rust, and for what keeps paragraphs apart.
fn without_examples(source: &str) -> impl Iterator<Item = &str> {
    let mut in_example = false;
    source.lines().filter(move |line| {
        let Some(said) = line.trim().strip_prefix("///").map(str::trim) else { return true };
        let is_fence = said.starts_with("```");
        in_example ^= is_fence;
        !is_fence && !in_example && !said.is_empty()
    })
}

/// Puts a line of words behind others, without what only a compiler follows.
fn add(words: &mut String, line: &str) {
    if !words.is_empty() {
        words.push(' ');
    }
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("](") {
        words.push_str(before);
        words.push(']');
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    words.push_str(rest);
    *words = words.replace("[`", "`").replace("`]", "`").replace("crate::", "");
}

#[test]
fn what_is_declared_is_found_with_its_words() {
    let source = "/// What apps ask.\n#[tarpc::service]\npub trait Auth {\n    /// Who is\n    /// there.\n    async fn hello() -> Answer<Hello>;\n    \
                  /// Many.\n    async fn many(requests: Vec<V>) -> Answer<Vec<Answer<W>>>;\n}\n\n/// It.\n///\n/// ```\n/// let it = 1;\n/// ```\n#[derive(X)]\npub struct Hello {\n    \
                  /// See [`a`](crate::b).\n    pub version: String,\n}\n/// Or.\npub enum Or {\n    /// One.\n    One,\n    /// Two.\n    Two {\n        \
                  /// In.\n        inner: u8,\n    },\n}\n";
    let calls = calls(source);
    assert_eq!(
        (calls[0].name.as_str(), calls[0].words.as_str()),
        ("hello() -> Answer<Hello>", "Who is there.")
    );
    assert_eq!(calls[1].name, "many(requests: Vec<V>) -> Answer<Vec<Answer<W>>>");
    let types = types(source);
    assert_eq!((types[0].name.as_str(), types[0].words.as_str()), ("struct Hello", "It."));
    assert_eq!(
        (types[0].parts[0].text.as_str(), types[0].parts[0].words.as_str()),
        ("version: String", "See `a`.")
    );
    let parts: Vec<_> = types[1].parts.iter().map(|part| (part.text.as_str(), part.depth)).collect();
    assert_eq!(parts, [("One", 1), ("Two", 1), ("inner: u8", 2)]);
}
