//! What is understood of users who move in and out.

use std::path::PathBuf;

use clap::Args;

pub(super) const IMPORT_EXAMPLES: &str = "\
A line is a JSON object; all but the name may be left out:
  {\"name\":\"alice\",\"hash\":\"$2b$12$...\",\"roles\":[\"editor\"],\"attributes\":{\"team\":\"red\"},\"disabled\":false}

Hashes of argon2, bcrypt, scrypt and pbkdf2 are taken, each with bounded parameters;
the first login replaces them. Who has none needs a code before they can log in. Whoever
comes from another Hallpass with their user_id keeps it, and apps know them by it.

A bad line stops no other. Whoever is there already stays as they are, so an import can be
run again.

Examples:
  hallpass user import users.jsonl --dry-run
  psql -Atc \"select json_build_object('name', login, 'hash', pw) from users\" | hallpass user import -";

#[derive(Debug, Args)]
pub(in crate::ctl) struct ImportArgs {
    /// A file with one user a line; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(in crate::ctl) file: PathBuf,
    /// Only say what would become of each line
    #[arg(long)]
    pub(in crate::ctl) dry_run: bool,
}

pub(super) const EXPORT_NOTES: &str = "\
All users as of one moment: name, user_id, roles, attributes, whether they are disabled and, with
--with-hashes, the hash of their password. Sessions, codes, keys and the audit chain stay: `hallpass
backup` has those. Hashes made with a pepper need the same pepper where they go.

With hashes the lines go to a new file, for you alone (0600), or to a pipe, and never to a terminal:
whoever reads them can guess at passwords. The audit chain says who took them.

Examples:
  hallpass user export --out users.jsonl
  hallpass user export --with-hashes | ssh other-host hallpass user import -";

#[derive(Debug, Args)]
pub(in crate::ctl) struct ExportArgs {
    /// Take the hashes of passwords along
    #[arg(long)]
    pub(in crate::ctl) with_hashes: bool,
    /// Write to this new file, for you alone, instead of stdout; it gets its name once it is whole
    #[arg(long, value_name = "FILE")]
    pub(in crate::ctl) out: Option<PathBuf>,
}
