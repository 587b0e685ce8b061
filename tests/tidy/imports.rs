//! The import table: which room of the house knows nothing of which other.

use crate::rules::complaint;
use crate::source::{Source, lies_under};

/// Who must not name what.
pub(crate) struct Import {
    /// Files, or directories with a slash at the end.
    pub(crate) places: &'static [&'static str],
    /// Exempt from it.
    pub(crate) except: &'static [&'static str],
    /// Paths that are not named there.
    pub(crate) never: &'static [&'static str],
    /// Of what is under `never`, what may be named all the same.
    pub(crate) but: &'static [&'static str],
    /// What to do instead.
    pub(crate) instead: &'static str,
    /// A line that breaks the rule.
    pub(crate) bad: &'static str,
}

pub(crate) const IMPORTS: &[Import] = &[
    Import {
        places: &["daemon/src/domain/"],
        except: &[],
        never: &["crate", "hallpass_protocol"],
        but: &[
            "crate::domain",
            "hallpass_protocol::auth::Needs",
            "hallpass_protocol::auth::SessionKind",
            "hallpass_protocol::error",
            "hallpass_protocol::id",
            "hallpass_protocol::limits",
            "hallpass_protocol::time",
            "hallpass_protocol::token::MacKeyId",
        ],
        instead: "the rules know nothing of what is around them; take it as an argument",
        bad: "use hallpass_protocol::{id::UserId, auth::Login};",
    },
    Import {
        places: &["daemon/src/domain/"],
        except: &[],
        never: &[
            "tokio",
            "tokio_util",
            "futures_util",
            "tarpc",
            "redb",
            "bincode",
            "nix",
            "getrandom",
            "rand_core",
            "tracing",
            "std::time::SystemTime",
            "std::time::Instant",
            "std::fs",
            "std::io",
            "std::env",
            "std::thread",
            "std::process",
            "std::os",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
        ],
        but: &[],
        instead: "the rules are plain functions: time and randomness are arguments, effects are results",
        bad: "let now = std::time::Instant::now();",
    },
    Import {
        places: &["protocol/src/", "client/src/", "daemon/src/"],
        except: &["daemon/src/store/"],
        never: &["redb"],
        but: &[],
        instead: "only the store names redb; ask it through a method of its own",
        bad: "fn open() -> redb::Database {}",
    },
    Import {
        places: &["daemon/src/store/"],
        except: &[],
        never: &["tarpc", "hallpass_protocol::auth::Auth", "hallpass_protocol::admin"],
        but: &[],
        instead: "the store knows facts and effects, not calls; translate in the service",
        bad: "use tarpc::context;",
    },
    Import {
        places: &["daemon/src/"],
        except: &["daemon/src/clock.rs"],
        never: &["std::time::SystemTime", "nix::time"],
        but: &[],
        instead: "only clock.rs reads a clock; take the time from `Clock`",
        bad: "use std::time::{Duration, SystemTime as Wall};",
    },
    Import {
        places: &["daemon/src/"],
        except: &["daemon/src/clock.rs", "daemon/src/ctl/"],
        never: &["std::time::Instant"],
        but: &[],
        instead: "only the control command holds a stop-watch; take the time from `Clock`",
        bad: "let begun = std::time::Instant::now();",
    },
    Import {
        places: &["daemon/src/"],
        except: &[
            "daemon/src/connection.rs",
            "daemon/src/listener.rs",
            "daemon/src/daemon.rs",
            "daemon/src/daemon/",
            "daemon/src/running.rs",
        ],
        never: &["tokio::time"],
        but: &[],
        instead: "only connection.rs, listener.rs, daemon.rs and running.rs wait for time to pass",
        bad: "tokio::time::sleep(pause).await;",
    },
    Import {
        places: &["daemon/src/"],
        except: &["daemon/src/entropy.rs"],
        never: &[
            "getrandom",
            "rand_core",
            "rand",
            "argon2::password_hash::rand_core",
            "ed25519_dalek::rand_core",
        ],
        but: &[],
        instead: "only entropy.rs draws randomness; take an `Entropy`",
        bad: "use getrandom::SysRng;",
    },
    Import {
        places: &["daemon/src/listener.rs", "daemon/src/passed.rs", "daemon/src/caller.rs"],
        except: &[],
        never: &["hallpass_protocol"],
        but: &[],
        instead: "who calls is settled before anything that they say is read",
        bad: "use hallpass_protocol::limits::AUTH_FRAME;",
    },
    Import {
        places: &["daemon/src/listener.rs"],
        except: &[],
        never: &["crate::domain"],
        but: &[],
        instead: "the sockets do not know what is asked through them",
        bad: "use super::domain::policy::Permit;",
    },
    Import {
        places: &["daemon/src/ctl/"],
        except: &[
            "daemon/src/ctl/audit.rs",
            "daemon/src/ctl/backup.rs",
            "daemon/src/ctl/check.rs",
            "daemon/src/ctl/compact.rs",
            "daemon/src/ctl/restore.rs",
            "daemon/src/ctl/whose.rs",
        ],
        never: &["crate::store", "crate::keys"],
        but: &[],
        instead: "the control command asks the daemon; only copies and what no daemon has open it reads itself",
        bad: "use crate::store::Store;",
    },
    Import {
        places: &["daemon/src/connection.rs"],
        except: &[],
        never: &["crate::store"],
        but: &[],
        instead: "a connection passes calls on; the service goes to the store",
        bad: "use crate::{shared::Shared, store};",
    },
    Import {
        places: &["protocol/", "client/", "daemon/", "tests/"],
        except: &["protocol/src/codec.rs"],
        never: &["bincode"],
        but: &[],
        instead: "only the codec names bincode; use hallpass_protocol::codec",
        bad: "bincode::serde::encode_to_vec(value, config())",
    },
    Import {
        places: &["daemon/src/bin/"],
        except: &[],
        never: &["std", "crate", "hallpass_protocol", "hallpass_client", "tokio"],
        but: &["std::process::ExitCode"],
        instead: "a binary calls its function in the library and nothing else",
        bad: "use std::env;",
    },
];

pub(crate) fn imports(source: &Source) -> Vec<String> {
    let of = |rule: &Import| -> Vec<String> {
        if !source.is_in(rule.places) || source.is_in(rule.except) {
            return Vec::new();
        }
        let named = source.names().into_iter().filter(|named| breaks(rule, &named.path));
        named
            .map(|named| complaint(source, named.line, &format!("names {}", named.path), rule.instead))
            .collect()
    };
    IMPORTS.iter().flat_map(of).collect()
}

/// Whether it names what is forbidden, or a module through which it could.
fn breaks(rule: &Import, path: &str) -> bool {
    let forbidden = rule.never.iter().any(|never| lies_under(path, never) || lies_under(never, path));
    forbidden && !rule.but.iter().any(|but| lies_under(path, but))
}
