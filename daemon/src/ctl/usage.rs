//! From the raw arguments to a command, or to a sentence that repeats nothing of what was typed: it may be a secret in the wrong place.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches};

use super::args::{Cli, EXIT_CODES};

/// Arguments that are not a command to carry out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// Help or the version was asked for.
    Shown(String),
    /// The arguments are wrong.
    Wrong {
        /// In one sentence, why.
        message: String,
        /// What would be right.
        usage: String,
        /// Whether `--json` stands among them.
        json: bool,
    },
}

/// Reads the arguments, the command's own name first.
pub(super) fn parse(argv: &[OsString]) -> Result<Cli, Rejected> {
    let json = argv.iter().any(|argument| argument == "--json");
    if argv.iter().skip(1).any(|argument| holds_token(&argument.to_string_lossy())) {
        return Err(Rejected::Wrong { message: TOKEN_IN_ARGUMENT.into(), usage: TOKEN_USAGE.into(), json });
    }
    command()
        .try_get_matches_from(argv)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| reject(&error, argv, json))
}

/// The definition, with a help of its own: every command in two columns, so that one screen holds them all.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let verbs: Vec<_> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(cell).collect();
    let (left, right) = verbs.split_at(verbs.len().div_ceil(2));
    let lines = left.iter().enumerate().map(|(row, cell)| {
        format!("  {cell:<CELL$}{}", right.get(row).map_or("", String::as_str)).trim_end().to_owned() + "\n"
    });
    let verbs: String = lines.collect();
    command.help_template(format!(
        "{{about-with-newline}}{{usage-heading}} {{usage}}\n{EXIT_CODES}\n\nCommands:\n{verbs}\nOptions:\n{{options}}\n"
    ))
}

/// Columns of a command and what it does, of which two fit a line.
const CELL: usize = 39;
/// Columns of the longest name of a command, and one more.
const NAME: usize = 11;

fn cell(verb: &Command) -> String {
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    format!("{:<NAME$}{about}", verb.get_name())
}

const TOKEN_IN_ARGUMENT: &str = "a token was given as an argument, where every user of this host can read it; it was not used; \
                                 revoke it, and give tokens as the first line of stdin";
const TOKEN_USAGE: &str = "Usage: printf '%s\\n' \"$T\" | hallpass verify -";

/// Whether a word of the argument starts like a token of ours or like any JWT.
fn holds_token(argument: &str) -> bool {
    argument
        .split(|c: char| c == '=' || c == ',' || c.is_whitespace())
        .map(|word| word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()))
        .any(|word| ["hps_", "hpr_", "hpd_", "eyJ"].iter().any(|start| word.starts_with(start)))
}

fn reject(error: &clap::Error, argv: &[OsString], json: bool) -> Rejected {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Rejected::Shown(error.render().to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Rejected::Wrong {
            message: "a command is missing".into(),
            usage: error.render().to_string().trim_end().to_owned(),
            json,
        },
        _ => {
            let usage = format!("{}\n\nFor more, try --help.", own(error, ContextKind::Usage));
            Rejected::Wrong { message: explain(error, argv), usage: usage.trim_start().to_owned(), json }
        }
    }
}

