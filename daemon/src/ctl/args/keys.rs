//! Keys: what is done with them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const RESEAL_EXAMPLES: &str = "\
Sessions and tokens go on. A copy of the database made before still opens with the old key,
so keep that as long as you keep the copy.

Where the daemon made its master key itself, it makes another and puts it in its place:
  hallpass key reseal

Where you gave it one, as a file of the configuration or a credential of systemd, make the next,
put it in the place of the old one, and restart the daemon. Until then the old one counts:
  (umask 077; head -c 32 /dev/urandom >/etc/hallpass/master.key.new)
  hallpass key reseal --new-key /etc/hallpass/master.key.new
  mv /etc/hallpass/master.key.new /etc/hallpass/master.key
  systemctl restart hallpassd";

#[derive(Debug, Subcommand)]
pub(in crate::ctl) enum KeyVerb {
    /// Print the keys that access tokens are signed with, as a JWK set
    Jwks,
    /// List the keys there are
    List,
    /// Bring in a new key; the old ones verify until their last tokens are over
    Rotate(RotateArgs),
    /// Take a signing key back: every access token it signed ends at once; asks first
    Retire(RetireArgs),
    /// Change the master key that seals the others
    #[command(after_long_help = RESEAL_EXAMPLES)]
    Reseal(ResealArgs),
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct RetireArgs {
    /// Which, as `key list` shows it
    #[arg(allow_hyphen_values = true)]
    pub(in crate::ctl) kid: String,
    /// Do not ask
    #[arg(long)]
    pub(in crate::ctl) yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct ResealArgs {
    /// Take this key, 32 bytes in a file of yours or on stdin (`-`), instead of having the daemon make one
    #[arg(long, value_name = "FILE")]
    pub(in crate::ctl) new_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct RotateArgs {
    /// The key of session, refresh and device tokens, not the one that signs access tokens
    #[arg(long)]
    pub(in crate::ctl) mac: bool,
    /// The old keys are gone at once: every access token ends or, with --mac, every session; asks first
    #[arg(long)]
    pub(in crate::ctl) emergency: bool,
    /// Do not ask
    #[arg(long)]
    pub(in crate::ctl) yes: bool,
}
