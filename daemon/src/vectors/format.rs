//! How a case of the kinds `rotation`, `revocation` and `lifetimes` is written.

use std::collections::BTreeMap;

use hallpass_protocol::auth::SessionKind;
use serde::Deserialize;

use crate::domain::command::WhenFull;
use crate::domain::family::Binding;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "name")]
    pub(super) _name: String,
    #[serde(default)]
    pub(super) policy: PolicyGiven,
    #[serde(default)]
    pub(super) users: Option<Vec<UserGiven>>,
    #[serde(default)]
    pub(super) sessions: Option<Vec<SessionGiven>>,
    pub(super) everything_us: Option<i64>,
    /// The daemon was down from one moment to another.
    pub(super) down_ms: Option<[i64; 2]>,
    pub(super) steps: Vec<Step>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyGiven {
    pub(super) retry_window_ms: Option<u64>,
    pub(super) per_minute: Option<u16>,
    pub(super) binding: Option<Binding>,
    pub(super) idle_ms: Option<u64>,
    pub(super) absolute_ms: Option<u64>,
    pub(super) access_ms: Option<u64>,
    pub(super) max_sessions: Option<usize>,
    pub(super) when_full: Option<WhenFull>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct UserGiven {
    pub(super) name: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    #[serde(default)]
    pub(super) disabled: bool,
    pub(super) not_before_us: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionGiven {
    pub(super) id: Option<String>,
    pub(super) user: Option<String>,
    pub(super) app: Option<String>,
    pub(super) kind: Option<SessionKind>,
    pub(super) opened_us: Option<i64>,
    pub(super) absolute_end_ms: Option<i64>,
    pub(super) idle_end_ms: Option<i64>,
    pub(super) last_seen_ms: Option<i64>,
    pub(super) auth_time_ms: Option<i64>,
    pub(super) level: Option<u8>,
    pub(super) level_seconds: Option<u32>,
    pub(super) counter: Option<u32>,
    pub(super) rotated_at_ms: Option<i64>,
    pub(super) attempt: Option<String>,
    pub(super) retries: Option<u8>,
    pub(super) device: Option<String>,
    pub(super) revoked: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) at_ms: i64,
    /// The calling app; `admin` and `hallpassd` are no apps.
    pub(super) by: Option<String>,
    /// How often, one after the other, all with the same outcome.
    #[serde(default = "once")]
    pub(super) times: u32,
    #[serde(rename = "do")]
    pub(super) action: Action,
    pub(super) expect: Expect,
    #[serde(default)]
    pub(super) then: BTreeMap<String, Then>,
}

pub(super) fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Action {
    Refresh {
        session: String,
        counter: u32,
        attempt: Option<String>,
        audience: Option<String>,
        device: Option<String>,
        #[serde(default)]
        elsewhere: bool,
    },
    Verify {
        session: String,
        #[serde(default)]
        token_end_ms: Option<i64>,
        #[serde(default)]
        roles: Vec<String>,
        level: Option<u8>,
        max_auth_age: Option<u64>,
    },
    Revoke {
        session: String,
    },
    RevokeOfApp {
        user: String,
        except: Option<String>,
    },
    RevokeUser {
        user: String,
    },
    RevokeEverything {},
    AddUser {
        user: String,
    },
    Enable {
        user: String,
    },
    Disable {
        user: String,
    },
    SetPassword {
        user: String,
    },
    SetRoles {
        user: String,
        roles: Vec<String>,
    },
    RemoveUser {
        user: String,
    },
    /// A login with the right password; the case names the session it opens.
    Login {
        user: String,
        kind: SessionKind,
        opens: String,
    },
    Touch {
        session: String,
    },
    Sweep {},
}

/// What the step answers: one of the first five, and what else is named.
#[derive(Deserialize, Default, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// The number of the refresh token that is granted; 0 for a session token.
    pub(super) granted: Option<u32>,
    pub(super) refused: Option<String>,
    pub(super) ended: Option<u64>,
    pub(super) swept: Option<u64>,
    pub(super) done: Option<bool>,
    /// When the answer to a verification itself ends.
    pub(super) until_ms: Option<i64>,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) access_end_ms: Option<i64>,
    pub(super) roles: Option<Vec<String>>,
    /// The audit event, or an empty text for none.
    pub(super) audit: Option<String>,
}

/// What of a session is to be so afterwards.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Then {
    #[serde(default)]
    pub(super) gone: bool,
    pub(super) counter: Option<u32>,
    pub(super) retries: Option<u8>,
    /// The reason, or an empty text for none.
    pub(super) revoked: Option<String>,
    pub(super) idle_end_ms: Option<i64>,
    pub(super) absolute_end_ms: Option<i64>,
    pub(super) last_seen_ms: Option<i64>,
    pub(super) due_ms: Option<i64>,
}