/// What is wrong, put together from the names this command itself has given to its arguments, and from nothing that was typed.
fn explain(error: &clap::Error, argv: &[OsString]) -> String {
    let argument = || own(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let which = place(&own(error, ContextKind::InvalidArg), argv);
            let hint = suggestion(error, ContextKind::SuggestedArg);
            format!("{which} is not one that is taken here, and is not repeated in case it is a secret{hint}")
        }
        ErrorKind::InvalidSubcommand => {
            let hint = suggestion(error, ContextKind::SuggestedSubcommand);
            let valid = own(error, ContextKind::ValidSubcommand);
            let valid = if valid.is_empty() { valid } else { format!("; there are {valid}") };
            format!("there is no such command{hint}{valid}")
        }
        ErrorKind::MissingSubcommand => "a command is missing".into(),
        ErrorKind::MissingRequiredArgument => format!("missing: {}", argument()),
        ErrorKind::InvalidValue => match own(error, ContextKind::ValidValue) {
            valid if valid.is_empty() => format!("{} needs a value", argument()),
            valid => format!("{} takes one of these: {valid}", argument()),
        },
        ErrorKind::ValueValidation => {
            let why = error.source().map_or_else(|| "not a value it takes".into(), ToString::to_string);
            format!("{}: {why}", argument())
        }
        ErrorKind::ArgumentConflict => match own(error, ContextKind::PriorArg) {
            prior if prior.is_empty() || prior == argument() => {
                format!("{} can be given once only", argument())
            }
            prior => format!("{} cannot go together with {prior}", argument()),
        },
        ErrorKind::TooManyValues => format!("{} takes no value, or not so many", argument()),
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".into(),
        _ => "the arguments do not fit together".into(),
    }
}

/// A piece of the error that clap took from the command's definition.
fn own(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    }
}

fn suggestion(error: &clap::Error, kind: ContextKind) -> String {
    let near = own(error, kind);
    if near.is_empty() { near } else { format!("; did you mean {near}?") }
}

