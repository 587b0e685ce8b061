//! How long sessions live, and what it takes to open one.

use super::{Changes, Fallback, Section, Setting, Takes};

pub(super) const LIFETIMES: Section = Section {
    name: "lifetimes",
    about: "How long things live. What is set here differs from the profile.",
    settings: &[
        Setting {
            key: "lifetimes.profile",
            takes: Takes::OneOf(&["standard", "strict"]),
            default: Fallback::Value("\"standard\""),
            changes: Changes::Reload,
            words: "\"standard\" (access 10m, idle 7days, absolute 30days) or \"strict\" (5m, 15m, 12h).",
        },
        Setting {
            key: "lifetimes.access",
            takes: Takes::Time(60, 3_600),
            default: Fallback::Words { words: "that of the profile", example: "\"10m\"" },
            changes: Changes::Reload,
            words: "An access token. Between 5m and 15m is advised.",
        },
        Setting {
            key: "lifetimes.idle",
            takes: Takes::Time(60, 34_560_000),
            default: Fallback::Words { words: "that of the profile", example: "\"7days\"" },
            changes: Changes::Reload,
            words: "A session that is not used. No longer than `absolute`.",
        },
        Setting {
            key: "lifetimes.absolute",
            takes: Takes::Time(60, 34_560_000),
            default: Fallback::Words { words: "that of the profile", example: "\"30days\"" },
            changes: Changes::Reload,
            words: "A session in any case.",
        },
        Setting {
            key: "lifetimes.level",
            takes: Takes::Time(60, 86_400),
            default: Fallback::Words { words: "\"15m\"", example: "\"15m\"" },
            changes: Changes::Reload,
            words: "The level that proving the password again gives.",
        },
    ],
};

pub(super) const REFRESH: Section = Section {
    name: "refresh",
    about: "How refresh tokens rotate.",
    settings: &[
        Setting {
            key: "refresh.retry_window",
            takes: Takes::Time(0, 600),
            default: Fallback::Value("\"30s\""),
            changes: Changes::Reload,
            words: "How long after a rotation the token before it gets the same answer again. It never slides. \"0s\" is strict: then only \
                    attempt ids heal a lost answer.",
        },
        Setting {
            key: "refresh.per_minute",
            takes: Takes::Whole(0, 65_535, "rotations"),
            default: Fallback::Value("5"),
            changes: Changes::Reload,
            words: "Rotations of one session a minute, 0 for no limit. Retries do not count.",
        },
        Setting {
            key: "refresh.device_binding",
            takes: Takes::OneOf(&["off", "record", "enforce"]),
            default: Fallback::Value("\"off\""),
            changes: Changes::Reload,
            words: "\"record\": a retry whose device fingerprint contradicts the session's is no retry but reuse, and use from another device \
                    is an event. \"enforce\": and use from another device asks for the password again.",
        },
    ],
};

pub(super) const SESSIONS: Section = Section {
    name: "sessions",
    about: "How many sessions there may be.",
    settings: &[
        Setting {
            key: "sessions.max_per_user",
            takes: Takes::Whole(1, 1_000, "sessions"),
            default: Fallback::Value("100"),
            changes: Changes::Reload,
            words: "Living sessions of one user.",
        },
        Setting {
            key: "sessions.when_full",
            takes: Takes::OneOf(&["evict_oldest", "refuse"]),
            default: Fallback::Value("\"evict_oldest\""),
            changes: Changes::Reload,
            words: "What happens to one more.",
        },
    ],
};

