//! hallpass(1): every command with its arguments, in one page, from the definition of the command line.

use clap::{Arg, Command};
use roff::{Roff, bold, italic, roman};

/// `packaging/man/hallpass.1`.
pub(super) fn page(control: &Command) -> Vec<u8> {
    let mut control = control.clone();
    control.build();
    let mut page = super::head("hallpass", "1");
    page.control("SH", ["NAME"]).text([roman("hallpass - asks the Hallpass session daemon on this host")]);
    page.control("SH", ["SYNOPSIS"]).text([
        bold("hallpass"),
        roman(" [--json] [--socket "),
        italic("PATH"),
        roman("] "),
        italic("COMMAND"),
    ]);
    page.control("SH", ["DESCRIPTION"]).text([roman(
        "Asks hallpassd(8) over its sockets and shows the answers. No argument can hold a password or a token: they come from the terminal or \
         from stdin.",
    )]);
    page.control("SH", ["OPTIONS"]);
    for arg in control.get_arguments().filter(|arg| !arg.is_hide_set()) {
        argument(arg, &mut page);
    }
    page.control("SH", ["COMMANDS"]);
    leaves(&control, "hallpass", &mut page);
    page.control("SH", ["EXIT STATUS"]);
    for (code, words) in [
        ("0", "It was done; hallpass doctor has found no problem."),
        ("1", "It was refused, or something is wrong with what was looked at."),
        ("2", "The arguments, stdin or the terminal do not serve."),
        ("69", "The daemon cannot be reached, or has too much to do."),
        ("70", "Something is wrong inside."),
        ("77", "This user may not ask that."),
        ("78", "The configuration, or the release of one of both, is wrong."),
    ] {
        page.control("TP", []).text([bold(code)]).text([roman(words)]);
    }
    page.control("SH", ["ENVIRONMENT"]);
    for (variable, words) in [
        (
            "HALLPASS_SOCKET",
            "The apps' socket, before any usual place. Without it: /run/hallpass/hallpass.sock, then that of a daemon of your own.",
        ),
        ("NO_COLOR", "If it is set, a terminal is not coloured. What is no terminal never is."),
        (
            "TERM",
            "If it is dumb, or not set, a terminal is not coloured, and nothing is said on it of how far long work is.",
        ),
    ] {
        page.control("TP", []).text([bold(variable)]).text([roman(words)]);
    }
    super::see_also(&["hallpassd(8)", "hallpass.toml(5)", "hallpass-protocol(7)"], &mut page);
    page.to_roff().into_bytes()
}

/// The commands that do something, below this one.
fn leaves(command: &Command, name: &str, page: &mut Roff) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        let name = format!("{name} {}", below.get_name());
        if below.has_subcommands() {
            leaves(below, &name, page);
            continue;
        }
        let usage = below.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace("[OPTIONS] ", "").replace(" [OPTIONS]", "");
        page.control("SS", [usage.split_whitespace().collect::<Vec<_>>().join(" ").as_str()]);
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        page.text([roman(format!("{about}."))]);
        let own = below.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
        for arg in own.filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
            argument(arg, page);
        }
        let notes = below.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        if !notes.is_empty() {
            page.control("PP", []).control("nf", []);
            for line in notes.lines() {
                page.text([roman(line)]);
            }
            page.control("fi", []);
        }
    }
}

fn argument(arg: &Arg, page: &mut Roff) {
    let value = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|name| format!("{name}"))
        .collect::<Vec<_>>()
        .join(" ");
    let takes = arg.get_action().takes_values();
    page.control("TP", []);
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => {
            page.text([bold(format!("-{short}")), roman(", "), bold(format!("--{long}"))])
        }
        (None, Some(long)) if takes => page.text([bold(format!("--{long}")), roman(" "), italic(value)]),
        (None, Some(long)) => page.text([bold(format!("--{long}"))]),
        _ => page.text([italic(value)]),
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values();
    let named: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
    let among = if takes && !named.is_empty() { format!(" ({})", named.join(", ")) } else { String::new() };
    page.text([roman(format!("{help}{among}."))]);
}

#[test]
fn every_flag_is_in_the_page_and_every_flag_of_the_page_exists() {
    let page = String::from_utf8(page(&crate::ctl::definition())).expect("it is text");
    // A page writes every hyphen as `\-`.
    let page = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "");
    let mut known = vec![
        "--help".to_owned(),
        "--version".to_owned(),
        "--name".to_owned(),
        "--with-key".to_owned(),
        "--now".to_owned(),
    ];
    let mut waiting = vec![crate::ctl::definition()];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|below| !below.is_hide_set()).cloned());
        for long in command.get_arguments().filter_map(Arg::get_long) {
            let flag = format!("--{long}");
            assert!(page.contains(&flag), "{} {flag} is not in hallpass(1)", command.get_name());
            known.push(flag);
        }
    }
    for word in page
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
    {
        assert!(known.iter().any(|flag| flag == word), "hallpass(1) names {word}, which no command takes");
    }
    let documents = [
        include_str!("../../../README.md"),
        include_str!("../../../SECURITY.md"),
        include_str!("../../../docs/containers.md"),
        include_str!("../../../docs/moving-in.md"),
        include_str!("../../../docs/nginx.md"),
        include_str!("../../../docs/operating.md"),
        include_str!("../../../docs/THREATS.md"),
        include_str!("../../../docs/verifying.md"),
    ];
    let commands = documents.iter().flat_map(|text| text.lines()).flat_map(|line| line.split(['|', '`']));
    let commands = commands.map(|part| part.trim_start_matches(['$', '#', ' ']));
    let mut seen = 0;
    for command in commands.filter(|part| part.starts_with("hallpass ")) {
        let typed = command.split(" #").next().unwrap_or_default();
        for flag in typed.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(known.iter().any(|known| known == flag), "{command}: there is no {flag}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} flags of examples");
}