/// Says which argument it was by its place, counted as a person counts.
fn place(text: &str, argv: &[OsString]) -> String {
    argv.iter()
        .skip(1)
        .position(|argument| argument.to_string_lossy().starts_with(text))
        .map_or_else(|| "an argument".into(), |index| format!("argument {}", index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::args::{AuditVerb, Kind, Stdin, UserVerb, Verb};

    const SESSION: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn argv(line: &str) -> Vec<OsString> {
        std::iter::once("hallpass")
            .chain(line.split_whitespace().map(|word| if word == "''" { "" } else { word }))
            .map(OsString::from)
            .collect()
    }

    fn verb(line: &str) -> Verb {
        parse(&argv(line)).unwrap_or_else(|rejected| panic!("{line}: {rejected:?}")).verb
    }

    fn wrong(line: &str) -> (String, String) {
        match parse(&argv(line)) {
            Err(Rejected::Wrong { message, usage, .. }) => (message, usage),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_verb_parses() {
        for line in [
            "status",
            "top",
            "top --once --interval 0",
            "metrics --output /var/lib/node/hallpass.prom",
            "bench --seconds 5",
            "bench --running",
            "bench --running -",
            "user add alice",
            "user add alice --role a --role b --password-stdin",
            "user add alice --no-password",
            "user list",
            "user show alice",
            "user enable alice",
            "user disable alice",
            "user remove alice --yes",
            "user passwd alice --password-stdin",
            "user roles alice --set ''",
            "user import users.jsonl --dry-run",
            "user import -",
            "login alice",
            "login alice --kind cookie --password-stdin --audience api --device-label phone",
            "verify",
            "verify - --role a --role b --audience api --max-auth-age 300 --level 2",
            "refresh",
            "refresh - --audience api",
            "revoke --token -",
            "revoke --token",
            "revoke --user alice",
            "revoke --all --yes",
            &format!("revoke --session {SESSION}"),
            "session list --user alice",
            &format!("session show {SESSION}"),
            &format!("session revoke {SESSION}"),
            "session revoke --user alice",
            &format!("session revoke --user alice --except {SESSION}"),
            "key jwks",
            "key reseal",
            "key retire Zm9v --yes",
            "revoke --key Zm9v",
            "key reseal --new-key /etc/hallpass/next",
            "key reseal --new-key -",
            "audit tail",
            "audit tail --count 3 --after 7",
            "audit tail --user alice --app shop --event login --since 2h",
            "audit export --after 7 --since 2026-11-01T00:00:00Z",
            "audit verify",
            "audit verify --against -",
            "audit verify today.redb --config /etc/hallpass/hallpass.toml",
            "backup /var/backups/today.redb",
            "check",
            "config check",
            "config check /etc/hallpass/hallpass.toml",
            "config show --set",
            "config show hallpass.toml --state-dir /srv/hallpass --runtime-dir /run/hallpass",
            "doctor",
            "doctor --config hallpass.toml --state-dir /srv/hallpass --runtime-dir /run/hallpass",
            "compact",
            "compact --state-dir /srv/hallpass",
            "restore today.redb --yes --state-dir /srv/hallpass --runtime-dir /run/hallpass",
            "check today.redb",
            "check --state-dir /srv/hallpass",
        ] {
            for line in [line.to_owned(), format!("{line} --json --socket /run/x.sock")] {
                let cli = parse(&argv(&line)).unwrap_or_else(|rejected| panic!("{line}: {rejected:?}"));
                assert_eq!(cli.json, line.contains("--json"), "{line}");
                assert_eq!(cli.socket.is_some(), line.contains("--socket"), "{line}");
            }
        }
    }

    #[test]
    fn values_arrive_where_they_belong() {
        let Verb::User(UserVerb::Add(add)) = verb("user add alice --role a --role b") else { panic!() };
        assert_eq!(
            (add.name.as_str(), add.roles, add.password_stdin),
            ("alice", vec!["a".into(), "b".into()], false)
        );
        let Verb::User(UserVerb::Roles(set)) = verb("user roles alice --set editor,admin") else { panic!() };
        assert_eq!(set.set.0, ["editor", "admin"]);
        let Verb::User(UserVerb::Roles(set)) = verb("user roles alice --set ''") else { panic!() };
        assert!(set.set.0.is_empty());
        let Verb::Login(login) = verb("login alice") else { panic!() };
        assert_eq!(login.kind, Kind::Token);
        let Verb::Verify(verify) = verb("verify - --max-auth-age 300 --level 2") else { panic!() };
        assert_eq!((verify.token, verify.max_auth_age, verify.level), (Some(Stdin), Some(300), Some(2)));
        let Verb::Revoke(revoke) = verb("revoke --token") else { panic!() };
        assert_eq!(revoke.token, Some(None));
        let Verb::Audit(AuditVerb::Tail(tail)) = verb("audit tail --after 7") else { panic!() };
        assert_eq!((tail.count.get(), tail.after), (20, Some(7)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for line in [
            "user",
            "user roles alice",
            "user roles alice --set a,,b",
            "user add alice --password-stdin --no-password",
            "user add",
            "login",
            "revoke",
            "revoke --all --user alice",
            "revoke --session 1",
            "session list",
            "session show",
            "session show 1",
            "session revoke",
            &format!("session revoke {SESSION} --user alice"),
            &format!("session revoke {SESSION} --except {SESSION}"),
            &format!("session revoke --except {SESSION}"),
            "verify --level 256",
            "verify --max-auth-age -1",
            "audit tail --count x",
            "audit tail --count 0",
            "audit tail --since yesterday",
            "top --interval 61",
            "bench --seconds 0",
            "bench -",
        ] {
            assert!(!wrong(line).0.is_empty(), "{line}");
        }
    }

    #[test]
    fn f1_a_token_as_an_argument_is_refused_and_not_repeated() {
        for token in ["hps_Zm9v", "hpr_Zm9v", "hpd_Zm9v", "eyJhbGciOiJFZERTQSJ9.e30.c2ln"] {
            for line in [
                format!("verify {token}"),
                format!("refresh {token} --json"),
                format!("revoke --token {token}"),
                format!("revoke --token={token}"),
                format!("login alice --audience={token}"),
                token.to_owned(),
                format!("status -- -{token}"),
            ] {
                let (message, usage) = wrong(&line);
                assert!(message.contains("stdin"), "{line}: {message}");
                assert!(!format!("{message}{usage}").contains("Zm9v"), "{line}");
                assert!(!format!("{message}{usage}").contains("eyJ"), "{line}");
            }
        }
        let spaced = ["hallpass", "verify", "Bearer hps_Zm9v"].map(OsString::from);
        assert!(
            matches!(parse(&spaced), Err(Rejected::Wrong { message, .. }) if message == TOKEN_IN_ARGUMENT)
        );
    }

    #[test]
    fn f1_no_text_repeats_what_was_typed_in_the_wrong_place() {
        const SECRET: &str = "Tr0ub4dor";
        for line in [
            "SECRET",
            "user SECRET",
            "user show alice SECRET",
            "user add alice --password SECRET",
            "user add alice --password=SECRET",
            "user add alice --password-stdin=SECRET",
            "user add alice --SECRET",
            "user add alice -pSECRET",
            "user roles alice SECRET",
            "login alice SECRET",
            "login alice --kind SECRET",
            "login alice --password-stdin SECRET",
            "verify SECRET",
            "verify - SECRET",
            "verify --level SECRET",
            "verify --max-auth-age=SECRET",
            "refresh SECRET",
            "revoke SECRET",
            "revoke --token SECRET",
            "revoke --token=SECRET",
            "revoke --session SECRET",
            "session show SECRET",
            "session revoke SECRET",
            "session revoke --user alice --except SECRET",
            "revoke --all=SECRET",
            "audit tail --count SECRET",
            "audit SECRET --json=SECRET",
            "key jwks SECRET",
            "key reseal SECRET",
            "status --json=SECRET",
            "help SECRET",
        ] {
            let (message, usage) = wrong(&line.replace("SECRET", SECRET));
            assert!(!message.is_empty() && !message.contains(SECRET), "{line}: {message}");
            assert!(!usage.contains(SECRET), "{line}: {usage}");
        }
    }

    #[test]
    fn a_refusal_says_where_and_what_instead() {
        for (line, message) in [
            (
                "login alice --password x",
                "argument 3 is not one that is taken here, and is not repeated in case it is a secret; did you mean --password-stdin?",
            ),
            ("user lits", "there is no such command; did you mean list?"),
            ("login alice --kind jwt", "--kind <KIND> takes one of these: token, cookie"),
            ("login", "missing: <NAME>"),
            ("revoke --all --user alice", "--all cannot go together with --user <NAME>"),
            ("login alice --kind token --kind token", "--kind <KIND> can be given once only"),
            ("verify --level many", "--level <N>: not a whole number in its range"),
            ("audit tail --count", "--count <N> needs a value"),
            ("status --json=x", "--json takes no value, or not so many"),
        ] {
            assert_eq!(wrong(line).0, message, "{line}");
        }
        assert_eq!(wrong("login").1, "Usage: hallpass login <NAME>\n\nFor more, try --help.");
    }

    #[test]
    fn help_fits_a_small_terminal() {
        let shown = command().term_width(80).try_get_matches_from(["hallpass", "--help"]).unwrap_err();
        let help = shown.render().to_string();
        assert!(help.lines().count() < 24, "{} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let (cell, about) = (cell(verb), verb.get_about().unwrap().to_string());
            assert!(cell.chars().count() < CELL, "{cell:?} does not fit a column; make what it does shorter");
            assert!(about.len() > 5 && help.contains(&cell), "{verb} is not in\n{help}");
        }
    }

    #[test]
    fn help_and_version_are_shown_and_secrets_come_from_stdin_in_every_example() {
        let shown = |line: &str| match parse(&argv(line)) {
            Err(Rejected::Shown(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(shown("--version").trim(), concat!("hallpass ", env!("CARGO_PKG_VERSION")));
        for verb in ["login", "verify", "refresh", "revoke"] {
            let help = shown(&format!("{verb} --help"));
            assert!(
                help.contains("printf '%s\\n' \"$") && help.contains(&format!("| hallpass {verb} ")),
                "{help}"
            );
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
