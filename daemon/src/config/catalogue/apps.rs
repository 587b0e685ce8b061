//! The apps.

use super::{Changes, Fallback, Section, Setting, Takes};

const RIGHTS: &[&str] = &["login", "verify", "refresh", "revoke", "list", "vouch", "service_token"];

pub(super) const APP: Section = Section {
    name: "app",
    about: "One table for each app. A process is an app by its user first, else by its group; it can be one app only. Of a process in a \
            container the daemon sees the user and group that it has on the host.",
    settings: &[
        Setting {
            key: "app.name",
            takes: Takes::AppName,
            default: Fallback::Words { words: "none: every app has one", example: "\"shop\"" },
            changes: Changes::Reload,
            words: "Its name, the `client_id` of its tokens.",
        },
        Setting {
            key: "app.users",
            takes: Takes::Names,
            default: Fallback::Words { words: "none", example: "[\"www-data\"]" },
            changes: Changes::Reload,
            words: "The users that it runs as, by name.",
        },
        Setting {
            key: "app.uids",
            takes: Takes::Ids,
            default: Fallback::Words { words: "none", example: "[33]" },
            changes: Changes::Reload,
            words: "The users that it runs as, by number.",
        },
        Setting {
            key: "app.groups",
            takes: Takes::Names,
            default: Fallback::Words { words: "none", example: "[\"shop\"]" },
            changes: Changes::Reload,
            words: "Groups by name: a process of the group is the app, and so is one of a user who is a member.",
        },
        Setting {
            key: "app.gids",
            takes: Takes::Ids,
            default: Fallback::Words { words: "none", example: "[1007]" },
            changes: Changes::Reload,
            words: "Groups by number.",
        },
        Setting {
            key: "app.rights",
            takes: Takes::AnyOf(RIGHTS),
            default: Fallback::Words {
                words: "all but vouch and service_token",
                example: "[\"login\", \"verify\", \"refresh\", \"revoke\", \"list\"]",
            },
            changes: Changes::Reload,
            words: "What it may do. \"vouch\" opens sessions for users whom it has authenticated itself, \"service_token\" gets tokens for the \
                    app itself.",
        },
        Setting {
            key: "app.audiences",
            takes: Takes::Labels,
            default: Fallback::Words { words: "its name", example: "[\"shop\"]" },
            changes: Changes::Reload,
            words: "The audiences it may ask for; the first is taken when a call names none.",
        },
    ],
};
