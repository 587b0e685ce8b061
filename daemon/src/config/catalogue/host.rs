//! Where the daemon's files lie, what it keeps, and what it takes up.

use super::{Changes, Fallback, SLOTS, Section, Setting, Takes};

pub(super) const TOP: Section = Section {
    name: "",
    about: "",
    settings: &[
        Setting {
            key: "issuer",
            takes: Takes::Label,
            default: Fallback::Value("\"hallpass\""),
            changes: Changes::Restart,
            words: "The `iss` claim of access tokens.",
        },
        Setting {
            key: "state_dir",
            takes: Takes::Path,
            default: Fallback::Words {
                words: "$STATE_DIRECTORY under systemd, else /var/lib/hallpass",
                example: "\"/var/lib/hallpass\"",
            },
            changes: Changes::Restart,
            words: "Where the database lies. The directory belongs to the daemon's user and nobody else can write it. Its disk is watched: \
                    below 64 MiB the log warns; of the last few, 2 MiB are kept for ending sessions, and what adds something is refused as \
                    `disk_full`.",
        },
        Setting {
            key: "runtime_dir",
            takes: Takes::Path,
            default: Fallback::Words {
                words: "$RUNTIME_DIRECTORY under systemd, else /run/hallpass",
                example: "\"/run/hallpass\"",
            },
            changes: Changes::Restart,
            words: "Where the board and jwks.json go, and sockets that systemd does not pass, under the same rule.",
        },
        Setting {
            key: "master_key",
            takes: Takes::Path,
            default: Fallback::Words {
                words: "the systemd credential `hallpass.master-key`, else master.key in the state directory, made on the first start",
                example: "\"/etc/hallpass/master.key\"",
            },
            changes: Changes::Restart,
            words: "The master key: 32 random bytes in a file of mode 0600 or 0400 that belongs to the daemon's user, or a credential of \
                    systemd. Make it once, as root: (umask 077; head -c 32 /dev/urandom >/etc/hallpass/master.key)",
        },
    ],
};

pub(super) const AUDIT: Section = Section {
    name: "audit",
    about: "How long the audit chain is kept. What is older or more goes within a day, and an entry says so: the rest can still be verified.",
    settings: &[
        Setting {
            key: "audit.keep_for",
            takes: Takes::Time(86_400, 315_360_000),
            default: Fallback::Value("\"400days\""),
            changes: Changes::Reload,
            words: "How long an entry is kept.",
        },
        Setting {
            key: "audit.keep_entries",
            takes: Takes::Whole(100_000, 1_000_000_000, "entries"),
            default: Fallback::Value("10000000"),
            changes: Changes::Reload,
            words: "How many entries are kept.",
        },
    ],
};

pub(super) const KEYS: Section = Section {
    name: "keys",
    about: "How keys rotate by themselves.",
    settings: &[
        Setting {
            key: "keys.lead",
            takes: Takes::Time(0, 604_800),
            default: Fallback::Value("\"1h\""),
            changes: Changes::Reload,
            words: "How long a new signing key is published before it signs: as long as others keep the published keys without asking again. \
                    With \"0s\" it signs at once.",
        },
        Setting {
            key: "keys.rotate_every",
            takes: Takes::Time(86_400, 34_560_000),
            default: Fallback::Value("\"90days\""),
            changes: Changes::Reload,
            words: "How old a key may get before the next one is made.",
        },
    ],
};

pub(super) const BOARD: Section = Section {
    name: "board",
    about: "The page that verifications inside the apps go by.",
    settings: &[Setting {
        key: "board.slots",
        takes: Takes::PowerOfTwo(SLOTS.0, SLOTS.1),
        default: Fallback::Value("65536"),
        changes: Changes::Restart,
        words: "Its slots, of 8 bytes each. With R revocations and role changes a second a token is asked about 2R/slots times a second for \
                another's sake. Another number closes the old page.",
    }],
};

pub(super) const LIMITS: Section = Section {
    name: "limits",
    about: "How much callers may take up.",
    settings: &[
        Setting {
            key: "limits.connections",
            takes: Takes::Whole(8, 8_192, "connections"),
            default: Fallback::Value("1024"),
            changes: Changes::Reload,
            words: "Connections in all.",
        },
        Setting {
            key: "limits.connections_per_uid",
            takes: Takes::Whole(1, 8_192, "connections"),
            default: Fallback::Value("256"),
            changes: Changes::Reload,
            words: "Connections of one user.",
        },
        Setting {
            key: "limits.frame_memory_mib",
            takes: Takes::Whole(1, 4_096, "MiB"),
            default: Fallback::Value("64"),
            changes: Changes::Restart,
            words: "What received frames may take up together; each user has a quarter of it. Every connection sets aside the longest frame \
                    that it can receive, 16 KiB or, on the administrator's socket, 64 KiB; requests that wait take up theirs.",
        },
        Setting {
            key: "limits.idle_connection",
            takes: Takes::Time(1, 2_592_000),
            default: Fallback::Value("\"1h\""),
            changes: Changes::Restart,
            words: "How long a connection may be idle. Clients connect anew when they have something to ask.",
        },
    ],
};

pub(super) const LOG: Section = Section {
    name: "log",
    about: "What is logged.",
    settings: &[
        Setting {
            key: "log.level",
            takes: Takes::OneOf(&["error", "warn", "info", "debug", "trace"]),
            default: Fallback::Value("\"info\""),
            changes: Changes::Reload,
            words: "From which level on. $HALLPASS_LOG goes before it.",
        },
        Setting {
            key: "log.format",
            takes: Takes::OneOf(&["auto", "text", "json"]),
            default: Fallback::Value("\"auto\""),
            changes: Changes::Restart,
            words: "\"auto\": with its fields to the journal where stderr leads there, else text; \"text\"; \"json\": one object a line.",
        },
    ],
};

pub(super) const ADMIN: Section = Section {
    name: "admin",
    about: "Who administers.",
    settings: &[Setting {
        key: "admin.uids",
        takes: Takes::Ids,
        default: Fallback::Packaged { words: "nobody", value: "[0]" },
        changes: Changes::Reload,
        words: "User ids that may call on the administrator's socket. The packaged file names root.",
    }],
};