pub(super) const PASSWORDS: Section = Section {
    name: "passwords",
    about: "How passwords are chosen and hashed. There are no other rules of form, and no password ages; common ones are refused, and those \
            made of the user's, the host's or the product's name alone.",
    settings: &[
        Setting {
            key: "passwords.min_length",
            takes: Takes::Whole(8, 64, "characters"),
            default: Fallback::Value("15"),
            changes: Changes::Restart,
            words: "Fewest characters (code points) of a new password.",
        },
        Setting {
            key: "passwords.blocklist",
            takes: Takes::Path,
            default: Fallback::Words { words: "none", example: "\"/etc/hallpass/blocklist.txt\"" },
            changes: Changes::Restart,
            words: "A file of more passwords to refuse, one a line, in any case.",
        },
        Setting {
            key: "passwords.memory_kib",
            takes: Takes::Whole(19_456, 262_144, "KiB"),
            default: Fallback::Value("19456"),
            changes: Changes::Restart,
            words: "Memory of one Argon2id hash.",
        },
        Setting {
            key: "passwords.iterations",
            takes: Takes::Whole(2, 10, "passes"),
            default: Fallback::Value("2"),
            changes: Changes::Restart,
            words: "Passes of Argon2id over that memory.",
        },
        Setting {
            key: "passwords.parallel_hashes",
            takes: Takes::Whole(0, 64, "hashes"),
            default: Fallback::Value("0"),
            changes: Changes::Restart,
            words: "Hashes at once; 0 is all cores but one.",
        },
        Setting {
            key: "passwords.pepper.id",
            takes: Takes::PepperId,
            default: Fallback::Words { words: "none", example: "\"p1\"" },
            changes: Changes::Restart,
            words: "What hashes call the pepper that went into them. Under another id, the hashes made with it let nobody in.",
        },
        Setting {
            key: "passwords.pepper.file",
            takes: Takes::Path,
            default: Fallback::Words { words: "none", example: "\"/etc/hallpass/pepper\"" },
            changes: Changes::Restart,
            words: "The pepper: 32 random bytes that go into every hash, in a file of mode 0600 or 0400 that belongs to the daemon's user, \
                    apart from the database; under systemd it can be a credential. Without it the hashes made with it let nobody in.",
        },
    ],
};

pub(super) const THROTTLE: Section = Section {
    name: "throttle",
    about: "What failed logins cost. A source is the app and the address that it tells; of IPv6 the network of 64 bits.",
    settings: &[
        Setting {
            key: "throttle.free",
            takes: Takes::Whole(1, 50, "failures"),
            default: Fallback::Value("10"),
            changes: Changes::Reload,
            words: "Failures in a row of one name from one source that cost nothing. From there on each costs a wait: 1s, 2s, 4s and so on, up \
                    to `longest`. Forgotten a day after the last.",
        },
        Setting {
            key: "throttle.longest",
            takes: Takes::Time(60, 86_400),
            default: Fallback::Value("\"15m\""),
            changes: Changes::Reload,
            words: "The longest of these waits.",
        },
        Setting {
            key: "throttle.in_a_row",
            takes: Takes::Whole(10, 100, "failures"),
            default: Fallback::Value("100"),
            changes: Changes::Reload,
            words: "Failures in a row against one user without a known device. Then no password opens the account but on a known device, until \
                    an administrator sets another or makes a code (`hallpass user passwd`, `hallpass user code`).",
        },
        Setting {
            key: "throttle.per_source",
            takes: Takes::Whole(10, 100_000, "failures"),
            default: Fallback::Value("100"),
            changes: Changes::Reload,
            words: "Failures an hour from one source, whatever the names: more wait until there is room.",
        },
        Setting {
            key: "throttle.per_app",
            takes: Takes::Whole(10, 1_000_000, "failures"),
            default: Fallback::Value("1000"),
            changes: Changes::Reload,
            words: "Failures an hour through one app: where it tells no addresses it is one source, and otherwise more are an event in the \
                    audit chain.",
        },
        Setting {
            key: "throttle.rows",
            takes: Takes::Whole(1_024, 16_777_216, "counts"),
            default: Fallback::Value("262144"),
            changes: Changes::Reload,
            words: "Counts that are kept at once, of about 60 bytes of the database each. Where there is no room for another, new sources \
                    share counts, and no count that is there is lost.",
        },
    ],
};
